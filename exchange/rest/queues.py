"""The REST paths of queues and of those who wait in them."""

from http import HTTPStatus

from flask import Flask, Response, jsonify, request

from exchange.queues import MOST_MAX_SIZE
from exchange.rest.paths import Refused, answer, given_url, known, page
from exchange.rest.server import Simulator

MAX_NAME = 64


def add_queues(app: Flask, simulator: Simulator) -> None:  # noqa: C901 - routes
    at, switchboard = simulator.paths(app), simulator.switchboard

    @at("POST", "/Queues.json")
    def create_queue() -> Response:
        simulator.check()
        name, size = _name(), _size()
        if not name:
            raise Refused(20001, "Missing required parameter FriendlyName in the post body")
        fault = simulator.take_fault()
        try:
            queue = switchboard.make_queue(name, size)
        except ValueError as error:
            message = f"A queue already exists in this account with that name: {name}"
            raise Refused(22003, message) from error
        return answer(switchboard.queue_resource(queue), fault, HTTPStatus.CREATED)

    @at("GET", "/Queues.json")
    def list_queues() -> Response:
        simulator.check()
        found = [(queue.sid, switchboard.queue_resource(queue)) for queue in switchboard.queues()]
        return page("queues", found)

    @at("GET", "/Queues/<Sid>.json")
    def fetch_queue(Sid: str) -> Response:  # noqa: N803
        return jsonify(switchboard.queue_resource(known(switchboard.queue(Sid))))

    @at("POST", "/Queues/<Sid>.json")
    def update_queue(Sid: str) -> Response:  # noqa: N803
        queue = known(switchboard.queue(Sid))
        simulator.check()
        name, size = _name(), _size()
        other = switchboard.queue_named(name) if name else None
        if other is not None and other is not queue:
            raise Refused(22003, f"A queue already exists in this account with that name: {name}")
        fault = simulator.take_fault()
        switchboard.change_queue(queue, name=name, max_size=size)
        return answer(switchboard.queue_resource(queue), fault)

    @at("DELETE", "/Queues/<Sid>.json")
    def delete_queue(Sid: str) -> Response:  # noqa: N803
        known(switchboard.queue(Sid))
        simulator.take_fault()
        if not switchboard.delete_queue(Sid):
            raise Refused(22002, f"Queue {Sid} is not empty", HTTPStatus.CONFLICT)
        return Response(status=HTTPStatus.NO_CONTENT)

    @at("GET", "/Queues/<QueueSid>/Members.json")
    def list_members(QueueSid: str) -> Response:  # noqa: N803
        known(switchboard.queue(QueueSid))
        simulator.check()
        return page("queue_members", switchboard.members(QueueSid))

    @at("GET", "/Queues/<QueueSid>/Members/<CallSid>.json")
    def fetch_member(QueueSid: str, CallSid: str) -> Response:  # noqa: N803
        found = dict(switchboard.members(known(switchboard.queue(QueueSid)).sid))
        resource = next(iter(found.values()), None) if CallSid == "Front" else found.get(CallSid)
        return jsonify(known(resource))

    @at("POST", "/Queues/<QueueSid>/Members/<CallSid>.json")
    def take_member(QueueSid: str, CallSid: str) -> Response:  # noqa: N803
        simulator.check()
        url = given_url("Url", 21205)
        if not url:
            raise Refused(21205, "Url parameter is required.")
        fault = simulator.take_fault()
        resource = switchboard.take(QueueSid, CallSid, url, request.form.get("Method", "POST"))
        return answer(known(resource), fault)


def _name() -> str:
    name = request.form.get("FriendlyName", "").strip()
    if len(name) > MAX_NAME:
        raise Refused(20001, f"FriendlyName is longer than {MAX_NAME} characters")
    return name


def _size() -> int | None:
    size: int | None = request.form.get("MaxSize", None, int)
    if size is not None and not 0 <= size <= MOST_MAX_SIZE:
        raise Refused(20001, f"MaxSize is not between 0 and {MOST_MAX_SIZE}")
    return size
