"""What every page has in common: headers that keep a browser on our side, words, languages.

Telephone paths are left alone: no browser reads them, and they are asked for most.
"""

from __future__ import annotations

import unicodedata

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

from flask import Flask, Response, current_app, g, request, session
from flask_login import current_user
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from prompts.screens import LANGUAGES, Screen, named_languages, screen
from prompts.values import written_number
from services.accounts.staff import Staff
from web.environ import language_of_browser
from web.marks import LANGUAGE_COOKIE, SIGNED, who_may

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
_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not "no-referrer": a browser then says "Origin: null" in a form of ours, too.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
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


def setting() -> Setting:
    """Of the application that answers."""
    found: Setting = current_app.extensions["allo_pages"]
    return found


def register(app: Flask, given: Setting) -> None:
    """Headers, languages and what templates may use."""
    app.extensions["allo_pages"] = given
    app.after_request(_add_headers)
    # Macros that are imported without a context have these, too.
    app.jinja_env.globals.update(t=_text, words=lambda name: words().part(name))
    app.jinja_env.filters["plain"] = plain
    app.jinja_env.filters["moment"] = moment
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(_for_templates)


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
    if request.path.startswith(SIGNED):
        return response
    headers = response.headers
    for name, value in _EVERYWHERE.items():
        headers.setdefault(name, value)
    headers["Content-Security-Policy"] = _policy(g.get("policy", {}))
    headers["Permissions-Policy"] = _permissions(
        microphone=bool(g.get("microphone")), camera=bool(g.get("camera"))
    )
    if setting().https:
        headers["Strict-Transport-Security"] = f"max-age={_A_YEAR}; includeSubDomains"
    chosen = request.args.get("lang")
    if chosen in LANGUAGES and not g.get("language"):
        response.set_cookie(
            language_cookie(),
            chosen,
            max_age=_A_YEAR,
            secure=setting().https,
            httponly=True,
            samesite="Lax",
        )
    return response


def _policy(more: Mapping[str, Iterable[str]]) -> str:
    """The policy of an answer, with what this one alone may load from elsewhere."""
    return "; ".join(
        " ".join((name, sources, *more.get(name, ()))) for name, sources in _POLICY.items()
    )


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
    found: str | None = g.get("language") or g.get("asked_language")
    if found is None:
        # A page asks for it with each address in it.
        found = g.asked_language = _asked_language()
    return found


def _asked_language() -> str:
    for told in (request.args.get("lang"), request.cookies.get(language_cookie())):
        if told in LANGUAGES:
            return told
    return language_of_browser(request.headers.get("Accept-Language", ""))


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


def _text(key: str, **values: object) -> str:
    return words().text(key, **values)


def signed_in_user() -> Staff | None:
    """The member of staff who is signed in; None for a visitor."""
    # The proxy of flask_login would look for them once for each attribute.
    found = current_user._get_current_object()  # noqa: SLF001
    return cast("Staff", found) if found.is_authenticated else None


def _for_templates() -> dict[str, Any]:
    """What each answer has."""
    spoken, given = words(), setting()
    return {
        "language": spoken.language,
        "country": LANGUAGES[0],
        "languages": named_languages(),
        "ways": ways,
        "in_language": _in_language,
        "here_in": _here_in,
        "to": to,
        "number": written_number(given.national_number),
        "number_link": f"tel:{given.national_number}",
        "number_cost": _cost(spoken, given),
        "pages": given,
        "me": signed_in_user() if _may_be_staff() else None,
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
        path, given = own_path(), request.args
    asked = {name: value for name, value in given.items() if name != "lang"}
    return f"{path}?{urlencode(asked | {'lang': code})}"


def _here_in(code: str) -> str:
    """The same page in another language; where all share a page, French has the plain address."""
    if not g.get("for_everybody"):
        return _in_language(code)
    fields = {"lang": code} if code != LANGUAGES[0] else {}
    query = urlencode(fields | g.get("address_fields", {}))
    return f"{own_path()}?{query}" if query else own_path()


def own_path() -> str:
    """The path that was asked for, as a link of a page: it never leaves the site.

    A browser reads "//host" as the address of another site, and a backslash as a slash.
    """
    return quote("/" + request.path.lstrip("/\\"))


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
