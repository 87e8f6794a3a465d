"""What every page has in common: headers that keep a browser on our side, words, languages.

Telephone paths are left alone: no browser reads them, and they are asked for most.
"""

from __future__ import annotations

import time
import unicodedata

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final, Generic, TypeVar, cast
from urllib.parse import parse_qsl, urlencode, urlsplit
from zoneinfo import ZoneInfo

from flask import Flask, Request, Response, current_app, g, request, session
from flask_login import current_user
from markupsafe import Markup
from werkzeug.datastructures import LanguageAccept
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_accept_header
from werkzeug.local import LocalProxy
from werkzeug.routing import RequestRedirect

from prompts.catalogue import written_number
from prompts.screens import LANGUAGES, Screen, named_languages, screen
from services.accounts.staff import Staff
from web.marks import LANGUAGE_COOKIE, SIGNED, who_may
from web.words_in_templates import PageEnvironment

_COUNTRY = ZoneInfo("Europe/Paris")
_A_YEAR = 365 * 24 * 3600
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "media-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "object-src": "'none'",
}
# What the provider's voice library speaks to (signalling, insights) and plays (its tones).
_PROVIDER = {
    "connect-src": ("https://*.twilio.com", "wss://*.twilio.com"),
    "media-src": ("https://sdk.twilio.com", "https://media.twiliocdn.com"),
}
# Pages in the menu, by the key of their name; which users may see them is what their routes say.
_WAYS = (("page.desk", "/poste"), ("page.board", "/supervision"), ("page.centre", "/centre"))
# Costs that have words of their own.
_COSTS = frozenset({"ordinary", "free"})
_EVERYWHERE = tuple(
    (name, name.lower(), value)
    for name, value in {
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        # Not "no-referrer": a browser then says "Origin: null" in a form of ours, too.
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }.items()
)
# The values of an address that say which page or file it is, and never who asks; how many such
# addresses are kept, and parts of pages, and for how many seconds.
_OF_ALL_VISITORS = frozenset({"slug", "name"})
_MOST_ADDRESSES = 512
_MOST_PARTS = 64
_KEPT_SECONDS = 1.0
_LONGEST_REMEMBERED = 200
# Languages, each with the words of the services that are in use.
_MOST_LANGUAGES = 8
Made = TypeVar("Made")
_FORM: Final = "application/x-www-form-urlencoded"
_FORMS: Final = FormDataParser(cls=Request.parameter_storage_class)
_NOT_USED = ("geolocation", "payment", "usb", "display-capture")


@dataclass(frozen=True)
class Setting:
    """What pages know of the settings. `simulator_origin` is empty but in development."""

    public_base_url: str
    simulator_origin: str = ""
    voice_sdk: bool = False
    # E.164, as the header of every public page has it.
    national_number: str = ""
    # What a call there costs: "auto", a key below `way.cost`, "none", or words.
    call_cost: str = "auto"

    @property
    def https(self) -> bool:
        return self.public_base_url.startswith("https://")

    @property
    def development(self) -> bool:
        return bool(self.simulator_origin)


# Flask's stand-ins look for what they stand for each time that something of it is asked, which
# takes several times as long as the asking. A function that asks several takes the thing itself.


def request_itself() -> Request:
    """The request that is answered."""
    return cast("LocalProxy[Request]", request)._get_current_object()  # noqa: SLF001


def of_answer() -> Any:
    """What is kept for this one answer (Flask's `g`)."""
    return cast("LocalProxy[Any]", g)._get_current_object()  # noqa: SLF001


class PageRequest(Request):
    """Flask's, which makes a reader of forms anew for each, with limits that are for files."""

    def _load_form_data(self) -> None:
        if "form" in self.__dict__ or self.environ.get("CONTENT_TYPE") != _FORM:
            super()._load_form_data()
            return
        stream, fields, files = _FORMS.parse(self._get_stream_for_parsing(), _FORM, None)
        self.__dict__.update(stream=stream, form=fields, files=files)


