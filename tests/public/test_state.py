"""/etat: honest whatever happens, the same for people and machines, also without the store."""

from __future__ import annotations

import re
import threading

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from models.centres.tables import centre
from models.partners.tables import partner_feed
from models.public import centres, incidents
from models.public.incidents import Incident
from models.slots.slot_query import Share
from models.slots.tables import place
from models.supervision import snapshots
from services.campaign.campaigns import Campaigns
from services.public.incidents import OUTAGE_LEAST, SAME_OUTAGE, record_outage
from services.public.state import Latest, put_together
from services.public.write_state import OVERLOAD_OVER, PARTNER_GONE, ROOM, WriteState
from services.supervision.free_places import COUNTED_WITHIN, CountFree
from tests.support.house import CAMPAIGN, NOON, House, house, mornings

SECOND = timedelta(seconds=1)


@pytest.fixture
def on_both(database_url: str) -> Iterator[House]:
    with house(database_url) as one:
        yield one


@pytest.fixture
def site(made: House) -> House:
    made.opens_centre("1", starts=mornings(3), capacity=5)
    made.opens_centre("2", code="35000", starts=mornings(2), capacity=10)
    tries(made)
    return made


def passes(made: House, time: timedelta) -> None:
    clock: Any = made.clock
    clock.advance(time)


def tries(made: House, platform: str = "doctolib", *, read: bool = True) -> None:
    """A platform is asked now, and gives everything or nothing."""
    at = {"tried_at": made.clock.now()} | ({"read_at": made.clock.now()} if read else {})
    with made.database.transaction() as connection:
        same = partner_feed.c.platform == platform
        if not connection.execute(partner_feed.update().where(same).values(**at)).rowcount:
            connection.execute(partner_feed.insert().values(platform=platform, **at))


def writer(made: House, campaign: Any = CAMPAIGN) -> WriteState:
    return WriteState(made.store, Campaigns.fixed(campaign, now=made.clock.now))


def room(made: House, **body: Any) -> None:
    with made.database.transaction() as connection:
        snapshots.put(connection, made.clock, ROOM, body)


def told(made: House) -> list[Incident]:
    with made.database.statement() as connection:
        return incidents.latest(connection, 100)


def states(made: House) -> tuple[str, dict[str, Any]]:
    """What a person reads, and what a machine does. The worker asks the store for both anew."""
    client = made.application().test_client()
    text = re.sub(r"<[^>]+>", " ", client.get("/etat").text).replace("\u00a0", " ")
    return " ".join(text.split()), client.get("/etat.json").get_json()


class Stopped(Exception):
    pass


