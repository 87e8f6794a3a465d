"""How a <Gather> takes what a live caller does: each rule, and where it is from.

`docs/sip.md` has them as a table.
"""

import pytest

from exchange.interpreter import Gather, Heard, Keys, Silence, Speech
from exchange.interpreter.collector import MAX_SPEECH_S, MOST_KEYS, Collector

# How long (seconds) the prompt of these tests is, and the time-out where a case says nothing.
PROMPT_S, TIMEOUT_S = 3.0, 5.0

# Where a rule is from: the pages of Twilio's documentation, or nowhere.
GATHER = "docs/voice/twiml/gather"
OLD = "docs/api/2008-08-01/twiml/gather"
SUPPORT = "Support: Troubleshooting issues with <Gather>"
LIBRARY = "twilio-python: Gather, barge_in"
NOWHERE = "not documented"


def gather(*, prompt=True, **attributes) -> Gather:
    sound = (Heard("say", "Question ?", PROMPT_S - 1), Heard("pause", "", 1)) if prompt else ()
    return Gather({"timeout": f"{TIMEOUT_S:g}", **attributes}, sound, "http://service.test/next")


def end_of(asked, happens) -> tuple[object, float, bool]:
    """Let a Gather go its way, with what happens at which second; return what ended it, and when.

    Third comes whether the prompt was stopped.
    """
    collector, ahead = Collector(asked, 0.0), sorted(happens, key=lambda one: one[0])
    prompt_end: float | None = PROMPT_S if asked.prompt else None
    for _ in range(1000):
        moments = [at for at in (prompt_end, collector.deadline) if at is not None]
        if ahead and ahead[0][0] <= min(moments, default=ahead[0][0]):
            at, what = ahead.pop(0)
            result = does(collector, what, at)
        elif prompt_end is not None and prompt_end == min(moments):
            at, result, prompt_end = prompt_end, None, None
            collector.prompt_ended(at)
        else:
            at = min(moments)
            result = collector.due(at)
        if collector.stops_prompt:
            prompt_end = None
        if result is not None:
            # Whatever comes later is lost, and ends nothing a second time.
            assert [does(collector, what, at + 100) for _, what in ahead] == [None] * len(ahead)
            assert collector.due(at + 1000) is None
            return result, at, collector.stops_prompt
    raise AssertionError("it never ended")


def does(collector, what, at) -> object:
    match what:
        case "(speaks)":
            return collector.speaks(at)
        case "(nothing understood)":
            return collector.falls_silent(at)
        case str(words) if words.startswith("«"):
            return collector.words(words.strip("« »"), 0.9)
    return collector.key(what, at)