def setting() -> Setting:
    """Of the application that answers."""
    found: Setting = current_app.extensions["allo_pages"]
    return found


def register(app: Flask, given: Setting) -> None:
    """Headers, languages and what templates may use."""
    app.extensions["allo_pages"] = given
    app.after_request(_add_headers)
    app.jinja_environment = PageEnvironment
    pages = app.jinja_env
    assert isinstance(pages, PageEnvironment)  # noqa: S101 - nobody has asked for it before
    pages.speak(words)
    app.jinja_env.filters["plain"] = plain
    app.jinja_env.filters["moment"] = moment
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["url_for"] = _remembered_addresses(app)
    app.jinja_env.globals["same_for_all"] = _parts_for_all(app)
    app.context_processor(_for_templates)


class _KeptForASecond(Generic[Made]):
    """What is made once a second for each key, of all threads; `most` of them are kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[tuple[object, ...], tuple[Made, float]] = {}

    def get(self, key: tuple[object, ...], make: Callable[[], Made]) -> Made:
        """What was made for the key within the last second; else what `make` makes now."""
        known, now = self._known.get(key), time.monotonic()
        if known is not None and now < known[1]:
            return known[0]
        if len(self._known) >= self._most:
            self._known.clear()
        made = make()
        self._known[key] = made, now + _KEPT_SECONDS
        return made


def _remembered_addresses(app: Flask) -> Callable[..., str]:
    """`url_for` of templates. It remembers the addresses of pages and files that all visitors have.

    A page has a dozen of them, and to build one from its rule takes as long as a paragraph. The
    address of a file has its version, for which the file is looked at: once a second is enough.
    An address with any other value may name a person, so it is built each time.
    """
    known = _KeptForASecond[str](_MOST_ADDRESSES)

    def url_for(endpoint: str, **values: Any) -> str:
        if endpoint[0] == "." or not values.keys() <= _OF_ALL_VISITORS:
            return app.url_for(endpoint, **values)
        key = (request.root_path, endpoint, *values.values())
        return known.get(key, lambda: app.url_for(endpoint, **values))

    return url_for


def _parts_for_all(app: Flask) -> Callable[..., Markup]:
    """`same_for_all` of templates: a part of a page that is the same for all visitors.

    It is written once a second for each language and what it is given, as its addresses of files
    are looked at. Its template knows nothing else of the answer, so that nothing of a person is
    kept.
    """
    known = _KeptForASecond[Markup](_MOST_PARTS)

    def same_for_all(name: str, **given: Hashable) -> Markup:
        spoken = words()

        def written() -> Markup:
            template = app.jinja_env.get_template(name)
            text = template.render(given, language=spoken.language, t=spoken.text, to=to)
            # The template has put in place what would be read as a tag.
            return Markup(text)  # noqa: S704

        return known.get((request.root_path, spoken, name, *given.values()), written)

    return same_for_all


# ---------------------------------------------------------------- headers


def with_voice() -> None:
    """For the desk's page alone: a microphone, and the hosts that carry a browser's voice.

    They are the provider's where its library is configured; else, in development, the simulator's.
    """
    g.microphone = True
    given = setting()
    if given.voice_sdk:
        for name, sources in _PROVIDER.items():
            also_allow(name, *sources)
    elif given.simulator_origin:
        also_allow("script-src", given.simulator_origin)
        also_allow("connect-src", given.simulator_origin)


def with_camera() -> None:
    """For a page that reads the codes which people show. A browser still asks its user."""
    g.camera = True


def also_allow(directive: str, *sources: str) -> None:
    """Let this one answer load from, or connect to, other places ("connect-src", …)."""
    more: dict[str, list[str]] = g.setdefault("policy", {})
    more.setdefault(directive, []).extend(sources)


def _add_headers(response: Response) -> Response:
    asked, answer = request_itself(), of_answer()
    if asked.path.startswith(SIGNED):
        return response
    headers = response.headers
    there = {name.lower() for name, _ in headers}
    for name, low, value in _EVERYWHERE:
        if low not in there:
            headers.add(name, value)
    headers["Content-Security-Policy"] = _policy(answer.get("policy", {}))
    headers["Permissions-Policy"] = _permissions(
        microphone=bool(answer.get("microphone")), camera=bool(answer.get("camera"))
    )
    if setting().https:
        headers["Strict-Transport-Security"] = f"max-age={_A_YEAR}; includeSubDomains"
    args = asked.args
    if "lang" in args and args["lang"] in LANGUAGES and not answer.get("language"):
        response.set_cookie(
            language_cookie(),
            args["lang"],
            max_age=_A_YEAR,
            secure=setting().https,
            httponly=True,
            samesite="Lax",
        )
    return response


def _policy(more: Mapping[str, Iterable[str]]) -> str:
    """The policy of an answer, with what this one alone may load from elsewhere."""
    if not more:
        return _POLICY_OF_MOST
    return "; ".join(
        " ".join((name, sources, *more.get(name, ()))) for name, sources in _POLICY.items()
    )


_POLICY_OF_MOST = "; ".join(map(" ".join, _POLICY.items()))


@cache
def _permissions(*, microphone: bool, camera: bool) -> str:
    asked = {"microphone": microphone, "camera": camera} | dict.fromkeys(_NOT_USED, False)
    return ", ".join(f"{name}={'(self)' if may else '()'}" for name, may in asked.items())


# ---------------------------------------------------------------- words


def speak(code: str) -> None:
    """Let this one answer be in a language ("fr"), whatever a browser asks or remembers."""
    g.language = code if code in LANGUAGES else LANGUAGES[0]


def speak_by_address() -> None:
    """Let this one answer be the same for all visitors, in its address's language, else French.

    No user is looked up for it, and no cookie is read or set.
    """
    speak(request.args.get("lang", LANGUAGES[0]))
    g.for_everybody = True


def stay_in_address(fields: Mapping[str, str]) -> None:
    """Keep these fields of the address in the same page's address in another language."""
    g.address_fields = fields


