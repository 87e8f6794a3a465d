"""Several campaigns side by side, and files that change while the service runs."""

from __future__ import annotations

import os

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from sqlalchemy import select
from structlog.testing import capture_logs

from models.booking.tables import booking
from services.campaign import campaigns as module
from services.campaign import file
from services.campaign.campaign import BadCampaign
from services.campaign.campaigns import Campaigns, choose
from services.centres.directory import Directory
from services.service import Service
from services.watched_files import LOOK_SECONDS
from tests.campaign.files import save, small
from tests.support.house import NOON, House, campaign_with, house, mornings

DAY = timedelta(days=1)


class Ticks:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Running:
    """Campaigns of a running service."""

    def __init__(self, source: Path, now: datetime = NOON) -> None:
        self.ticks = Ticks()
        self.now = now
        self.campaigns = Campaigns.read(source, now=lambda: self.now, ticks=self.ticks)

    @property
    def names(self) -> list[str]:
        return sorted(one.name for one in self.campaigns.all())

    def later(self, looks: int = 2) -> Running:
        """Time goes by, and calls come in."""
        for _ in range(looks):
            self.ticks.seconds += LOOK_SECONDS
            self.campaigns.current()
        return self


def named(name: str, opens: int | None, closes: int | None = None):
    """A campaign that opens and closes so many days from NOON."""
    return campaign_with(
        name=name,
        opens_at=None if opens is None else NOON + opens * DAY,
        closes_at=None if closes is None else NOON + closes * DAY,
    )


@pytest.mark.parametrize(
    ("campaigns", "chosen"),
    [
        ([named("one", None)], "one"),
        # Open ones: the one that opened last; one without a moment was always open.
        ([named("always", None), named("old", -9), named("new", -1), named("next", 1)], "new"),
        ([named("old", -9), named("over", -1, 0)], "old"),
        ([named("old", -9), named("now", 0)], "now"),
        ([named("a", -1), named("b", -1)], "b"),
        # None is open: the next to open.
        ([named("over", -9, -1), named("far", 9), named("near", 1)], "near"),
        # None will: the last that closed.
        ([named("over", -9, -1), named("long over", -20, -10)], "over"),
    ],
)
def test_the_campaign_of_now(campaigns, chosen):
    for order in (campaigns, campaigns[::-1]):
        assert choose(order, NOON).name == chosen
        assert Campaigns.fixed(*order, now=lambda: NOON).current().name == chosen


def test_a_folder_holds_several_and_the_next_one_takes_over_at_its_moment(tmp_path):
    save(tmp_path / "a.toml", small("winter", "closes_at = 2026-12-01T00:00:00Z"))
    save(tmp_path / "b.toml", small("spring", "opens_at = 2026-12-05T00:00:00Z"))
    save(tmp_path / "notes.txt", "no campaign")
    save(tmp_path / ".hidden.toml", "no campaign")
    running = Running(tmp_path)
    assert running.campaigns.current().name == "winter"
    running.now = datetime(2026, 12, 1, tzinfo=UTC)
    assert running.campaigns.current().name == "spring"
    assert running.names == ["spring", "winter"]
    winter = running.campaigns.by_name("winter")
    assert winter is not None
    assert winter.name == "winter"
    assert running.campaigns.by_name("summer") is None


def test_a_changed_file_is_read_without_a_restart(tmp_path):
    path = save(tmp_path / "x.toml", small("x"))
    running = Running(path)
    assert running.campaigns.current().doses == 1
    save(path, small("x", "doses = 2"))
    with capture_logs() as logs:
        assert running.later().campaigns.current().doses == 2
        running.later()
    assert logs == [{"event": "campaigns read", "names": ["x"], "log_level": "info"}]


def test_a_change_is_read_once_it_lies_still(tmp_path):
    path = save(tmp_path / "x.toml", small("x"))
    running = Running(path)
    for half in ("doses = 2", "doses = 1", "doses = 2"):
        save(path, small("x", half))
        assert running.later(1).campaigns.current().doses == 1
    assert running.later(1).campaigns.current().doses == 2


