"""A tiny service to call: it asks what a booking service asks, and keeps what it was told."""

from flask import Flask, Response, request

XML = "text/xml; charset=utf-8"


def twiml(inner: str) -> Response:
    return Response(
        f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>',
        200,
        {"Content-Type": XML},
    )


def menu(text, action, digits=1, **attributes) -> Response:
    more = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return twiml(
        f'<Gather action="{action}" numDigits="{digits}" timeout="5"{more}>'
        f'<Say language="fr-FR">{text}</Say></Gather><Redirect>{action}?silent=1</Redirect>'
    )


def field(text, action) -> Response:
    return twiml(
        f'<Gather action="{action}" finishOnKey="#" timeout="5"><Say language="fr-FR">{text}</Say>'
        f'<Pause length="4"/></Gather><Redirect>{action}?silent=1</Redirect>'
    )


def make_service(send_sms=None, offers=3) -> Flask:  # noqa: C901 - one small route after another
    """A booking service of a few lines: enough to tell a good caller from a bad one."""
    app = Flask("tiny")
    app.config["posted"] = []
    state = {"dob": "", "postcode": "", "phone": "", "offer": ""}
    app.config["state"] = state
    help_ = "Pour parler à quelqu'un, tapez 0."

    @app.before_request
    def keep():
        app.config["posted"].append((request.path, request.form.to_dict()))

    @app.post("/voice/incoming")
    def incoming():
        return menu(
            f"Bonjour. {help_} Pour prendre rendez-vous, tapez 1. Pour votre rendez-vous,"
            " le déplacer ou l'annuler, tapez 2. For English, press 3.",
            "/voice/who",
        )

    @app.post("/voice/who")
    def who():
        if request.form.get("Digits") != "1":
            return twiml("<Say>Au revoir.</Say><Hangup/>")
        return menu(
            f"{help_} Pour vous-même, tapez 1. Pour quelqu'un d'autre, tapez 2."
            " Pour deux personnes, tapez 3.",
            "/voice/ask-dob",
        )

    @app.post("/voice/ask-dob")
    def ask_dob() -> Response:
        return field(
            f"{help_} Tapez votre date de naissance : le jour, le mois et l'année, huit chiffres.",
            "/voice/dob",
        )

    @app.post("/voice/dob")
    def dob():
        state["dob"] = request.form.get("Digits", "")
        if len(state["dob"]) != 8:
            return ask_dob()
        return menu(
            "Vous êtes né le 12 mars 1942. C'est exact, tapez 1. Ce n'est pas exact, tapez 2.",
            "/voice/ask-postcode",
        )

    @app.post("/voice/ask-postcode")
    def ask_postcode() -> Response:
        return field(f"{help_} Quel est votre code postal ? Tapez cinq chiffres.", "/voice/offers")

    @app.post("/voice/offers")
    def list_offers():
        state["postcode"] = request.form.get("Digits", "")
        texts = [
            f"Centre {n}, à {n} kilomètres à vol d'oiseau, mercredi {n} février à {n + 9} heures."
            f" Pour ce rendez-vous, tapez {n}."
            for n in range(1, offers + 1)
        ]
        return menu(" ".join(texts) + " Pour d'autres propositions, tapez 4.", "/voice/phone")

    @app.post("/voice/phone")
    def phone():
        state["offer"] = request.form.get("Digits", "")
        if request.form["From"].startswith("+336"):
            return menu(
                "Votre SMS ira au numéro qui appelle. C'est bien ce numéro, tapez 1. Pour donner"
                " un autre numéro de portable, tapez 2.",
                "/voice/confirm",
            )
        return menu(
            "Pour recevoir un SMS, donnez un portable. Pour taper un numéro de portable, tapez 1."
            " Sans portable, tapez 2.",
            "/voice/mobile",
        )

    @app.post("/voice/mobile")
    def mobile():
        if request.form.get("Digits") == "2":
            return confirm()
        return field("Tapez les dix chiffres du numéro de téléphone portable.", "/voice/confirm")

    @app.post("/voice/confirm")
    def confirm() -> Response:
        digits = request.form.get("Digits", "")
        state["phone"] = digits if len(digits) == 10 else ""
        return menu(
            "Mercredi 3 février à 10 heures. Pour confirmer, tapez 1. Pour changer, tapez 2.",
            "/voice/ready",
        )

    @app.post("/voice/ready")
    def ready():
        if request.form.get("Digits") != "1":
            return twiml("<Say>Au revoir.</Say><Hangup/>")
        return menu(
            "Votre rendez-vous est confirmé. Prenez de quoi écrire. Tapez 1 quand vous êtes prêt.",
            "/voice/reference",
        )

    @app.post("/voice/reference")
    def reference():
        if send_sms is not None:
            number = state["phone"] or request.form["From"]
            send_sms("+33" + number[1:] if number.startswith("0") else number)
        return twiml(
            '<Say language="fr-FR">Votre référence : <break time="500ms"/>04 52'
            ' <break time="300ms"/> 17, 88 03.</Say><Say>Vous recevrez un SMS. Au revoir.</Say>'
            "<Hangup/>"
        )

    @app.post("/voice/fallback")
    def fallback():
        return twiml("<Say>Désolé.</Say>")

    @app.post("/voice/status")
    def status():
        return Response("<Response/>", 200, {"Content-Type": XML})

    return app