def stands_at(path: str) -> None:
    """Let this answer be the page of another address of ours, which the browser is to show.

    The same page in another language is then that address's, and not that of the form which led
    to it.
    """
    g.stands_at = path


def language_cookie() -> str:
    """Its name; over https one that no other host can write."""
    return f"__Host-{LANGUAGE_COOKIE}" if setting().https else LANGUAGE_COOKIE


def language() -> str:
    """The language of this answer: asked for, remembered, or the browser's; French first."""
    # A page asks for it with each address in it.
    known = of_answer()
    found: str | None = known.get("language") or known.get("asked_language")
    if not found:
        found = known.asked_language = _asked_language(request_itself())
    return found


def _asked_language(asked: Request) -> str:
    # Nearly no request has either, and to ask these for what they lack raises an error each time.
    for known, name in ((asked.args, "lang"), (asked.cookies, language_cookie())):
        if name in known and known[name] in LANGUAGES:
            return known[name]
    return language_of_browser(asked.environ.get("HTTP_ACCEPT_LANGUAGE", ""))


def language_of_browser(told: str) -> str:
    """The language that suits a browser best, by its header (Accept-Language)."""
    # Browsers say a few dozen different things; what is longer is nothing that they say.
    return _best_language(told) if len(told) < _LONGEST_REMEMBERED else _best_of(told)


def _best_of(told: str) -> str:
    return parse_accept_header(told, LanguageAccept).best_match(LANGUAGES) or LANGUAGES[0]


_best_language = lru_cache(_best_of)


def words() -> Screen:
    """Every word of pages, in the language of this answer."""
    return screen(language())


def plain(text: object) -> str:
    """A text without letters that cannot be seen or that turn the direction of others.

    Line ends become blanks. What is left is still escaped by the template.
    """
    told = str(text)
    if told.isprintable():
        # Nearly each is. No letter that goes is one that can be printed, nor any blank but this.
        return told
    kept = []
    for letter in told:
        if letter.isspace():
            kept.append(" ")
        elif unicodedata.category(letter) not in {"Cc", "Cf", "Co", "Cn", "Cs"}:
            kept.append(letter)
    return "".join(kept)


