"""`make run`: the whole service on one machine, for development and demonstration.

The launcher finds what the service needs, runs the migrations, starts the lines of `Procfile.dev`
under honcho's classes, says `Ready: …` once calls are answered, starts again what dies, and leaves
nothing behind. In production a platform reads `Procfile` instead and none of this runs.
"""