def test_nothing_is_looked_at_between_looks(tmp_path, monkeypatch):
    path = save(tmp_path / "x.toml", small("x"))
    running = Running(path)
    looks = Counter[str]()
    stamps, load = module._stamps, file.load

    def counted_stamps(source):
        looks["files"] += 1
        return stamps(source)

    def counted_load(*arguments, **options):
        looks["read"] += 1
        return load(*arguments, **options)

    monkeypatch.setattr(module, "_stamps", counted_stamps)
    monkeypatch.setattr(module, "load", counted_load)
    running.ticks.seconds += LOOK_SECONDS - 0.01
    for _ in range(100):
        running.campaigns.current()
    assert not looks
    running.ticks.seconds += 0.01
    for _ in range(100):
        running.campaigns.current()
    assert looks == {"files": 1}


def test_a_look_at_one_file_is_one_call_of_the_system(tmp_path, monkeypatch):
    path = save(tmp_path / "x.toml", small("x"))
    running = Running(path)
    calls = []
    stat = Path.stat

    def counted(self: Path, **options: bool):
        calls.append(self)
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", counted)
    monkeypatch.setattr(os, "scandir", None)
    running.later(3)
    assert calls == [path] * 3


def test_who_comes_during_a_look_does_not_wait(tmp_path, monkeypatch):
    path = save(tmp_path / "x.toml", small("x"))
    running = Running(path)
    met = []
    stamps = module._stamps

    def busy(source):
        # A slow disk: the next look would be due already when another call comes in.
        running.ticks.seconds += LOOK_SECONDS
        other = Thread(target=lambda: met.append(running.campaigns.current().name), daemon=True)
        other.start()
        other.join(timeout=10)
        assert met == ["x"]
        return stamps(source)

    monkeypatch.setattr(module, "_stamps", busy)
    with capture_logs() as logs:
        running.later(1)
    assert met == ["x"]
    assert logs == []


@pytest.mark.parametrize("bad", ["doses = 3", "doses =", "\x00"])
def test_a_bad_version_keeps_the_one_before_and_is_logged_once(tmp_path, bad):
    path = save(tmp_path / "x.toml", small("x", "doses = 2"))
    running = Running(path)
    save(path, small("x", bad))
    with capture_logs() as logs:
        assert running.later(5).campaigns.current().doses == 2
    (entry,) = logs
    assert entry["event"] == "campaigns kept"
    assert entry["log_level"] == "warning"
    (problem,) = entry["problems"]
    assert problem.startswith(f"{path}, line 10: ")
    save(path, small("x", "doses = 1"))
    assert running.later().campaigns.current().doses == 1


def test_a_bad_file_in_a_folder_does_not_hold_back_the_others(tmp_path):
    save(tmp_path / "a.toml", small("a"))
    save(tmp_path / "b.toml", small("b"))
    running = Running(tmp_path)
    save(tmp_path / "a.toml", small("a", "doses = 3"))
    save(tmp_path / "b.toml", small("b", "doses = 2"))
    save(tmp_path / "c.toml", small("c", "doses = 2"))
    save(tmp_path / "d.toml", "nothing")
    with capture_logs() as logs:
        assert running.later().names == ["a", "b", "c"]
    assert {one.name: one.doses for one in running.campaigns.all()} == {"a": 1, "b": 2, "c": 2}
    assert len(logs) == 1
    assert len(logs[0]["problems"]) == 2


def test_a_file_that_is_gone_is_a_campaign_that_is_gone_unless_it_is_the_last(tmp_path):
    save(tmp_path / "a.toml", small("a"))
    save(tmp_path / "b.toml", small("b"))
    running = Running(tmp_path)
    (tmp_path / "a.toml").unlink()
    assert running.later(1).names == ["a", "b"]
    assert running.later(1).names == ["b"]
    (tmp_path / "b.toml").unlink()
    with capture_logs() as logs:
        assert running.later(5).names == ["b"]
    assert [entry["event"] for entry in logs] == ["campaigns kept"]
    save(tmp_path / "c.toml", small("c"))
    assert running.later().names == ["c"]


