"""A span around each request that reaches the application, by its route and not by its address."""

from __future__ import annotations

from contextlib import ExitStack

from flask import Flask, Response, g, request

from services import tracing
from web.marks import SIGNED

_STACK = "allo_spans"


def register_first(app: Flask) -> None:
    """To be called before all other hooks: what they do is in the span, too."""

    def begin() -> None:
        stack = ExitStack()
        setattr(g, _STACK, stack)
        # The rule has no values in it: addresses of a booking's page name a person's booking.
        rule = request.url_rule.rule if request.url_rule else "no route"
        stack.enter_context(
            tracing.span(f"{request.method} {rule}", http_route=rule, http_method=request.method)
        )

    def end(_error: BaseException | None) -> None:
        stack: ExitStack | None = g.pop(_STACK, None)
        if stack is not None:
            stack.close()

    app.before_request(begin)
    app.teardown_request(end)


def register_signed(app: Flask) -> None:
    """To be called after the check of signatures: until then a call's id is anybody's word."""

    def name_call() -> None:
        if request.path.startswith(SIGNED):
            stack: ExitStack = getattr(g, _STACK)
            stack.enter_context(tracing.of_call(request.form.get("CallSid")))

    def say_status(answer: Response) -> Response:
        tracing.add(http_status=answer.status_code)
        return answer

    app.before_request(name_call)
    app.after_request(say_status)
