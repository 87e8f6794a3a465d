"""The line of an entry, in every form that TOML has for one."""

from __future__ import annotations

import tomllib

from typing import Any

import pytest

from services.campaign.toml_lines import Entry, lines_of

DOCUMENT = r'''# name = "a comment"

name = "a # in quotes, [eligible], name = 2"  # minimum_age = 4
long = """
minimum_age = 1
[nothing]
one quote " two "" three \""" and at the end two"""""
literal = """""" # empty
raw = \'\'\'
other = 2 \ \'\'
\'\'\'
"quoted key" = 3.5
'literal key' = 'a \ '
"\u00e9t\u00e9" = -1e3
dotted . "and quoted".key = 2021-01-14 08:00:00
list = [  # of four
    1,

    "two ]",  # "five"
    [3, 4,
     5], { a = 1, b.c = [6,
     7] },
]
empty = []
none = {}

[table.inner]
moment = 2021-01-14T08:00:00+01:00

[[eligible]]
minimum_age = 65

[[eligible]]  # the second
group = "x"
[eligible.more]
deep = 1
[[eligible.many]]
a = 1
[[eligible.many]]
a = 2

[ table . other ]
a = 1'''.replace(r"\'", "'")


def found_in(document: str) -> dict[Entry, Any]:
    def walk(path: Entry, value: Any) -> dict[Entry, Any]:
        found = {path: value} if path else {}
        if isinstance(value, list):
            value = dict(enumerate(value))
        if isinstance(value, dict):
            for key, one in value.items():
                found |= walk((*path, key), one)
        return found

    return walk((), tomllib.loads(document))


def test_every_entry_and_nothing_else_has_a_line():
    assert set(lines_of(DOCUMENT)) == set(found_in(DOCUMENT))


@pytest.mark.parametrize("entry", sorted(found_in(DOCUMENT), key=str), ids=str)
def test_a_line_is_the_one_on_which_the_entry_begins(entry):
    """Cut before its line, the document does not have it; each line says what it should."""
    lines = DOCUMENT.splitlines()
    line = lines_of(DOCUMENT)[entry]
    beginning = lines[line - 1]
    key = next(part for part in reversed(entry) if isinstance(part, str))
    if entry == ("list", 1):
        assert beginning.strip().startswith('"two ]"')
    elif entry == ("list", 2, 2):
        assert beginning.strip() == "5], { a = 1, b.c = [6,"
    elif entry == ("list", 3, "b", "c", 1):
        assert beginning.strip() == "7] },"
    elif entry[0] != "list":
        assert key in beginning or "u00e9" in beginning
        earlier = "\n".join(lines[: line - 1])
        assert entry not in found_in(earlier)


def test_elements_of_an_array_have_lines_of_their_own():
    lines = lines_of("a = [\n1,\n# 2,\n3, 4]\n")
    assert lines == {("a",): 1, ("a", 0): 2, ("a", 1): 4, ("a", 2): 4}
