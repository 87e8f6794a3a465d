"""In production the service has one name, whatever a client writes into Host."""

from __future__ import annotations

import pytest

from tests.support.house import House


@pytest.mark.parametrize("path", ["/audio/..%2f/x", "/centres/", "//rendez-vous", "/poste"])
def test_no_answer_leads_to_a_host_that_a_client_named(service: House, path: str):
    service.settings = service.settings.model_copy(
        update={"public_base_url": "https://allo.example.fr", "environment": "production"}
    )
    client = service.application().test_client()
    answer = client.get(path, headers={"Host": "evil.example"})
    assert "evil.example" not in answer.headers.get("Location", "")
    assert b"evil.example" not in answer.data
