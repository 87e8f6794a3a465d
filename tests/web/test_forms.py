"""One language of forms: fields are written by forms.html, and are the same on every page."""

from __future__ import annotations

import re

from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from flask import render_template_string

from tests.desk.test_desk import FORM, Desk
from tests.support.house import MOBILE, House
from tests.support.keeper import ROOT

TEMPLATES = ROOT / "web" / "templates"
FORMS = '{% import "forms.html" as forms with context %}'
TYPED = re.compile(r'<(?:input(?![^>]*type="hidden")|select|textarea)\b[^>]*>')
# Fields that no macro writes, by page and number; all others come from forms.html.
OWN = {
    # No question to anybody: a name beside a key, and a login for a browser to keep.
    "accounts/account.html": 1,
    "accounts/password.html": 1,
    # What a scanner types into, in one box with its button.
    "centre_day/page.html": 1,
    # The name stands above a box that holds the field and its button.
    "desk/actions.html": 5,
    # A box to tick among large boxes, and towns whose trouble the booking's own parts tell.
    "online/booking/reach.html": 1,
    "online/booking/town_which.html": 1,
}

Shows = Callable[[str], str]
LABELS = re.compile(r'<label for="([^"]+)">(.*?)</label>', re.DOTALL)
OPTIONAL = "(facultatif)"


class Elements(HTMLParser):
    """Every start tag with its attributes, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def by_id(self, name: str) -> dict[str, str | None]:
        (one,) = (given for _, given in self.found if given.get("id") == name)
        return one


@pytest.fixture
def shows(made: House) -> Shows:
    """What a template makes of these macros, in a page of ours."""
    app = made.app

    def show(source: str) -> str:
        with app.test_request_context("/"):
            return render_template_string(FORMS + source)

    return show


def test_no_field_is_written_by_hand_where_the_macros_could():
    found = {
        path.relative_to(TEMPLATES).as_posix(): len(TYPED.findall(path.read_text("utf-8")))
        for path in TEMPLATES.rglob("*.html")
        if path.name != "forms.html"
    }
    assert {name: count for name, count in found.items() if count} == OWN


def test_what_is_wrong_stands_at_its_field(made: House):
    """At the desk, where fields are in one line with their names; RGAA 11.10."""
    made.opens_centre("1", starts=[])
    desk = Desk(made)
    desk.has(made.phone(MOBILE).dials())
    wrong = {"born1": "31021942", "place": "Nulle part", "number": "12", "people": "1", "text": ""}
    page = desk.does("/offres", **(FORM | wrong))
    for name in ("born1", "place", "number"):
        field = Elements(page).by_id(name)
        assert field["aria-invalid"] == "true", name
        assert field["aria-describedby"] == f"{name}-error", name
        order = (f'for="{name}"', f'id="{name}-error"', f'<input id="{name}"')
        assert sorted(order, key=page.index) == list(order), name
    # Said once, where the keyboard goes; what is of no field stands above the form.
    assert 'id="wrong"' not in page
    assert 'id="wrong"' in desk.does("/choisir", **FORM, choice="")
    # What may be empty says so; without a text, the number may.
    labels = dict(LABELS.findall(page))
    assert all(OPTIONAL in labels[name] for name in ("name1", "number", "from_day", "centre"))
    assert not any(OPTIONAL in labels[name] for name in ("born1", "place"))


@pytest.mark.parametrize(
    ("call", "tag", "expected"),
    [
        (
            'forms.line("x", "<b>", "<i>", "number", more={"min": 1, "required": "", "max": none})',
            "input",
            {"id": "x", "name": "x", "type": "number", "value": "<i>", "min": "1", "required": ""},
        ),
        (
            'forms.menu("x", "<b>", [("a", "<i>"), ("b", "B")], "b", name="y")',
            "select",
            {"id": "x", "name": "y"},
        ),
        (
            'forms.words("x", "<b>", more={"lang": "es"})',
            "textarea",
            {"id": "x", "name": "x", "rows": "2", "maxlength": "200", "lang": "es"},
        ),
        (
            'forms.tick("<b>", "x", "1", true, id="x")',
            "input",
            {"type": "checkbox", "name": "x", "value": "1", "id": "x", "checked": ""},
        ),
    ],
)
def test_a_field_in_one_line_has_its_name_and_what_was_said_of_it(
    shows: Shows, call: str, tag: str, expected: dict[str, str]
):
    page = shows("{{ " + call + " }}")
    found = Elements(page).found
    assert dict(found)[tag] == expected
    assert found[0] == ("label", {} if tag == "input" and "tick" in call else {"for": "x"})
    assert "<b>" not in page
    assert "<i>" not in page


def test_what_is_wrong_is_tied_to_its_field(shows: Shows):
    for call in (
        'forms.field("x", "Nom", "aide", "faux", "abc")',
        'forms.birth_day("x", error="faux")',
        'forms.telephone("x", error="faux")',
        'forms.reference("x", error="faux")',
        'forms.place("x", "faux")',
        'forms.choice("x", "Lequel", [("a", "A")], hint="aide", error="faux")',
    ):
        page = shows("{{ " + call + " }}")
        field = Elements(page).by_id("x")
        assert field["aria-invalid"] == "true", call
        assert field["aria-describedby"] == "x-hint x-error", call
        # Name, help, what is wrong, and then what is typed into.
        order = [page.index(one) for one in ('for="x"', 'id="x-hint"', 'id="x-error"', 'id="x"')]
        assert order == sorted(order), call
        assert "faux" in page
    fine = shows('{{ forms.field("x", "Nom") }}')
    assert "aria-" not in fine


def test_a_browser_fills_in_what_it_knows(shows: Shows):
    """WCAG 1.3.5; RGAA 11.13. At the desk it would be the agent's own, and nothing is filled in."""
    page = shows(
        "{{ forms.birth_date({}) }}{{ forms.place() }}{{ forms.telephone() }}{{ forms.code() }}"
        '{{ forms.password("old", "x") }}{{ forms.password("new", "x", kept="new-password") }}'
    )
    kept = {
        given["id"]: given["autocomplete"] for tag, given in Elements(page).found if tag == "input"
    }
    assert kept == {
        "day": "bday-day",
        "month": "bday-month",
        "year": "bday-year",
        "where": "postal-code",
        "number": "tel",
        "code": "one-time-code",
        "old": "current-password",
        "new": "new-password",
    }
    for call in ("forms.telephone(own=false)", "forms.place(own=false)", 'forms.birth_day("born")'):
        assert 'autocomplete="off"' in shows("{{ " + call + " }}"), call


