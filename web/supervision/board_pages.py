"""The pages of /supervision that supervisors and operators read, and what they download."""

from __future__ import annotations

import io
import json

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from flask import Response, abort, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue

from prompts.values import written_number
from services.accounts import four_eyes
from services.accounts.sign_in import LONGEST
from services.accounts.staff import READ_FILE, RecordedAct, names_of, read_acts, record_act
from services.agents.presence import PAUSES
from services.campaign.campaigns import Campaigns
from services.csv_cells import write_rows
from services.desk import watched
from services.desk.search import SEARCHED, TOO_MANY
from services.messages.topics import OF_THE_DAY
from services.numbers.numbers import CalledNumber, Numbers
from services.public.offered import shown
from services.store import Store
from services.supervision import clusters, supervise
from services.supervision import history as board_history
from services.supervision.alerts import DEFAULTS, RANGES
from services.supervision.board_facts import iso
from services.supervision.counts import UNSAID, ZONE
from services.supervision.snapshots import SnapshotRead, Snapshots
from services.supervision.supervise import HeldMessage
from services.supervision.write_board import NAME
from web.marks import roles
from web.pages import words
from web.staff_only import UNPROVED, current, is_fetch, is_proved, staff_session, to_proof
from web.supervision.tiles import tiles

LONGEST_EXPORT: Final = 31
ACTS_ON_A_PAGE: Final = 100
HELD_ON_A_PAGE: Final = 200
# Seconds. Quarters change four times an hour.
HISTORY_FRESH: Final = 20.0
_SPOKEN: Final = ("board", "numbers", "desk.step", "desk.pause", "desk.topic")
# Acts whose reason was typed by an agent.
LOOKS: Final = frozenset({READ_FILE, SEARCHED, TOO_MANY})