def test_a_file_may_get_another_file_name(tmp_path):
    path = save(tmp_path / "a.toml", small("a"))
    running = Running(tmp_path)
    path.rename(tmp_path / "z.toml")
    with capture_logs() as logs:
        assert running.later().names == ["a"]
    assert [entry["event"] for entry in logs] == ["campaigns read"]


def test_two_files_may_not_have_one_name(tmp_path):
    save(tmp_path / "a.toml", small("a"))
    second = save(tmp_path / "b.toml", "# first line\n" + small("a"))
    with pytest.raises(BadCampaign) as refusal:
        Campaigns.read(tmp_path)
    assert str(refusal.value) == (
        f'{second}, line 2: name: {tmp_path / "a.toml"} has the name "a" too, and bookings keep'
        " the name only; give another one"
    )
    # While it runs, whoever had the name keeps it.
    save(second, small("b"))
    running = Running(tmp_path)
    save(second, small("a", "doses = 2"))
    running.later()
    assert {one.name: one.doses for one in running.campaigns.all()} == {"a": 1, "b": 1}


def test_at_a_start_every_mistake_of_every_file_is_named(tmp_path):
    save(tmp_path / "a.toml", small("a", "doses = 3", "per_number = 0"))
    save(tmp_path / "b.toml", small("b", "doses = 4"))
    with pytest.raises(BadCampaign) as refusal:
        Campaigns.read(tmp_path)
    assert len(refusal.value.problems) == 3


def test_an_empty_folder_and_a_missing_file_stop_the_start(tmp_path):
    with pytest.raises(BadCampaign, match=r"no campaign lies in this folder; put a file there"):
        Campaigns.read(tmp_path)
    with pytest.raises(BadCampaign, match="there is no such file"):
        Campaigns.read(tmp_path / "x.toml")


# ---------------------------------------------------------------- in calls


def test_a_service_takes_one_campaign_or_several(database_url):
    with house(database_url) as made:
        directory = Directory(made.database)
        one = campaign_with(name="one")
        assert Service(directory, one, "+33974750001").campaign == one
        several = Campaigns.fixed(named("old", -9), named("next", 1), now=made.clock.now)
        service = Service(directory, several, "+33974750001")
        assert service.campaign.name == "old"
        made.clock.advance(DAY)  # type: ignore[attr-defined]
        assert service.campaign.name == "next"


def calls_with(made: House, campaigns: Campaigns) -> None:
    """The house answers calls with these campaigns from now on."""
    made.campaigns = campaigns
    made.app = made.application()


def test_a_younger_class_is_served_by_telephone_from_its_moment_on(database_url, tmp_path):
    path = save(
        tmp_path / "x.toml",
        small("x", "[[eligible]]", "minimum_age = 65", "opens_at = 2026-11-26T00:00:00Z"),
    )
    with house(database_url) as made:
        made.opens_centre(starts=mornings(20, first=3))
        calls_with(made, Campaigns.read(path, now=made.clock.now))
        phone = made.phone()
        phone.dials()
        phone.answers("1", "12031955", "1")
        assert phone.step == "not_eligible"
        made.clock.advance(DAY)  # type: ignore[attr-defined]
        phone = made.phone()
        phone.dials()
        phone.answers("1", "12031955", "1")
        assert phone.step == "postcode"


def test_a_booking_is_of_the_campaign_of_its_moment(database_url):
    with house(database_url) as made:
        made.opens_centre(starts=mornings(20), capacity=3)
        calls_with(made, Campaigns.fixed(named("old", -9), named("next", 1), now=made.clock.now))
        made.phone().books()
        made.clock.advance(DAY)  # type: ignore[attr-defined]
        made.phone().books(born="13031942")
        statement = select(booking.c.campaign).order_by(booking.c.created_at)
        with made.database.statement() as connection:
            assert connection.execute(statement).scalars().all() == ["old", "next"]