def test_a_group_has_its_legend(shows: Shows):
    for call in (
        "forms.birth_date({}, asked=true)",
        'forms.choices("x", "Pour qui ?", [("a", "A", "")])',
    ):
        tags = [tag for tag, _ in Elements(shows("{{ " + call + " }}")).found]
        assert tags[:2] == ["fieldset", "legend"], call


def test_what_may_be_empty_says_so(shows: Shows):
    assert "(facultatif)" in shows("{{ forms.telephone(optional=true) }}")
    assert "(facultatif)" not in shows("{{ forms.telephone() }}")


def test_what_was_typed_is_escaped_and_a_password_never_comes_back(shows: Shows):
    page = shows("""{{ forms.field("x", "<b>", "<i>", "<u>", '"><script>') }}""")
    assert "<script>" not in page
    assert "<b>" not in page
    assert "value=" not in shows('{{ forms.field("x", "y", value="secret", type="password") }}')


def test_the_summary_of_what_is_wrong_leads_to_the_field(shows: Shows):
    page = shows('{{ forms.problems([("born", "Cette date"), ("", "Autre chose")]) }}')
    assert 'role="alert"' in page
    assert '<a href="#born">Cette date</a>' in page
    assert shows("{{ forms.problems([]) }}").strip() == ""


# The same field, by the ids that pages give it.
NAMED = {
    **dict.fromkeys(("born", "born1", "search-born", "person-born"), "born"),
    **dict.fromkeys(("number", "search-number", "person-number"), "number"),
    **dict.fromkeys(("search-reference", "person-reference"), "reference"),
    **dict.fromkeys(("name", "name1", "search-name"), "name"),
    **dict.fromkeys(("open-from", "close-from"), "from"),
    **dict.fromkeys(("open-to", "close-to"), "to"),
}
SAME = ("inputmode", "type", "autocomplete", "spellcheck")


def test_the_same_field_is_the_same_everywhere(made: House):
    """A number, a reference and a birth date, on pages of different people."""
    made.opens_centre("1", starts=[])
    agent, supervisor = made.signs_in("agent"), made.signs_in("supervisor")
    pages = {
        "person": Elements(agent.get("/poste/personne").text),
        "desk": Elements(agent.get("/poste").text),
        "watched": Elements(supervisor.get("/supervision/noms").text),
    }
    kinds = {
        "born": [("person", "person-born"), ("desk", "search-born"), ("watched", "born")],
        "number": [("person", "person-number"), ("desk", "search-number")],
        "reference": [("person", "person-reference"), ("desk", "search-reference")],
    }
    for kind, places in kinds.items():
        looks = {tuple(pages[page].by_id(name).get(one) for one in SAME) for page, name in places}
        assert len(looks) == 1, kind


def test_what_is_asked_for_is_called_the_same_at_the_desk_and_at_a_centre(made: House):
    """RGAA 11.3."""
    made.opens_centre("1", starts=[])
    desk = Desk(made)
    desk.has(made.phone(MOBILE).dials())
    secretary = made.signs_in("secretary", centre_id="1")
    pages = (
        desk.client.get("/poste"),
        desk.client.get("/poste/personne"),
        secretary.get("/centre"),
    )
    called: dict[str, set[str]] = {}
    for page in pages:
        for name, label in LABELS.findall(page.text):
            words = re.sub(r"<(kbd|span).*?</\1>", "", label).replace(OPTIONAL, "").strip()
            called.setdefault(NAMED.get(name, name), set()).add(words)
    assert set(NAMED.values()) <= set(called)
    assert {kind: names for kind, names in called.items() if len(names) > 1} == {}


LOOKS_LEFT_OUT = "{% block forms %}{% endblock %}"
NEEDS_LOOKS = re.compile(r'<form|class="(?:errors|field|choices|stacks)')


def test_a_page_that_leaves_out_how_forms_look_has_none():
    every = TEMPLATES.rglob("*.html")
    found = [path for path in every if LOOKS_LEFT_OUT in path.read_text("utf-8")]
    assert len(found) == 6
    for path in found:
        text = path.read_text("utf-8")
        assert not NEEDS_LOOKS.search(text), path.name
        for name in re.findall(r'(?:from|import|include) "([\w/.]+)"', text):
            assert not NEEDS_LOOKS.search((TEMPLATES / name).read_text("utf-8")), (path.name, name)
