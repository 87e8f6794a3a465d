"""Words of a key stand in a template as if they were written there, in each language its own."""

from __future__ import annotations

import pytest

from flask import Flask
from jinja2 import DictLoader, UndefinedError

from prompts.screens import NoSuchWords, Screen
from web.words_in_templates import PageEnvironment

FRENCH = Screen("fr", {"back": "Retour", "wrong.one": "Un <seul> & rien", "count": "{n} places"})
ENGLISH = Screen("en", {"back": "Back", "wrong.one": "One <only>", "count": "{n} places"})


class Pages:
    """Templates in memory, and the language of the answer."""

    def __init__(self, **templates: str) -> None:
        self.spoken = FRENCH
        self.environment = PageEnvironment(
            Flask(__name__),
            loader=DictLoader({f"{name}.html": text for name, text in templates.items()}),
            autoescape=True,
        )
        self.environment.speak(lambda: self.spoken)

    def renders(self, **values: object) -> str:
        return self.environment.get_template("page.html").render(**values)


def test_the_words_of_a_key_are_no_call_any_more():
    pages = Pages(page='<a>{{ t("back") }}</a>{{ t("back")|lower }}{{ [t("back"), "x"]|join }}')
    # With a `t` in it, a template would ask for it.
    assert pages.renders() == "<a>Retour</a>retourRetourx"


def test_each_language_has_its_own_and_is_asked_for_each_answer():
    pages = Pages(page='{% include "part.html" %}', part='{{ t("back") }}')
    said = []
    for pages.spoken in (FRENCH, ENGLISH, FRENCH):
        said.append(pages.renders())
    assert said == ["Retour", "Back", "Retour"]


def test_other_words_of_the_same_language_are_read_anew_and_kept():
    pages = Pages(page='{{ t("back") }}')
    towns = [Screen("fr", {"back": f"Mairie {number}"}) for number in range(20)]
    for pages.spoken in (FRENCH, *towns, FRENCH):
        assert pages.renders() == pages.spoken["back"]
    kept = pages.environment.get_template("page.html")
    assert pages.environment.get_template("page.html") is kept


def test_words_are_escaped_as_any_text():
    pages = Pages(page='<p title="{{ t("wrong.one") }}">{{ t("wrong.one") }}</p>')
    escaped = "Un &lt;seul&gt; &amp; rien"
    assert pages.renders() == f'<p title="{escaped}">{escaped}</p>'


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ('{{ t("wrong." ~ which) }}', "Un &lt;seul&gt; &amp; rien"),
        ('{{ t("count", n=3) }}', "3 places"),
        ('{{ t("back" if which else "wrong.one") }}', "Retour"),
        ('{{ t(key) }}{{ t ("back") }}', "RetourRetour"),
    ],
)
def test_what_is_known_only_later_stays_a_call(template: str, said: str):
    assert Pages(page=template).renders(t=FRENCH.text, which="one", key="back") == said


def test_a_call_that_stays_needs_words():
    with pytest.raises(UndefinedError):
        Pages(page='{{ t("count", n=3) }}').renders()


def test_a_macro_without_a_context_has_its_words():
    pages = Pages(
        page='{% import "macros.html" as macros %}{{ macros.label("a") }}',
        macros='{% macro label(id) %}<label for="{{ id }}">{{ t("back") }}</label>{% endmacro %}',
    )
    assert pages.renders() == '<label for="a">Retour</label>'


def test_a_key_without_words_is_named_when_the_template_is_read():
    with pytest.raises(NoSuchWords, match=r"nothing \(fr\)"):
        Pages(page='{{ t("nothing") }}').renders()
