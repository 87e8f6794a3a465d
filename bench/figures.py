"""The figures of the bench: what each is called, of which part it is, and its bar."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from bench.parts import PARTS, title_of
from bench.servers import KINDS
from bench.sip import CALLS


class Figure(NamedTuple):
    """One figure: its key in the results, its part, its title, and its bar where it has one.

    One that is compared with a floor has its title in bold.
    """

    name: str
    part: str
    title: str
    # The least that it may be, or what it must stay under; of both databases, or one for each.
    least: tuple[float, ...] = ()
    under: tuple[float, ...] = ()

    @property
    def bar(self) -> str:
        """The bar as it is shown."""
        signs = ("≥", self.least), ("<", self.under)
        return " / ".join(f"{sign} {one:g}" for sign, bars in signs for one in bars)

    def places(self) -> Iterator[Place]:
        """Return where it stands in the results: once, or for each database."""
        if PARTS[self.part].once:
            yield Place(self.name, title_of(self.part, ""), 0)
            return
        for number, kind in enumerate(KINDS):
            yield Place(f"{self.name}_{kind}", title_of(self.part, kind), number)

    def missed(self, place: Place, value: object) -> str:
        """Return a sentence where `value` is not as it must be; "" where it is."""
        bars = self.least or self.under
        if not bars:
            return ""
        bar = bars[min(place.number, len(bars) - 1)]
        if isinstance(value, int | float) and (value >= bar if self.least else value < bar):
            return ""
        found = "missing" if value is None else value
        return (
            f"{place.key} is {found}, and must be {'at least' if self.least else 'under'} {bar:g}"
        )


class Place(NamedTuple):
    """A figure's key in the results, the part's title there, and the number of its database."""

    key: str
    part: str
    number: int


def _consists_of(name: str, part: str) -> Iterator[Figure]:
    """What a worker's memory consists of (bench/weight.py)."""
    for what, title in (
        ("mib", "web worker, resident with libraries that others have, too, MiB"),
        ("files_mib", "of that: libraries"),
        ("heap_mib", "of that: the heap of C code"),
        ("arenas_mib", "of that: Python's objects, and large pieces"),
        ("threads", "its threads"),
        ("together_mib", "both workers and the process that starts them, MiB"),
    ):
        yield Figure(f"{name}_{what}", part, title)


def _beside_a_peer() -> Iterator[Figure]:
    """Look-ups and bookings beside a usual form handler, among few slots and many."""
    part = "peers"
    for end, slots in (("1k", "1,000"), ("100k", "100,000")):
        for name, title in (
            ("handler", f"look-ups in a form handler, {slots} slots, a second"),
            ("look_up", f"look-ups on the web, {slots} slots, a second"),
            ("desk", f"look-ups at desks, {slots} slots, a second"),
        ):
            yield Figure(f"peers_{name}_rate_{end}", part, title)
        for name, title in (
            ("look_up", f"**look-ups on the web ÷ the form handler's, {slots} slots**"),
            ("desk", f"**look-ups at desks ÷ the form handler's, {slots} slots**"),
            ("booking", f"**bookings of 16 visitors ÷ the form handler's, {slots} slots**"),
        ):
            yield Figure(f"peers_{name}_ratio_{end}", part, title, least=(1,))
    for name, where in (("look_up", "on the web"), ("desk", "at a desk")):
        title = f"a look-up {where} among 1,000 slots, ms of processor time"
        yield Figure(f"peers_{name}_ms_1k", part, title)
        title = f"**a look-up {where}, 100,000 ÷ 1,000 slots**"
        yield Figure(f"peers_{name}_growth", part, title, under=(1.1,))
    yield Figure("peers_driven_rate", part, "look-ups in it, driven as the service is, a second")
    title = "look-ups on the web ÷ those of a form handler that is driven as the service is"
    yield Figure("peers_driven_look_up_ratio", part, title)
    title = "bookings of 16 visitors ÷ those of a form handler that is driven as the service is"
    yield Figure("peers_driven_booking_ratio", part, title)
    title = "look-ups on the web by 16: requests told to come later, %"
    yield Figure("peers_turned_away_percent", part, title)
    yield Figure("peers_doubles", part, "**places with two bookings, ours**", under=(1,))
    yield Figure("peers_handler_doubles", part, "places with two bookings, the form handler's")
    title = "the same where 16 want the same 24 places, the form handler's"
    yield Figure("peers_race_handler_doubles", part, title)


