"""The form handler beside the service: served as its author would, with slots wherever ours are."""

from __future__ import annotations

import http.client

from pathlib import Path

import psycopg

from bench import against, servers
from bench.against import AgainstHouse, Size
from bench.finders import Wanted
from bench.peers import form_handler
from bench.servers import POSTGRES, SQLITE, House
from launcher.ports import HOST


def test_the_form_handler_has_free_slots_in_every_departement(postgres_url: str, tmp_path: Path):
    house = AgainstHouse(tmp_path, POSTGRES, postgres_url, "")
    wanted = [Wanted(f"{number:010d}", "1942-03-12", "75011") for number in range(against.KNOWN)]
    against.fill_handler(Size(1000, house, house, wanted))
    with psycopg.connect(postgres_url) as connection:
        asked = connection.execute(
            "SELECT departement, sum(free), count(*) FROM peer_slot GROUP BY 1"
        )
        slots = {row[0]: (row[1], row[2]) for row in asked}
        known = connection.execute(
            "SELECT count(DISTINCT reference) FROM peer_visit WHERE born = '1942-03-12'"
        )
        assert known.fetchone() == (against.KNOWN,)
    assert sum(free for free, _ in slots.values()) == 600
    # Each has ten or eleven slots, of which some are free.
    assert all(free >= 3 for free, _ in slots.values())


def test_it_is_served_by_threads_of_a_web_server(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'peer.sqlite3'}"
    form_handler.fill(url, slots=10)
    house = House(tmp_path, SQLITE, url, "")
    with servers.usual(house, "peer", "bench.peers.form_handler:create_app") as web:
        assert len(web.workers()) == 2
        connection = http.client.HTTPConnection(HOST, web.port, timeout=10)
        connection.request("GET", "/mon-rendez-vous")
        answer = connection.getresponse()
        assert (answer.status, b'name="reference"' in answer.read()) == (200, True)
        connection.close()
