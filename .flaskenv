FLASK_APP=wiring:create_app