class BoardPages:
    """The snapshots and counts that the board's pages read."""

    def __init__(self, store: Store, campaigns: Campaigns, numbers: Numbers | None) -> None:
        self.store = store
        self._campaigns = campaigns
        self._numbers = numbers
        self._snapshots = Snapshots(store)
        # By the day, and the service that is looked at.
        self._history: dict[tuple[date, str], tuple[float, dict[str, Any]]] = {}
        # What walls get, by the tag of the snapshot that it was made from.
        self._on_walls = "", ""

    @roles("supervisor", "operator")
    def page(self) -> str:
        """The board; with `mur=1` as it will be on a wall, and the way to leave it there."""
        return self._page(wall=request.args.get("mur") == "1")

    @roles("supervisor", "operator", wall=True)
    def wall(self) -> str:
        """What hangs on a wall: it reads, and is signed in for nothing else."""
        return self._page(wall=True)

    def _page(self, *, wall: bool) -> str:
        found = staff_session()
        hangs = found is not None and found.wall
        # A wall shows everything: no supervisor is there to see that it shows a part.
        chosen = "" if wall else self._chosen()
        return render_template(
            "supervision/page.html",
            wall=wall,
            until=(found.began_at + LONGEST) if found and hangs else None,
            may_act=current().role == "supervisor" and not wall,
            clusters=0 if wall else self._clusters(),
            # Every word that the page's script needs.
            spoken={part.removeprefix("desk."): words().part(part) for part in _SPOKEN},
            tiles=tiles(),
            numbers=self._called(),
            services=self._services(),
            looks=self._choices(),
            unsaid=UNSAID,
            chosen=chosen,
            pauses=PAUSES,
            thresholds=DEFAULTS,
            ranges=RANGES,
            states=supervise.STATES,
            today=today_here(self.store).isoformat(),
            # From which the page counts its seconds: a browser's own clock may be wrong.
            now=iso(self.store.clock.now()),
        )

    def _called(self) -> dict[str, str]:
        """What people may call, as it is shown, by number; empty where there is one number."""
        several = self._numbers.several() if self._numbers else ()
        return {line.number: _shown(line) for line in several}

    def _services(self) -> dict[str, str]:
        """The name of each service by its campaign; empty where there is one service."""
        found = self._campaigns.open_now()
        names = {campaign.name: shown(campaign, words().language).name for campaign in found}
        return names if len(names) > 1 else {}

    def _choices(self) -> dict[str, str]:
        """The services to look at alone, by their names, as they are shown; empty where one is."""
        found = [campaign for campaign in self._campaigns.open_now() if campaign.service]
        if len(found) <= 1:
            return {}
        return {campaign.service: shown(campaign, words().language).name for campaign in found}

    def _chosen(self) -> str:
        """The service of the address, or UNSAID; empty: all of them, as with one that is none."""
        asked, known = request.args.get("pour", ""), self._choices()
        return asked if known and asked in {*known, UNSAID} else ""

    def _clusters(self) -> int:
        """How many groups of bookings that resemble one another are to be looked at."""
        with self.store.database.statement() as connection:
            return clusters.count(connection)

    @roles("supervisor", "operator", poll=True, moment=True)
    def etat(self) -> ResponseReturnValue:
        shown = self._snapshots.get(NAME)
        if shown is None or shown.snapshot.body is None:
            return Response("{}", mimetype="application/json", headers={"X-Board-Age": "-1"})
        return self._told(shown, shown.snapshot.body, shown.snapshot.tag)

    @roles("supervisor", "operator", poll=True, wall=True, moment=True)
    def wall_etat(self) -> ResponseReturnValue:
        """The same without those who work here and those who wait: counts alone."""
        shown = self._snapshots.get(NAME)
        if shown is None or shown.snapshot.body is None:
            return Response("{}", mimetype="application/json", headers={"X-Board-Age": "-1"})
        tag = shown.snapshot.tag
        # Taken once: another thread may put a newer one there.
        made = self._on_walls
        if made[0] != tag:
            body = json.loads(shown.snapshot.body)
            body["entries"] = body["agents"]["list"] = []
            # A snapshot of an earlier version has none by service.
            for part in body.get("of", {}).values():
                part["entries"] = []
            made = tag, json.dumps(body, ensure_ascii=False, separators=(",", ":"))
            self._on_walls = made
        return self._told(shown, made[1], f"{tag}-wall")

    def _told(self, shown: SnapshotRead, body: str, tag: str) -> ResponseReturnValue:
        """With how old it is, and what time it is here: a screen's own clock may be wrong."""
        response = Response(body, mimetype="application/json")
        response.set_etag(tag)
        response.headers["X-Board-Age"] = f"{shown.age(self._snapshots.ticks()):.1f}"
        response.headers["X-Board-Now"] = iso(self.store.clock.now()) or ""
        return response.make_conditional(request)

    @roles("supervisor", "operator", poll=True, wall=True)
    def history(self) -> ResponseReturnValue:
        day = _day(request.args.get("jour"), today_here(self.store))
        ticks = self._snapshots.ticks()
        which = day, self._chosen()
        known = self._history.get(which)
        if known is None or ticks - known[0] > HISTORY_FRESH:
            known = ticks, self.store.database.read_late(partial(board_history.page, *which))
            fresh = {
                shown: row
                for shown, row in self._history.items()
                if ticks - row[0] <= HISTORY_FRESH
            }
            self._history = {**fresh, which: known}
        response = jsonify(known[1])
        response.add_etag()
        return response.make_conditional(request)

    @roles("supervisor", "operator")
    def acts(self) -> str:
        before = request.args.get("avant", type=int)
        found = read_acts(self.store, limit=ACTS_ON_A_PAGE, before=before)
        with self.store.database.statement() as connection:
            people = {who for entry in found for who in (entry.act.staff_id, entry.act.subject)}
            names = names_of(connection, people)
        return render_template(
            "supervision/acts.html",
            acts=[
                _written(entry, names, reasons=current().role == "supervisor") for entry in found
            ],
            older=found[-1].number if len(found) == ACTS_ON_A_PAGE else None,
            may_act=current().role == "supervisor",
        )

    @roles("supervisor")
    def approvals(self) -> str:
        """What concerns many people and waits for a second person."""
        return approvals_page(self.store)

    @roles("supervisor")
    def watched_names(self) -> str:
        """Names whose files raise an alert when they are opened; none can be read here."""
        return watched_page(self.store)

    @roles("supervisor", "operator")
    def held(self) -> str:
        """What budgets hold back: no number and no word of a message is here."""
        found, count = supervise.held_messages(self.store, limit=HELD_ON_A_PAGE)
        return render_template(
            "supervision/held.html",
            held=[_held(message) for message in found],
            count=count,
            may_act=current().role == "supervisor",
        )

    @roles("supervisor", "operator")
    def export(self) -> ResponseReturnValue:
        today = today_here(self.store)
        first = _day(request.args.get("from"), today)
        last = _day(request.args.get("to"), today)
        if not timedelta() <= last - first < timedelta(days=LONGEST_EXPORT):
            abort(HTTPStatus.BAD_REQUEST)
        what = request.args.get("quoi", "quarters")
        if what not in {"quarters", "acts"}:
            abort(HTTPStatus.NOT_FOUND)
        if not is_proved():
            # The file is downloaded: a person at an unattended page must not take it along.
            if is_fetch():
                return refused(UNPROVED, "board.page")
            return to_proof(request.full_path.rstrip("?"))
        export = board_history.Export(first, last)
        with self.store.database.transaction() as connection:
            details = {"from": first.isoformat(), "to": last.isoformat()}
            record_act(connection, self.store, current().id, "export", what, details=details)
        rows = self._quarters(export) if what == "quarters" else self._acts(export)
        name = f"{what}-{first}-{last}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(_csv(rows), mimetype="text/csv; charset=utf-8", headers=headers)

    def _quarters(self, export: board_history.Export) -> Iterator[Sequence[object]]:
        yield ("at_utc", "at_paris", "name", "label", "value", "complete", "service")
        database, now = self.store.database, self.store.clock.now()
        for day in export.days:
            if day == now.astimezone(ZONE).date():
                # All of one database: between a replica and it a quarter would be lost, or doubled.
                with database.statement() as connection:
                    found = board_history.so_far(connection, now)
            else:
                found = database.read_late(partial(board_history.quarters, day=day))
            for measure in board_history.apart(found):
                local = measure.at.astimezone(ZONE)
                yield (
                    iso(measure.at),
                    f"{local:%Y-%m-%d %H:%M}",
                    measure.name,
                    measure.label,
                    # All digits: "g" alone writes a million as 1e+06.
                    f"{measure.value:.15g}",
                    "yes" if board_history.is_over(measure.at, now) else "no",
                    measure.about,
                )

    def _acts(self, export: board_history.Export) -> Iterator[Sequence[object]]:
        # A supervisor's reason for a search is free text, which may name a person. It is shown only
        # on the page: a downloaded file has no expiry and no record of its readers.
        yield ("number", "at_utc", "staff_id", "what", "subject", "before", "after")
        with self.store.database.statement() as connection:
            found = list(board_history.acts_of(connection, self.store, export))
        for entry in found:
            act = entry.act
            before, after = _change(act.details)
            yield (
                entry.number, iso(entry.at), act.staff_id, act.what, act.subject, before, after
            )  # fmt: skip


