"""In production the service has one name, whatever a client writes into Host."""

from __future__ import annotations

import re

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


@pytest.mark.parametrize("path", ["/%5cevil.example/x", "/%5c%5cevil.example", "/%2fevil.example"])
def test_no_link_of_a_page_leads_to_a_host_that_the_path_names(service: House, path: str):
    """A browser reads a backslash as a slash, and two slashes as the beginning of a host."""
    page = service.application().test_client().get(path).text
    links = re.findall(r'(?:href|action)="([^"]*)"', page)
    assert any("evil.example" in link for link in links)
    assert not [link for link in links if re.match(r"[/\\]{2}", link)]