# Of all parts, in the order of the table.
FIGURES: Final = (
    Figure("floor_a", "calls", "floor (a), answers a second"),
    Figure("floor_b", "calls", "floor (b), answers a second"),
    Figure("turn_rate", "calls", "lone turns a second"),
    Figure("call_rate", "calls", "webhooks of whole booking calls a second"),
    Figure("calls_per_second", "calls", "whole booking calls a second"),
    Figure("turn_ratio", "calls", "**lone turn ÷ floor (b)**", least=(0.75, 0.5)),
    Figure("call_ratio", "calls", "**booking call ÷ floor (b)**", least=(0.5, 0.33)),
    Figure("worker_ms_a_webhook", "calls", "a worker's processor time for a webhook of a call, ms"),
    Figure("database_ms_a_webhook", "calls", "PostgreSQL's processor time for it, ms"),
    Figure("wal_bytes_a_call", "calls", "written to the database's log for a call, bytes"),
    Figure("stored_bytes_a_call", "calls", "by which a call makes the database larger, bytes"),
    Figure("commits_a_call", "calls", "commits of a call, statements that only read included"),
    Figure("writes_a_call", "calls", "of those: with something written"),
    Figure("web_worker_share_mib", "calls", "web worker after all calls, MiB", under=(130,)),
    *_consists_of("web_worker", "calls"),
    Figure("turn_p99_ms", "tails", "lone turn at half its rate, p99, ms", under=(100,)),
    Figure("call_p99_ms", "tails", "any webhook of calls at half their rate, p99, ms"),
    Figure("web_bookings_per_second", "visits", "whole bookings on the web a second"),
    Figure("peer_bookings_per_second", "visits", "the same in a usual Flask application"),
    Figure("web_ratio_floor_a", "visits", "**answers of web bookings ÷ floor (a)**"),
    Figure(
        "web_ratio_peer",
        "visits",
        "**bookings on the web ÷ those of a usual application**",
        least=(1,),
    ),
    Figure(
        "web_plain_bookings_per_second",
        "visits",
        "whole bookings of visitors whose browsers run no script, a second",
    ),
    Figure("web_plain_ratio_peer", "visits", "the same ÷ those of a usual application"),
    Figure(
        "guards_call_ratio",
        "guards",
        "**a call's processor time, guards off ÷ as shipped**",
        least=(0.95,),
    ),
    Figure(
        "guards_visit_ratio",
        "guards",
        "**a visit's processor time, guards off ÷ as shipped**",
        least=(0.95,),
    ),
    Figure("guards_call_answers", "guards", "answers in a call, with the guards and without"),
    Figure(
        "board_cost_ratio",
        "work",
        "**a lone turn's processor time, no screens ÷ 70 open**",
        least=(0.8,),
    ),
    Figure(
        "queue_webhook_p99_ms", "work", "**any webhook with people at work, p99, ms**", under=(150,)
    ),
    Figure("agent_action_p99_ms", "work", "**an agent's act, p99, ms**", under=(300,)),
    Figure(
        "board_update_ms",
        "work",
        "**from an event until a board shows it, at most, ms**",
        under=(2000,),
    ),
    Figure(
        "screens_refused_percent",
        "work",
        "answers to screens and agents: told to come later, % (void above 0.1)",
    ),
    Figure(
        "staff_worker_share_mib",
        "work",
        "web worker when people worked with it, too, MiB",
        under=(150,),
    ),
    *_consists_of("staff_worker", "work"),
    Figure("room_rate", "room", "page of the waiting room, answers a second"),
    Figure("room_constant_rate", "room", "a constant answer of its length, answers a second"),
    Figure("room_page_bytes", "room", "bytes of that page"),
    Figure("room_ratio", "room", "**waiting room ÷ constant**", least=(0.7,)),
    Figure(
        "allocate_ratio",
        "booking",
        "**held and confirmed booking ÷ the same SQL by hand**",
        least=(0.5,),
    ),
    Figure(
        "outbox_ratio",
        "outbox",
        "**texts that a worker delivers ÷ a bare loop on the provider's client**",
        least=(0.7,),
    ),
    Figure(
        "known_unknown_gap_ms", "look-ups", "look-ups of known and unknown apart, ms", under=(5,)
    ),
    Figure(
        "slots_rows_per_second", "filling", "`flask slots open`, slots a second (two places each)"
    ),
    Figure(
        "slots_memory_growth", "filling", "memory of opening six times as many days", under=(1.2,)
    ),
    Figure("postcodes_rows_per_second", "filling", "`flask postcodes import`, rows a second"),
    Figure("centres_rows_per_second", "filling", "`flask centres import`, rows a second"),
    *_beside_a_peer(),
    Figure("allocations_one_slot", "crowd", "bookings a second, 16 processes on one slot's places"),
    Figure("allocations_apart", "crowd", "bookings a second, 16 processes, a slot for each"),
    Figure("bytes_a_place", "growth", "a place with its slot and indexes, bytes"),
    Figure("search_p99_ms_100k", "growth", "search for pairs among 100,000 slots, p99, ms"),
    Figure("search_p99_ms_10m", "growth", "the same among 10,000,000 slots, ms"),
    Figure("search_growth_10m", "growth", "**search, 10 m ÷ 100 k slots**", under=(1.1,)),
    Figure("outbox_p99_ms_10k", "growth", "due in the outbox among 10,000 rows, p99, ms"),
    Figure("outbox_p99_ms_10m", "growth", "the same among 10,000,000 rows, ms"),
    Figure("outbox_growth_10m", "growth", "**outbox, 10 m ÷ 10 k rows**", under=(1.1,)),
    Figure("rush_capacity", "rush", "rush: booked by the web alone before and after, a second"),
    Figure("rush_goodput", "rush", "rush: booked, a second"),
    Figure("rush_load_share", "rush", "rush: what the crowd itself has of the machine"),
    Figure("rush_visitors", "rush", "rush: people on the web"),
    Figure("rush_calls", "rush", "rush: calls"),
    Figure("rush_speaks_under_2s", "rush", "rush: calls that speak within 2 s, %", least=(100,)),
    Figure("rush_call_p99_ms", "rush", "rush: any webhook of calls, p99, ms", under=(1000,)),
    Figure(
        "rush_goodput_ratio",
        "rush",
        "rush: booked ÷ what the web alone can book on what the crowd leaves of the machine",
        least=(0.9,),
    ),
    # A point under `phone_share_percent` of the campaign.
    Figure("rush_phone_share", "rush", "rush: telephone's share of what all want, %", least=(39,)),
    Figure("rush_phone_share_floor", "rush", "rush: the share that the telephone has, %"),
    Figure("rush_recovery_seconds", "rush", "rush: over after, s", under=(10,)),
    Figure("rush_room_empty_seconds", "rush", "rush: no visitor waits after, s"),
    Figure("rush_restart_speaks_under_2s", "rush", "rush, restart: speaks within 2 s, %"),
    Figure("rush_restart_call_p99_ms", "rush", "rush, restart: any webhook of calls, p99, ms"),
    Figure(
        "rush_restart_goodput_ratio",
        "rush",
        "rush, restart: booked ÷ what the web alone can book on what the crowd leaves",
    ),
    Figure("rush_restart_recovery_seconds", "rush", "rush, restart: over after, s"),
    Figure("sip_calls_right", "telephones", f"telephones: calls right, of {CALLS}", least=(CALLS,)),
    Figure(
        "sip_max_gap_ms",
        "telephones",
        "telephones: longest time between two packets, ms",
        under=(60,),
    ),
    Figure(
        "sip_lost", "telephones", "telephones: packets lost on the way to who rings", under=(1,)
    ),
    Figure(
        "sip_first_sound_ms", "telephones", "telephones: first sound, the slowest, ms", under=(300,)
    ),
    Figure(
        "sip_first_call_ms", "telephones", "telephones: the same of a prompt never said before, ms"
    ),
    Figure(
        "sip_cached_prompt_ms",
        "telephones",
        "telephones: a prompt that was said before, ms",
        under=(1,),
    ),
    Figure("sip_cpu_per_call", "telephones", "telephones: % of a core for a call"),
    Figure("sip_rss_mib", "telephones", "telephones with who speaks, MiB resident", under=(150,)),
    Figure(
        "understand_p99_ms",
        "understanding",
        "a spoken sentence, p99, ms of processor time",
        under=(5,),
    ),
)
