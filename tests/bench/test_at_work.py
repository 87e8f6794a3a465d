"""What the people of the bench read in documents."""

from __future__ import annotations

from bench import at_work
from bench.traffic import BASE


def test_an_address_of_a_document_is_what_is_asked_for_without_the_providers_own_part():
    document = (
        f'<Response><Gather action="{BASE}/voice/wait-key?round=0&amp;told=-1#rc=2&amp;rp=ct">'
        f'</Gather><Redirect method="POST">{BASE}/voice/wait?round=1#rc=2</Redirect></Response>'
    )
    assert at_work.next_target(at_work.ACTION, document) == "/voice/wait-key?round=0&told=-1"
    assert at_work.next_target(at_work.REDIRECT, document) == "/voice/wait?round=1"
    assert at_work.next_target(at_work.CONFERENCE, document) == ""


def test_what_should_not_be_makes_it_count_for_nothing():
    assert at_work.WorkdayFigures().faults() == []
    short = at_work.WAITING // 2
    seen = at_work.WorkdayFigures(bad={"/poste/attente 500": 2}, fewest_waiting=short, unseen=1)
    assert [one.split()[0] for one in seen.faults()] == ["2", "only", "1"]
