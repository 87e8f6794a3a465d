"""`flask campaign check`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from commands.terminal import Mistakes
from ivr.conversation import LANGUAGE
from prompts.service_words import USUAL
from services.campaign.campaign import ONE_PLACE, BadCampaign, Campaign, Eligible
from services.campaign.campaigns import files_of, load_all
from services.campaign.words import wrong
from services.messages.text_names import ALWAYS, NAMES, left_out, text_names


def make() -> click.Group:
    group = click.Group(
        "campaign",
        help="Campaigns: who may book, when, how far ahead. docs/campaigns.md has every entry.",
    )

    @group.command(epilog="Example: flask campaign check campaigns/demonstration.toml")
    @click.argument(
        "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
    )
    def check(files: tuple[Path, ...]) -> None:
        """Read campaign files (or folders of them) and say what they mean, or what is wrong.

        The words of their service are tried in every sentence, text and page.
        Each mistake is one line on standard error with file, line and remedy; then the exit status
        is 1.
        """
        paths = dict.fromkeys(path for source in files for path in files_of(source))
        try:
            campaigns = load_all(paths, texts=text_names(LANGUAGE))
        except BadCampaign as bad:
            raise Mistakes(bad.problems) from None
        all_words = {each.all_words for each in campaigns.values() if each.all_words}
        problems = [problem for words in all_words for problem in wrong(words)]
        if problems:
            raise Mistakes(sorted(problems))
        for path, campaign in campaigns.items():
            click.echo(f"{path}: right")
            for line in summary(campaign):
                click.echo(f"  {line}")

    return group


def summary(campaign: Campaign) -> Iterator[str]:
    """What a campaign means, in some lines."""
    title = f" ({campaign.title})" if campaign.title else ""
    yield f"name: {campaign.name}{title}"
    if campaign.all_words and campaign.all_words.folder != USUAL:
        yield f"words: {campaign.all_words.folder}"
    yield f"opens: {_moment(campaign, campaign.opens_at, 'already open')}"
    yield f"closes: {_moment(campaign, campaign.closes_at, 'never')}"
    least, most = campaign.second_after_days
    yield "doses: " + ("1" if campaign.doses == 1 else f"2, {least} to {most} days apart")
    if campaign.service:
        yield f"service: {campaign.service}"
    if campaign.together:
        places = "one place" if campaign.together_in == ONE_PLACE else "two neighbouring places"
        yield f"together: with {', '.join(campaign.together)}, in {places}"
    minutes = campaign.between.total_seconds() / 60
    yield (
        f"between two appointments of a person: {minutes:g} minutes,"
        f" and {campaign.travel_minutes:g} for each kilometre"
    )
    if campaign.months_since:
        yield f"who: {campaign.months_since} months after their last one, by their own word"
    for age_class in campaign.classes:
        yield f"who: {_who(campaign, age_class)}"
    yield f"texts: {_texts(campaign)}"
    yield f"reminders: {_reminders(campaign)}"
    if campaign.evening_call is not None:
        yield f"calls in the evening: from {_clock(campaign.evening_call)} on, for who asked for it"


def _reminders(campaign: Campaign) -> str:
    told = (
        f"{reminder.days_before} {'day' if reminder.days_before == 1 else 'days'} before"
        f" at {_clock(reminder.at)}" + " (with calls)" * reminder.by_call
        for reminder in campaign.reminders
    )
    return ", ".join(told) or "none"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _texts(campaign: Campaign) -> str:
    without = left_out(campaign)
    if not without:
        return "all"
    sent = [name + " (always)" * (name in ALWAYS) for name in NAMES if name not in without]
    return f"{', '.join(sent)}; left out: {', '.join(without)}"


def _moment(campaign: Campaign, moment: datetime | None, none: str) -> str:
    if moment is None:
        return none
    return f"{moment.astimezone(ZoneInfo(campaign.zone)):%Y-%m-%d %H:%M} {campaign.zone}"


def _who(campaign: Campaign, one: Eligible) -> str:
    parts = []
    if one.group:
        parts.append(f"whoever certifies to be of the group {one.group}")
    if not one.minimum_age and not (one.group or one.born_from or one.born_until):
        parts.append("everybody, whatever their age")
    elif one.minimum_age:
        parts.append(f"{one.minimum_age} years or older on the day of the appointment")
    if one.born_from or one.born_until:
        born = [f"from {one.born_from}" if one.born_from else ""]
        born.append(f"until {one.born_until}" if one.born_until else "")
        parts.append("born " + " ".join(part for part in born if part))
    since = f", from {_moment(campaign, one.opens_at, '')} on" if one.opens_at else ""
    return " and ".join(parts) + since