@contextmanager
def without_store(made: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody gets a connection, as while PostgreSQL is being restarted."""

    def refuse(*_: object) -> None:
        raise OperationalError("connect", {}, Stopped())

    with monkeypatch.context() as patch:
        made.database.renew()
        for engine in made.database.engines:
            patch.setattr(engine, "connect", refuse)
            patch.setattr(engine, "begin", refuse)
        yield


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def seen(latest: Latest, made: House) -> dict[str, Any]:
    return put_together(latest.look(), CAMPAIGN, "+33974750001", made.clock.now())


# ---------------------------------------------------------------- the same for both


def test_machines_read_what_people_do(site: House):
    writer(site)()
    passes(site, timedelta(minutes=3))
    text, state = states(site)
    assert state["status"] == "open"
    assert "Le service fonctionne" in text
    assert state["measured_at"] == "2026-11-25T08:00:00Z"
    assert "Chiffres relevés il y a 3 minutes" in text
    assert state["measured_long_ago"]
    assert "Ces chiffres ont été relevés aujourd’hui à 9 h." in text
    places = state["places"]
    rows = {one["code"]: (one["name"], one["free"], one["web"]) for one in places["departements"]}
    for code, (name, free, web) in rows.items():
        assert f"{code} {name} {free} {web}" in text
    assert rows["75"][1] == 15
    assert rows["35"][1] == 20
    assert f"Total {places['free']} {places['web']}" in text
    assert places["free"] == 35
    assert places["web"] == sum(web for _, _, web in rows.values())
    assert 0 < places["web"] < 35
    assert state["telephone"] == {
        "number": "+33974750001",
        "people_now": True,
        "people_until": "2026-11-25T19:00:00Z",
        "people_from": None,
        "waiting": 0,
        "agents": 0,
        "wait_seconds": None,
    }
    assert "ouvert jusqu’à 20 h" in text
    assert "personne n’est au poste en ce moment" in text
    assert [one["platform"] for one in state["partners"]] == ["doctolib"]
    assert "Doctolib Lue il y a 3 minutes" in text
    assert state["incidents"] == []
    assert "Aucun incident depuis sept jours" in text


def test_places_of_no_departement_are_told_only_where_there_are_some(site: House):
    # The official file has centres whose postcode and commune say nothing.
    for number, code in enumerate(("", "99", "99"), 7):
        site.opens_centre(str(number), starts=mornings(1) if number == 9 else ())
        with site.database.transaction() as connection:
            same = centre.c.id == str(number)
            connection.execute(centre.update().where(same).values(departement=code))
    writer(site)()
    text, state = states(site)
    assert [one["code"] for one in state["places"]["departements"]] == ["35", "75", "99"]
    assert "99 Ailleurs 1" in text
    assert "Total 36" in text
    page = site.application().test_client().get("/centres/7")
    assert page.status_code == 200
    assert 'href="/centres/dep/"' not in page.text


def test_waits_are_told_in_words_with_their_age(site: House):
    with site.database.transaction() as connection:
        pace = {"fr": {"agents": 1, "share": 1.0, "mean": 300.0, "free": (280.0,)}}
        snapshots.put(connection, site.clock, "pace", pace)
    writer(site)()
    text, state = states(site)
    assert state["telephone"]["wait_seconds"] == 280
    assert "Attente pour une personne environ 5 minutes mesurée à l’instant" in text


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"opens_at": NOON + timedelta(days=6)}, "soon", "ouvrent mardi 1er décembre 2026 à 9 h"),
        ({"opens_at": NOON - timedelta(days=1)}, "open", "depuis mardi 24 novembre 2026 à 9 h"),
        ({"closes_at": NOON - timedelta(days=1)}, "closed", "La prise de rendez-vous est terminée"),
    ],
)
def test_the_moment_of_the_opening_is_told_to_the_minute(
    site: House, change: dict[str, Any], status: str, sentence: str
):
    site.campaign = replace(CAMPAIGN, **change)
    text, state = states(site)
    assert state["status"] == status
    assert sentence in text
    assert state["booking"]["open"] is (status == "open")


def test_the_room_is_told_with_its_wait(site: House):
    room(site, active=True, opening=0, waiting=1234, rate=2.0, crowded=False, details={})
    writer(site)()
    text, state = states(site)
    assert state["waiting_room"]["wait_seconds"] == 617
    assert "Personnes dans la file d’attente 1 234" in text
    assert "Attente de qui arrive maintenant environ 15 minutes" in text
    # An opening that people wait for is no overload.
    assert state["status"] == "open"
    # Nobody has written about it for a while: nothing is claimed.
    passes(site, timedelta(minutes=1))
    writer(site)()
    assert states(site)[1]["waiting_room"] is None


# ---------------------------------------------------------------- without the store


def test_it_is_served_from_memory_while_the_store_is_down(
    site: House, monkeypatch: pytest.MonkeyPatch
):
    writer(site)()
    ticks = Ticks()
    latest = Latest(site.store, ticks=ticks)
    assert seen(latest, site)["status"] == "open"
    with without_store(site, monkeypatch):
        passes(site, timedelta(minutes=2))
        ticks.now += 2
        down = seen(latest, site)
        assert down["status"] == "down"
        assert down["incidents"] == [
            {
                "kind": "store",
                "fr": "",
                "en": "",
                "es": "",
                "began_at": "2026-11-25T08:02:00Z",
                "ended_at": None,
            }
        ]
        assert down["places"]["free"] == 35
        assert down["measured_long_ago"]
        passes(site, timedelta(minutes=10))
        ticks.now += 2
        assert seen(latest, site)["incidents"] == down["incidents"]
    passes(site, timedelta(minutes=1))
    ticks.now += 2
    # The one who finds that it answers again writes what happened.
    assert seen(latest, site)["status"] == "open"
    (one,) = told(site)
    assert (one.kind, one.began_at) == (incidents.STORE, NOON + timedelta(minutes=2))
    assert one.ended_at == NOON + timedelta(minutes=13)


def test_a_worker_that_never_read_anything_says_so(site: House, monkeypatch: pytest.MonkeyPatch):
    app = site.application()
    with without_store(site, monkeypatch):
        client = app.test_client()
        page = client.get("/etat")
        assert page.status_code == 200
        assert "Le service est en panne depuis aujourd’hui à 9" in page.text
        assert "n’a encore pu lire aucun chiffre" in page.text
        assert "un rendez-vous confirmé reste confirmé" in page.text.lower()
        english = client.get("/etat?lang=en").text
        assert "The service has been out of order since" in english
        assert client.get("/etat.json").get_json()["places"] is None
        # The pages that stand in files are served, too; a centre is not, and says so.
        assert client.get("/").status_code == 200


def test_a_store_that_hangs_holds_nobody_up(site: House, monkeypatch: pytest.MonkeyPatch):
    writer(site)()
    ticks, answers = Ticks(), threading.Event()
    latest = Latest(site.store, ticks=ticks)
    latest.look()
    statement = site.database.statement

    @contextmanager
    def hangs() -> Iterator[Any]:
        answers.wait(60)
        with statement() as connection:
            yield connection

    monkeypatch.setattr("services.public.state.PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(site.database, "statement", hangs)
    ticks.now += 2
    passes(site, timedelta(seconds=30))
    # One that has much to do is not down yet.
    assert seen(latest, site)["status"] == "open"
    reader = latest._reader
    assert reader is not None
    passes(site, OUTAGE_LEAST)
    for _ in range(3):
        state = seen(latest, site)
        assert state["status"] == "down"
        assert state["places"]["free"] == 35
    passes(site, timedelta(seconds=15))
    answers.set()
    reader.join()
    assert seen(latest, site)["status"] == "open"
    (one,) = told(site)
    assert one.ended_at == one.began_at + timedelta(seconds=20)


def test_one_outage_is_told_once_whoever_saw_it(on_both: House):
    made = on_both
    at = NOON - timedelta(hours=1)
    # The process that writes, and two workers: each saw a little more or less of it.
    for first, last in ((0, 60), (-3, 58), (2, 65)):
        assert record_outage(made.store, at + first * SECOND, at + last * SECOND)
    (one,) = told(made)
    assert (one.began_at, one.ended_at) == (at - 3 * SECOND, at + 65 * SECOND)
    # A blink is none, and a later one is another.
    assert not record_outage(made.store, at, at + OUTAGE_LEAST - SECOND)
    later = at + 65 * SECOND + 2 * SAME_OUTAGE
    record_outage(made.store, later, later + timedelta(minutes=1))
    assert len(told(made)) == 2


def test_the_process_that_writes_tells_of_its_own_outage(
    site: House, monkeypatch: pytest.MonkeyPatch
):
    write = writer(site)
    write()
    with without_store(site, monkeypatch):
        for _ in range(3):
            passes(site, timedelta(seconds=5))
            with pytest.raises(OperationalError):
                write()
    passes(site, timedelta(seconds=5))
    assert write() == 1
    assert write() == 0
    (one,) = told(site)
    assert one.began_at == NOON + timedelta(seconds=5)
    assert one.ended_at == NOON + timedelta(seconds=20)
    assert "n’a pas répondu" in states(site)[0]
    # A mistake of ours is none.
    room(site, active=True, opening="never")
    with pytest.raises(ValueError, match="never"):
        write()
    room(site)
    passes(site, timedelta(minutes=5))
    write()
    assert told(site) == [one]


# ---------------------------------------------------------------- incidents


def test_incidents_begin_and_end_by_themselves_once(on_both: House):
    made = on_both
    tries(made)
    # Two of these do no harm.
    writers = writer(made), writer(made)

    def write() -> list[tuple[str, str, bool]]:
        for one in writers:
            one()
        return sorted((one.kind, one.text, one.ended_at is None) for one in told(made))

    assert write() == []
    passes(made, timedelta(minutes=61))
    tries(made, read=False)
    room(made, active=True, opening=0, waiting=5, rate=1.0, crowded=True, details={"away": 9.0})
    both = [("overload", "", True), ("partner", "doctolib", True)]
    assert write() == both
    assert write() == both
    text, state = states(made)
    assert state["status"] == "overload"
    assert "Il y a beaucoup de monde en même temps." in text
    assert "Les créneaux de Doctolib dataient de plus d’une heure." in text
    # It is over when it was over for a while, and the partner when it was read again.
    room(made, active=False, opening=0, waiting=0, rate=1.0, crowded=False, details={})
    tries(made)
    assert write() == [("overload", "", True), ("partner", "doctolib", False)]
    passes(made, OVERLOAD_OVER)
    room(made, active=False, opening=0, waiting=0, rate=1.0, crowded=False, details={})
    assert write() == [("overload", "", False), ("partner", "doctolib", False)]
    assert states(made)[1]["status"] == "open"
    # A platform that nobody asks any more was switched off: no incident, and not shown.
    passes(made, PARTNER_GONE + SECOND)
    assert write() == [("overload", "", False), ("partner", "doctolib", False)]
    assert states(made)[1]["partners"] == []
    # After a week nobody wants to hear of them.
    passes(made, timedelta(days=7))
    write()
    assert states(made)[1]["incidents"] == []


def test_somebody_tells_of_an_incident_and_of_its_end(site: House):
    run = site.app.test_cli_runner()
    begun = run.invoke(
        args=["incidents", "begin", "--fr", "Des appels sont coupés.", "--en", "Calls are cut."]
    )
    assert begun.exit_code == 0, begun.output
    incident_id = begun.output.strip()
    writer(site)()
    text, _ = states(site)
    assert "Des appels sont coupés. Depuis aujourd’hui à 9 h, toujours en cours" in text
    assert "Calls are cut." in site.application().test_client().get("/etat?lang=en").text
    listed = run.invoke(args=["incidents", "list"]).output
    assert f"{incident_id}\ttold\t2026-11-25T08:00:00+00:00\t-\toperator\tCalls are cut." in listed
    passes(site, timedelta(minutes=30))
    assert run.invoke(args=["incidents", "end", incident_id]).exit_code == 0
    writer(site)()
    assert "mercredi 25 novembre 2026 à 9 h, pendant 30 minutes" in states(site)[0]
    again = run.invoke(args=["incidents", "end", incident_id])
    assert again.exit_code == 1
    assert "no incident" in again.output
    refused = run.invoke(args=["incidents", "begin", "--fr", " ", "--en", "x"])
    assert refused.exit_code == 1
    assert "--fr: write one or two sentences" in refused.output


def test_what_an_operator_writes_is_text(site: House):
    from services.public.incidents import tell  # noqa: PLC0415

    tell(site.store, "<script>alert(1)</script>", {"en": "<b>x</b>"}, "operator")
    writer(site)()
    page = site.application().test_client().get("/etat").text
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page


# ---------------------------------------------------------------- places


def test_places_are_counted_as_the_telephone_and_the_web_would_get_them(on_both: House):
    made = on_both
    starts = mornings(6)
    made.opens_centre("1", starts=starts, capacity=10)
    made.opens_centre("2", code="35000", starts=starts[:1])
    made.opens_centre("3", code="35000", mode="own_phone", starts=starts)
    common_before = starts[2]
    share = Share(40, common_before)
    with made.database.transaction() as connection:
        lots = connection.execute(
            select(place.c.lot, place.c.start_at).where(place.c.centre_id == "1")
        ).all()
        ours = centres.taking_bookings(connection)
        assert ours == {"1": "75", "2": "35"}
        found = centres.free_at(connection, made.clock, ours, NOON + timedelta(days=35), share)
    web = [at for lot, at in lots if lot >= 40 or at < common_before]
    part = centres.FreePart(0, len(web), min(web))
    assert found["1"] == centres.FreeAtCentre("75", 60, len(web), min(web), (part,))
    assert 20 < len(web) < 60
    assert set(found) == {"1", "2"}
    # What is held is nobody's for now.
    with made.database.transaction() as connection:
        connection.execute(
            place.update()
            .where(place.c.centre_id == "2")
            .values(held_by="CA1", hold_expires_at=NOON + timedelta(minutes=4))
        )
        after = centres.free_at(
            connection, made.clock, {"2": "35"}, NOON + timedelta(days=35), None
        )
    assert after == {"2": centres.FreeAtCentre("35", 0, 0, None)}


def test_the_country_is_counted_in_bites_after_the_first_time(site: House):
    counting = CountFree(site.store)
    until = NOON + timedelta(days=35)

    def refresh() -> bool:
        with site.database.statement() as connection:
            return counting.refresh(connection, until, None)

    assert refresh()
    first = counting.counted
    assert first is not None
    assert {one.departement for one in first.free.values()} == {"75", "35"}
    passes(site, SECOND)
    rounds = 1
    while not refresh():
        rounds += 1
        # Until all are counted anew, what was true before is told, with its age.
        assert counting.counted is first
    assert rounds <= COUNTED_WITHIN
    assert counting.counted is not None
    assert counting.counted.at == NOON + SECOND


@pytest.mark.parametrize("broken", ["taking_bookings", "free_at"])
def test_a_count_that_failed_once_is_counted_again(
    site: House, monkeypatch: pytest.MonkeyPatch, broken: str
):
    counting = CountFree(site.store)
    until = NOON + timedelta(days=35)

    def fails(*_: object) -> None:
        raise Stopped

    with site.database.statement() as connection:
        with monkeypatch.context() as patch:
            patch.setattr(centres, broken, fails)
            with pytest.raises(Stopped):
                counting.refresh(connection, until, None)
        nothing = counting.counted
        assert nothing is None
        assert counting.refresh(connection, until, None)
    assert counting.counted is not None
    assert {one.departement for one in counting.counted.free.values()} == {"75", "35"}


def test_places_that_cannot_be_counted_stay_as_another_process_told_them(
    site: House, monkeypatch: pytest.MonkeyPatch
):
    writer(site)()
    before = states(site)[1]["places"]
    assert before["free"] == 35

    def fails(*_: object) -> None:
        raise OperationalError("SELECT", {}, Stopped("statement timeout"))

    monkeypatch.setattr(centres, "free_at", fails)
    other = writer(site)
    for _ in range(2):
        passes(site, timedelta(seconds=5))
        # The rest is as new as ever, and no outage is told.
        assert other() == 0
        assert states(site)[1]["places"] == before
    assert told(site) == []