def refused(why: str, back: str) -> ResponseReturnValue:
    spoken = words()
    key = f"board.why.{why}"
    told = spoken[key] if key in spoken else spoken.text("board.why.other", code=why[:20])
    if is_fetch():
        return jsonify(done=False, why=why, message=told), HTTPStatus.CONFLICT
    if why == UNPROVED:
        return to_proof(url_for(back))
    return render_template(
        "supervision/refused.html", told=told, back=url_for(back)
    ), HTTPStatus.CONFLICT


def _day(text: str | None, otherwise: date) -> date:
    if not text:
        return otherwise
    try:
        found = date.fromisoformat(text)
    except ValueError:
        abort(HTTPStatus.BAD_REQUEST)
    # Far from the ends of the calendar, where there is no day before.
    if not timedelta(days=-4000) < found - otherwise < timedelta(days=4000):
        abort(HTTPStatus.BAD_REQUEST)
    return found


def today_here(store: Store) -> date:
    return store.clock.now().astimezone(ZONE).date()


def _change(details: Mapping[str, Any]) -> tuple[str, str]:
    """Before and after, as words; of other acts, all that is noted."""
    if "after" in details or "before" in details:
        return _told(details.get("before")), _told(details.get("after"))
    return "", ", ".join(f"{name} {_told(value)}" for name, value in details.items())