# rule: (source, what is asked, what happens, what ends it, when, whether the prompt was stopped)
RULES = {
    "a key into the nested prompt counts and stops it": (
        GATHER,
        gather(numDigits="1"),
        [(1.0, "1")],
        ("1", 1.0, True),
    ),
    "a key into a nested <Pause> counts as well": (
        GATHER,
        gather(numDigits="1"),
        [(2.5, "1")],
        ("1", 2.5, True),
    ),
    "the time-out begins when the nested verbs are over": (
        GATHER,
        gather(),
        [],
        (None, PROMPT_S + TIMEOUT_S, False),
    ),
    "without nested verbs it begins at once": (
        GATHER,
        gather(prompt=False),
        [],
        (None, TIMEOUT_S, False),
    ),
    "a first key into the prompt begins it at once": (
        GATHER,
        gather(),
        [(1.0, "1")],
        ("1", 1.0 + TIMEOUT_S, True),
    ),
    "each key begins it again": (
        OLD,
        gather(),
        [(4.0, "1"), (8.5, "2")],
        ("12", 8.5 + TIMEOUT_S, False),
    ),
    "keys typed so far are submitted at the time-out": (
        OLD,
        gather(numDigits="5"),
        [(4.0, "7"), (5.0, "5")],
        ("75", 5.0 + TIMEOUT_S, False),
    ),
    "the last of numDigits submits at once": (
        GATHER,
        gather(numDigits="2"),
        [(4.0, "7"), (5.0, "5")],
        ("75", 5.0, False),
    ),
    "what is pressed after the last of numDigits is lost": (
        NOWHERE,
        gather(numDigits="2"),
        [(4.0, "7"), (5.0, "5"), (5.1, "0"), (5.2, "#")],
        ("75", 5.0, False),
    ),
    "finishOnKey submits at once and is not posted": (
        GATHER,
        gather(),
        [(4.0, "1"), (5.0, "2"), (6.0, "#")],
        ("12", 6.0, False),
    ),
    "finishOnKey alone is no input": (
        GATHER,
        gather(),
        [(4.0, "#")],
        ("", 4.0, False),
    ),
    "finishOnKey alone into the prompt stops it and is no input": (
        NOWHERE,
        gather(),
        [(1.0, "#")],
        ("", 1.0, True),
    ),
    'with finishOnKey="" # and * are input like any key': (
        GATHER,
        gather(finishOnKey=""),
        [(4.0, "#"), (5.0, "*")],
        ("#*", 5.0 + TIMEOUT_S, False),
    ),
    "finishOnKey may be a digit": (
        GATHER,
        gather(finishOnKey="9"),
        [(4.0, "1"), (5.0, "#"), (6.0, "9")],
        ("1#", 6.0, False),
    ),
    'with input="speech" a key is no input and stops nothing': (
        NOWHERE,
        gather(input="speech"),
        [(1.0, "1"), (6.0, "2")],
        (None, PROMPT_S + TIMEOUT_S, False),
    ),
    "words first: they are submitted": (
        GATHER,
        gather(input="dtmf speech"),
        [(1.0, "(speaks)"), (2.5, "« Oui. »"), (2.6, "1")],
        ("Oui.", 2.5, True),
    ),
    "a key first: words do not count any more": (
        GATHER,
        gather(input="dtmf speech"),
        [(4.0, "1"), (5.0, "(speaks)"), (6.0, "« Oui. »")],
        ("1", 4.0 + TIMEOUT_S, False),
    ),
    "a key before the words are understood: the key counts": (
        NOWHERE,
        gather(input="dtmf speech"),
        [(4.0, "(speaks)"), (5.0, "1"), (6.0, "« Oui. »"), (7.0, "(nothing understood)")],
        ("1", 5.0 + TIMEOUT_S, False),
    ),
    "words are no input where only keys are": (
        GATHER,
        gather(),
        [(1.0, "(speaks)"), (4.0, "« Oui. »")],
        (None, PROMPT_S + TIMEOUT_S, False),
    ),
    'with bargeIn="false" words do not stop the prompt': (
        LIBRARY,
        gather(input="dtmf speech", bargeIn="false"),
        [(1.0, "(speaks)"), (2.0, "(nothing understood)")],
        (None, PROMPT_S + TIMEOUT_S, False),
    ),
    'with bargeIn="false" a key does': (
        LIBRARY,
        gather(input="dtmf speech", bargeIn="false", numDigits="1"),
        [(1.0, "1")],
        ("1", 1.0, True),
    ),
    "somebody who speaks is not timed out": (
        NOWHERE,
        gather(input="speech"),
        [(4.0, "(speaks)"), (20.0, "« Je cherche mes lunettes. »")],
        ("Je cherche mes lunettes.", 20.0, False),
    ),
    "nor for longer than a minute": (
        GATHER,
        gather(input="speech"),
        [(4.0, "(speaks)")],
        (None, 4.0 + MAX_SPEECH_S, False),
    ),
    "what is not understood begins the time-out again": (
        NOWHERE,
        gather(input="dtmf speech"),
        [(4.0, "(speaks)"), (10.0, "(nothing understood)")],
        (None, 10.0 + TIMEOUT_S, False),
    ),
    "a key in the moment of the time-out is too late": (
        NOWHERE,
        gather(),
        [(4.0, "1"), (9.0, "2")],
        ("1", 9.0, False),
    ),
    "A to D are no keys": (
        NOWHERE,
        gather(numDigits="1"),
        [(1.0, "A"), (4.0, "1")],
        ("1", 4.0, False),
    ),
    'timeout="auto" is five seconds': (
        NOWHERE,
        gather(timeout="auto"),
        [],
        (None, PROMPT_S + 5.0, False),
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_gather_ends_as_documented(rule):
    _source, asked, happens, expected = RULES[rule]
    result, at, stopped = end_of(asked, happens)
    if isinstance(result, Keys):
        assert result.interrupts == stopped
        given: str | None = asked.cut(result.digits)[0]
    elif isinstance(result, Speech):
        given = result.text
    else:
        assert result == Silence()
        given = None
    assert (given, at, stopped) == expected


def test_a_key_that_comes_once_the_time_out_is_over_ends_it_without_counting():
    collector = Collector(gather(prompt=False), 0.0)
    assert collector.key("1", 1.0) is None
    assert collector.key("2", 1.0 + TIMEOUT_S) == Keys("1")
    assert collector.key("3", 2.0 + TIMEOUT_S) is None


def test_somebody_who_leans_on_a_key_fills_no_memory():
    collector = Collector(gather(), 0.0)
    for press in range(10 * MOST_KEYS):
        assert collector.key("5", 0.1 * press) is None
    assert collector.typed == "5" * MOST_KEYS


def test_the_time_out_waits_for_the_prompt():
    collector = Collector(gather(), 0.0)
    assert collector.deadline is None
    assert collector.due(1000.0) is None
    collector.prompt_ended(1001.0)
    assert collector.deadline == 1001.0 + TIMEOUT_S


def test_nothing_said_is_no_input():
    collector = Collector(gather(input="speech"), 0.0)
    assert collector.words("  ", None) is None
    assert collector.words(" Oui. ", None) == Speech("Oui.", None)
    assert not collector.listens
    assert collector.words("Non.", None) is None
