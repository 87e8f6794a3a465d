"""How many calls come, and what fails, is read by those who run the service alone."""

from __future__ import annotations

import pytest

from tests.support.house import House

LOOPBACK, STRANGER = "127.0.0.1", "203.0.113.9"


def status(
    house: House, address: str, *, token: str = "", given: str = "", hops: int = 0, by: str = ""
) -> int:
    """What /metrics answers in production."""
    house.settings = house.settings.model_copy(
        update={"environment": "production", "metrics_token": token, "proxy_hops": hops}
    )
    headers = {"Authorization": given} if given else {}
    headers |= {"X-Forwarded-For": by} if by else {}
    answer = (
        house.application()
        .test_client()
        .get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address})
    )
    return answer.status_code


@pytest.mark.parametrize(
    ("address", "asked", "answered"),
    [
        (LOOPBACK, {}, 200),
        ("::1", {}, 200),
        (STRANGER, {}, 403),
        (LOOPBACK, {"by": STRANGER}, 403),
        (LOOPBACK, {"hops": 1}, 403),
        (STRANGER, {"token": "secret", "given": "Bearer secret"}, 200),
        (STRANGER, {"token": "secret", "given": "Bearer wrong"}, 403),
        (STRANGER, {"token": "secret", "given": "secret"}, 403),
        (LOOPBACK, {"token": "secret"}, 403),
        (STRANGER, {"given": "Bearer "}, 403),
    ],
)
def test_they_are_this_machine_or_have_the_token(
    service: House, address: str, asked: dict[str, str], answered: int
):
    assert status(service, address, **asked) == answered  # type: ignore[arg-type]


def test_in_development_everybody_reads_them(service: House):
    client = service.application().test_client()
    answer = client.get("/metrics", environ_base={"REMOTE_ADDR": STRANGER})
    assert answer.status_code == 200
