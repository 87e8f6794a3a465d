"""The paths of telephones in other processes; see `boxes` and `remote.RemoteSwitchboard`.

    POST /_telephones           {"box", "names", "prefixes", "trunk"}: all that this one can ring
    POST /_calls/<sid>/rang     {"box", "status"} -> {"ring": the call to run, or null}
    POST /_calls/<sid>/bridge   {"to", "caller_id", "timeout_s"} -> {"seat", "child"}, {"refused"}

All want the account's credentials. `status` is `answered`, `busy`, `no-answer` or `failed`. A call
elsewhere that dials somebody bridges: it is live here, and sits where whoever is rung will come to.
"""

import re

from dataclasses import asdict

from flask import Blueprint, Response, jsonify

from exchange.orders import REFUSALS
from exchange.rest.calls import CLIENT_NAME
from exchange.rest.paths import Refused, fields, known, not_found
from exchange.rest.server import Simulator

NUMBER = re.compile(r"\+[1-9][0-9]{0,14}")
MOST_NAMES, MOST_PREFIXES = 1000, 100
ANSWERED = "answered"


def add_far_phones(own: Blueprint, simulator: Simulator) -> None:
    """Add what a process tells of its telephones."""

    @own.post("/_telephones")
    def offer() -> Response:
        given = fields()
        box = _box(simulator, given.get("box"))
        names = _numbers(given.get("names"), MOST_NAMES, CLIENT_NAME)
        prefixes = _numbers(given.get("prefixes", []), MOST_PREFIXES)
        trunk = given.get("trunk", False)
        if not isinstance(trunk, bool):
            raise Refused(20001, "trunk is true or false")
        simulator.boxes.offers(box, names, prefixes, trunk=trunk)
        return jsonify(done=True)

    @own.post("/_calls/<sid>/bridge")
    def bridge(sid: str) -> Response:
        call, given = known(simulator.switchboard.live(sid)), fields()
        (to,) = _numbers([given.get("to")], 1, CLIENT_NAME)
        timeout_s = given.get("timeout_s")
        if not isinstance(timeout_s, int):
            raise Refused(20001, "timeout_s is a number of seconds")
        made = simulator.switchboard.bridge(call, to, str(given.get("caller_id", "")), timeout_s)
        if made is None:
            return jsonify(refused="nobody can be rung")
        seat, child = made
        return jsonify(seat=asdict(seat), child=child)

    @own.post("/_calls/<sid>/rang")
    def rang(sid: str) -> Response:
        given = fields()
        box, status = _box(simulator, given.get("box")), given.get("status")
        if status == ANSWERED:
            ring = simulator.ringing.answered_there(box, sid)
            return jsonify(ring=ring and asdict(ring))
        if status not in REFUSALS:
            raise Refused(20001, "status is answered, busy, no-answer or failed")
        simulator.ringing.refused_there(box, sid, status)
        return jsonify(ring=None)


def _box(simulator: Simulator, box: object) -> str:
    """Return the box of a process that is there; raises Refused for any other."""
    if not isinstance(box, str) or not simulator.boxes.there(box):
        raise not_found()
    return box


def _numbers(given: object, most: int, *others: re.Pattern[str]) -> list[str]:
    """Return numbers, or what else is allowed; raises Refused for anything that is neither."""
    allowed = (NUMBER, *others)
    if not isinstance(given, list) or len(given) > most:
        raise Refused(20001, f"a list of {most} at most is wanted")
    if not all(any(one.fullmatch(str(name)) for one in allowed) for name in given):
        raise Refused(20001, "a number (+33…) is wanted, or client:<name> where that can be")
    return [str(name) for name in given]
