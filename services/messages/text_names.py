"""The names of the written messages, and which of them a campaign sends."""

from __future__ import annotations

import tomllib

from prompts.catalogue import FOLDER
from services.campaign.campaign import Campaign

# What a campaign may leave out, each with all keys of `[text]` that begin with it.
NAMES = (
    "confirmation",
    "code",
    "changed",
    "cancelled",
    "restored",
    "closed",
    "kept",
    "reminder",
    "evening",
    "offer",
    "opening",
    "turn",
    "callback_missed",
    "callback_lost",
    "callback_late",
    "callback_consent",
    "unfinished",
    "finish",
    "reply",
    "already",
)
# Whatever a campaign lists: who has booked has it in writing, who is asked for a code gets it, and
# who forgot is told.
ALWAYS = frozenset({"confirmation", "code", "already"})
# Keys of `[text]` that are pieces of others.
PIECE = "part_"


def name_of(key: str) -> str:
    """The text that a key of `[text]` belongs to; empty for a piece."""
    return next((name for name in NAMES if key == name or key.startswith(f"{name}_")), "")


def text_names(language: str) -> frozenset[str]:
    """The names of the written messages of a language ("fr"), which a campaign may name.

    They are NAMES, and the keys of `[text]` that belong to one of them.
    """
    with (FOLDER / f"{language}.toml").open("rb") as file:
        keys = tomllib.load(file)["text"]
    return frozenset({*NAMES, *(key for key in keys if name_of(key))})


def wanted(campaign: Campaign | None, name: str) -> bool:
    """Whether a campaign sends this text (one of NAMES).

    It does when it lists no texts at all, or one of its keys; and the confirmation in any case.
    `campaign` None: it is no more, and what belongs to its bookings is told.
    """
    if campaign is None or not campaign.texts or name in ALWAYS:
        return True
    return any(name_of(key) == name for key in campaign.texts)


def left_out(campaign: Campaign) -> tuple[str, ...]:
    """The texts that a campaign does not send."""
    return tuple(name for name in NAMES if not wanted(campaign, name))
