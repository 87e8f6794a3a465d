"""/supervision: what supervisors see each second, and what they do about it.

The page asks for /supervision/etat again and again; what it gets is written by one process, and
read from the store twice a second at most by each worker. Acts are forms that a script sends; what
an act concerns can be asked first. Nothing of a caller is here but ids.
"""

from __future__ import annotations

from flask import Blueprint

from services.campaign.campaigns import Campaigns
from services.numbers.numbers import Numbers
from services.ports import CallControl
from services.store import Store
from web.supervision.board_acts import BoardActs
from web.supervision.board_pages import BoardPages


def blueprint(
    store: Store, campaigns: Campaigns, control: CallControl, numbers: Numbers | None = None
) -> Blueprint:
    """The routes of /supervision. `numbers` are those that people call; None: there is one."""
    board = Blueprint("board", __name__, url_prefix="/supervision")
    reading, acting = BoardPages(store, campaigns, numbers), BoardActs(store, campaigns, control)
    for path, view in (
        ("", reading.page),
        ("/mur", reading.wall),
        ("/etat", reading.etat),
        ("/mur/etat", reading.wall_etat),
        ("/historique", reading.history),
        ("/actes", reading.acts),
        ("/retenus", reading.held),
        ("/export.csv", reading.export),
        ("/noms", reading.watched_names),
        ("/accords", reading.approvals),
    ):
        board.add_url_rule(path, view.__name__, view, methods=["GET"])
    for path, act in (
        ("/apercu", acting.look),
        ("/files", acting.queues),
        ("/agents", acting.agents),
        ("/confier", acting.give),
        ("/ecouter", acting.listen),
        ("/quitter", acting.leave),
        ("/plancher", acting.floor),
        ("/seuil", acting.threshold),
        ("/alerte", acting.alert),
        ("/gel", acting.freeze),
        ("/retenus", acting.let_go),
        ("/annuler", acting.undo),
        ("/accords", acting.approve),
        ("/noms", acting.watch_name),
        ("/noms/retirer", acting.unwatch_name),
    ):
        board.add_url_rule(path, act.__name__, act, methods=["POST"])
    return board