def _told(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(str(part) for part in value) or "—"
    return str(value)


def _shown(called: CalledNumber) -> str:
    """A number as people write it, with its name."""
    number = written_number(called.number) if called.number.startswith("+") else called.number
    return f"{number} · {called.name}" if called.name else number


def _written(one: RecordedAct, names: Mapping[str, str], *, reasons: bool) -> dict[str, Any]:
    """An act as the page shows it.

    `reasons`: what was typed for a search is shown, too: to those who answer for agents.
    """
    act, spoken = one.act, words()
    before, after = _change(act.details)
    what = f"board.act.{act.what}"
    return {
        "number": one.number,
        "at": one.at.astimezone(ZONE),
        "who": names.get(act.staff_id, act.staff_id),
        "what": spoken[what] if what in spoken else act.what.replace("_", " "),
        "subject": names.get(act.subject, act.subject),
        "before": before,
        "after": after,
        "why": _reason(act.why) if reasons or act.what not in LOOKS else "",
        "can_be_undone": act.what in supervise.CAN_BE_UNDONE,
    }


def approvals_page(store: Store, problem: str = "", *, done: bool = False) -> str:
    found = four_eyes.waiting(store)
    with store.database.statement() as connection:
        about = {
            approval.subject.partition(" ")[2]
            for approval in found
            if approval.kind == four_eyes.FACTOR
        }
        names = names_of(connection, about | {approval.asked_by for approval in found})
    return render_template(
        "supervision/approvals.html", waiting=found, names=names, problem=problem, done=done
    )


def watched_page(store: Store, problem: str = "") -> str:
    found = watched.everyone(store)
    with store.database.statement() as connection:
        names = names_of(connection, {watch.who for watch in found})
    return render_template(
        "supervision/watched.html",
        watched=found,
        names=names,
        problem=problem,
        # What was typed is corrected and not typed anew; it is kept nowhere.
        typed=request.form if problem else {},
    )


def _reason(why: str) -> str:
    """Why a person acted, in words where it is one of a list."""
    spoken, key = words(), f"desk.search.why.{why}"
    return spoken[key] if key in spoken else why  # noqa: SIM401 (a screen is no mapping)


def _held(one: HeldMessage) -> dict[str, Any]:
    """A message that is held back, as the page shows it; `due_at` None: it is of no use then."""
    spoken = words()
    topic = f"desk.topic.{one.topic}"
    goes = one.topic not in OF_THE_DAY
    return {
        "id": one.id,
        "held_at": one.held_at.astimezone(ZONE),
        "topic": spoken[topic] if topic in spoken else one.topic,  # noqa: SIM401 (no mapping)
        "why": spoken[f"board.held.of_{one.held_why}"],
        "due_at": one.due_at.astimezone(ZONE) if goes else None,
    }


def _csv(rows: Iterator[Sequence[object]]) -> Iterator[bytes]:
    """As spreadsheets of this country read it: semicolons, and the mark of UTF-8 in front."""
    yield "\ufeff".encode()
    for row in rows:
        text = io.StringIO()
        write_rows(text, [row], delimiter=";", end="\r\n")
        yield text.getvalue().encode()