def moment(when: datetime) -> str:
    """A moment (UTC) as people here write it: 25/11 09:30, of the country's own clock."""
    return f"{when.astimezone(_COUNTRY):%d/%m %H:%M}"


def _for_templates() -> dict[str, Any]:
    for_all = _for_templates_of(words(), setting())
    return {**for_all, "me": signed_in_user() if _may_be_staff() else None}


def signed_in_user() -> Staff | None:
    """The member of staff who is signed in; None for a visitor."""
    # The proxy of flask_login would look for them once for each attribute.
    found = current_user._get_current_object()  # noqa: SLF001
    return cast("Staff", found) if found.is_authenticated else None


@lru_cache(maxsize=_MOST_LANGUAGES)
def _for_templates_of(spoken: Screen, given: Setting) -> Mapping[str, Any]:
    """What is the same in each answer of a language."""
    return {
        "language": spoken.language,
        "country": LANGUAGES[0],
        "languages": named_languages(),
        "t": spoken.text,
        "words": spoken.part,
        "ways": ways,
        "in_language": _in_language,
        "here_in": _here_in,
        "to": to,
        "number": written_number(given.national_number),
        "number_link": f"tel:{given.national_number}",
        "number_cost": _cost(spoken, given),
        "pages": given,
    }


def _may_be_staff() -> bool:
    """Whether to look who is signed in: a visitor's browser has no token of a staff session."""
    return not g.get("for_everybody") and bool(getattr(session, "token", ""))


def _cost(spoken: Screen, given: Setting) -> str:
    """What a call of our number costs, in words; empty where nothing is to be said."""
    said = given.call_cost.strip()
    if said == "auto":
        said = cost_of(given.national_number)
    if said in {"", "none"}:
        return ""
    return spoken[f"way.cost.{said}"] if said in _COSTS else said


def cost_of(number: str) -> str:
    """What calling a French number (E.164) costs: "ordinary", "free", or empty for not known here.

    By the numbering plan of Arcep (decision 2018-0881): 01 to 05, 06, 07 and 09 at the price of an
    ordinary call, 0800 to 0805 free. What others cost is their owner's to say.
    """
    if not number.startswith("+33"):
        return ""
    local = number.removeprefix("+33")
    if local[:1] in {*"1234567", "9"}:
        return "ordinary"
    return "free" if local[:3] in {f"80{n}" for n in range(6)} else ""


def _in_language(code: str) -> str:
    if "stands_at" in g:
        path, _, query = g.stands_at.partition("?")
        given = dict(parse_qsl(query))
    else:
        path, given = request.path, request.args
    asked = {name: value for name, value in given.items() if name != "lang"}
    return f"{path}?{urlencode(asked | {'lang': code})}"


def _here_in(code: str) -> str:
    """The same page in another language; where all share a page, French has the plain address."""
    if not g.get("for_everybody"):
        return _in_language(code)
    fields = {"lang": code} if code != LANGUAGES[0] else {}
    query = urlencode(fields | g.get("address_fields", {}))
    return f"{request.path}?{query}" if query else request.path


def to(path: str) -> str:
    """Another public page ("/etat"), in the language of this one."""
    code = language()
    return path if code == LANGUAGES[0] else f"{path}?lang={code}"


# ---------------------------------------------------------------- ways


def ways(who: Staff) -> Sequence[tuple[str, str]]:
    """The pages that a staff member may see: key of the name, and path."""
    return [(name, path) for name, path in _WAYS if leads(path, who)]


def leads(path: str, who: Staff) -> bool:
    """Whether there is a page at a path of ours, and this person may see it."""
    try:
        endpoint, _ = current_app.url_map.bind("").match(urlsplit(path).path, method="GET")
    except (HTTPException, RequestRedirect):
        return False
    allowed = who_may(current_app, endpoint)
    return allowed is not None and who.role in allowed.roles
