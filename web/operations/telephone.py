"""The way to the telephone to try, which is the simulator's. Development only."""

from __future__ import annotations

from flask import Blueprint, Response, redirect

from web.marks import public


def blueprint(simulator_port: int | None) -> Blueprint:
    """/telephone, leading to the simulator of this machine."""
    telephone = Blueprint("telephone", __name__)

    @telephone.get("/telephone")
    @public
    def lead() -> Response:
        # 302: a browser that remembered it would go wrong after a change of ports.
        response: Response = redirect(f"http://127.0.0.1:{simulator_port}/telephone")  # type: ignore[assignment]
        return response

    return telephone
