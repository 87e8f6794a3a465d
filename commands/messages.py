"""`flask messages`: what waits to leave, what goes once more, and what it all costs."""

from __future__ import annotations

import math
import re

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

import click

from commands.terminal import Commands, as_moment, moment, print_csv, progress_bar
from commands.wishes import yes_option
from flows.understanding import COUNTRY_ZONE
from models.messages import messages
from models.messages.messages import MessageRow
from services.messages.late_texts import waiting
from services.messages.provider_pace import ProviderPace
from services.messages.resend import ResendPlan, carry_out, plan_one, plan_topic
from services.messages.topics import Topic
from services.store import Store

_TOPIC = click.Choice([str(topic) for topic in Topic])
_STATES = ("failed", "undelivered")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_SPAN = re.compile(r"(\d{1,4})([hd])")
COLUMNS = ("month", "topic", "texts", "parts", "calls", "minutes")


def make(store: Store, pace: ProviderPace) -> click.Group:
    """The group `messages`; `pace` is that of texts at the provider."""
    group = Commands(
        "messages",
        help="""Texts and calls of the outbox: what waits, sending again, what they cost.

        Nothing here shows to whom a message goes or what it says.
        """,
    )
    _add_sending(group, store, pace)
    _add_held(group, store)
    _add_costs(group, store)
    return group


def _add_sending(group: click.Group, store: Store, pace: ProviderPace) -> None:
    @group.command("pending", epilog="Example: flask messages pending --topic reminder")
    @click.option("--topic", type=_TOPIC, help="Only about this.")
    @click.option(
        "--last", "limit", type=click.IntRange(1, 100_000), default=50, show_default=True,
        help="How many lines.",
    )  # fmt: skip
    def pending(*, topic: str | None, limit: int) -> None:
        """What has not left, by topic, the longest due first. Moments are UTC.

        Each line: id, topic, way, state, tries, error (or -), due.
        """
        with store.database.statement() as connection:
            counts = messages.count_pending(connection, topic=topic)
            found = messages.pending(connection, topic=topic, limit=limit)
        for name in sorted({message.topic for message in found}):
            for message in found:
                if message.topic == name:
                    click.echo(_line(message))
        told = ", ".join(f"{count} {name or 'of no topic'}" for name, count in counts.items())
        total = sum(counts.values())
        if len(found) < total:
            told += f"; the {len(found)} longest due are shown"
        click.echo(f"{total} messages wait{': ' if told else ''}{told}{_how_long(store, pace)}")

    @group.command(
        "resend",
        epilog="Example: flask messages resend --topic change --state failed --since 24h --dry-run",
    )
    @click.argument("message_id", metavar="[ID]", required=False)
    @click.option("--topic", type=_TOPIC, help="All about this that came to nothing.")
    @click.option(
        "--state", "states", type=click.Choice(_STATES), multiple=True, help="Only in this state."
    )
    @click.option(
        "--since",
        metavar="WHEN",
        help="Not older than that: 24h, 3d or 2026-11-25T08:00 (UTC).",
    )
    @click.option("--dry-run", is_flag=True, help="Count, and send nothing.")
    @yes_option
    def resend(
        *,
        message_id: str | None,
        topic: str | None,
        states: tuple[str, ...],
        since: str | None,
        dry_run: bool,
        yes: bool,
    ) -> None:
        """Send again what failed: one message by its ID, or all about a topic.

        Each goes as a new message, once, and says what is true now; what nobody needs any more is
        dropped. Left out is whatever something goes for already, and a confirmation whose person
        was written to since. May be run again when it was stopped.
        """
        plan = _plan(store, message_id, topic, states or _STATES, since)
        left = f"; {plan.left_out} left out, for they are seen to already" if plan.left_out else ""
        click.echo(f"{len(plan.message_ids)} messages go again{left}", err=not dry_run)
        if dry_run or not plan.message_ids:
            return
        if not yes:
            click.confirm("Send them?", abort=True, err=True)
        written = 0
        with progress_bar("sending again", len(plan.message_ids)) as progress:
            for looked, done in carry_out(store, plan):
                written += done
                progress(looked)
        click.echo(f"{written} messages wait to be sent again")


def _add_held(group: click.Group, store: Store) -> None:
    @group.command("held", epilog="Example: flask messages held --last 500")
    @click.option(
        "--last", "limit", type=click.IntRange(1, 100_000), default=50, show_default=True,
        help="How many lines.",
    )  # fmt: skip
    def held(*, limit: int) -> None:
        """What the day's budgets hold back, the longest held first. Moments are UTC.

        Each line: id, topic, which budget, held since, when it leaves by itself. A supervisor sends
        one all the same at /supervision/retenus.
        """
        with store.database.statement() as connection:
            found, all_held = messages.list_held(connection, limit=limit), messages.held(connection)
        for message in found:
            moments = (message.held_at, message.due_at)
            click.echo(
                "\t".join(
                    (message.id, message.topic or "-", message.held_why, *map(moment, moments))
                )
            )
        click.echo(f"{all_held.count} messages are held back")


def _add_costs(group: click.Group, store: Store) -> None:
    @group.command("costs", epilog="Example: flask messages costs --month 2026-11 > november.csv")
    @click.option("--month", required=True, metavar="YYYY-MM", help="By the clocks of Paris.")
    def costs(*, month: str) -> None:
        """What left in a month, by topic, as CSV: texts and their parts, calls and their minutes.

        Parts are what the provider charges for; minutes are begun ones, by message. The sum is told
        on standard error.
        """
        begins, ends = _month(month)
        with store.database.statement() as connection:
            found = messages.costs(connection, begins, ends)
        rows = [
            (month, cost.topic, cost.texts, cost.parts, cost.calls, cost.minutes) for cost in found
        ]
        print_csv(COLUMNS, rows)
        texts, parts = sum(cost.texts for cost in found), sum(cost.parts for cost in found)
        calls, minutes = sum(cost.calls for cost in found), sum(cost.minutes for cost in found)
        told = f"{month}: {texts} texts in {parts} parts, {calls} calls of {minutes} minutes"
        click.echo(told, err=True)


def _how_long(store: Store, pace: ProviderPace) -> str:
    """A line that says when it will have left; empty where there is no pace."""
    if not pace.per_second:
        return ""
    _, all_left = waiting(store, pace)
    minutes = math.ceil(all_left / timedelta(minutes=1))
    return f"\nAt {pace.per_second:g} texts a second what is due has left in {minutes} minutes"


def _line(one: MessageRow) -> str:
    return "\t".join(
        (
            one.id,
            one.topic or "-",
            one.way or "-",
            one.state,
            str(one.attempts),
            one.error_code or "-",
            moment(one.due_at),
        )
    )


def _plan(
    store: Store,
    message_id: str | None,
    topic: str | None,
    states: Iterable[str],
    since: str | None,
) -> ResendPlan:
    """Raises click.ClickException, NotAgain."""
    if bool(message_id) == bool(topic):
        raise click.UsageError("say the ID of a message, or --topic and --since")
    if message_id:
        if since:
            raise click.UsageError("a message by its ID needs no --since")
        return plan_one(store, message_id)
    if not since:
        raise click.UsageError("say --since as well: how far back, as 24h or 3d")
    return plan_topic(store, Topic(topic or ""), tuple(states), _moment(since, store))


def _moment(text: str, store: Store) -> datetime:
    """`24h`, `3d`, or a moment (UTC unless it says otherwise). Raises click.ClickException."""
    span = _SPAN.fullmatch(text)
    if span:
        hours = int(span[1]) * (24 if span[2] == "d" else 1)
        return store.clock.now() - timedelta(hours=hours)
    return as_moment(text, "24h, 3d or 2026-11-25T08:00")


def _month(text: str) -> tuple[datetime, datetime]:
    """Its first moment and that of the next. Raises click.ClickException."""
    found = _MONTH.fullmatch(text)
    try:
        if not found:
            raise ValueError  # noqa: TRY301 (both are said in the same sentence)
        first = date(int(found[1]), int(found[2]), 1)
        after = (first + timedelta(days=31)).replace(day=1)
    except (ValueError, OverflowError):
        raise click.ClickException(f"{text!r} is no month; write it like 2026-11") from None
    begins, ends = (
        datetime.combine(begin, time.min, tzinfo=COUNTRY_ZONE).astimezone(UTC)
        for begin in (first, after)
    )
    return begins, ends
