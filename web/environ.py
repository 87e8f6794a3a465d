"""A request by its WSGI environ: for what answers before the application, and for pages alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header, parse_cookie

from prompts.catalogue import COUNTRY_LANGUAGE
from prompts.screens import LANGUAGES
from web.marks import LANGUAGE_COOKIE, SIGNED

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]
Headers = list[tuple[str, str]]


def language_of(query: str) -> str:
    """The language of an address: what it says, else the country's (`web.pages.speak`)."""
    for pair in query.split("&") if query else ():
        name, _, code = pair.partition("=")
        if name == "lang":
            return code if code in LANGUAGES else COUNTRY_LANGUAGE
    return COUNTRY_LANGUAGE


def language_for(environ: Environ) -> str:
    """The language of an answer to one visitor, as `web.pages.language` chooses it."""
    asked = f"&{environ.get('QUERY_STRING', '')}"
    if "&lang=" in asked:
        return language_of(asked[1:])
    cookies = parse_cookie(environ.get("HTTP_COOKIE", ""))
    for name in (f"__Host-{LANGUAGE_COOKIE}", LANGUAGE_COOKIE):
        if cookies.get(name) in LANGUAGES:
            return str(cookies[name])
    return language_of_browser(environ.get("HTTP_ACCEPT_LANGUAGE", ""))


def language_of_browser(told: str) -> str:
    """The language that suits a browser best, by its header (Accept-Language)."""
    return parse_accept_header(told, LanguageAccept).best_match(LANGUAGES) or LANGUAGES[0]


def is_for_a_person(environ: Environ) -> bool:
    """Whether a browser asks for a page, and no script, file or machine for something else."""
    if environ.get("PATH_INFO", "").startswith(SIGNED):
        return False
    if environ.get("HTTP_HX_REQUEST") and not environ.get("HTTP_HX_BOOSTED"):
        return False
    mode = environ.get("HTTP_SEC_FETCH_MODE", "navigate")
    is_page = mode == "navigate" or bool(environ.get("HTTP_HX_BOOSTED"))
    return is_page and "text/html" in environ.get("HTTP_ACCEPT", "*/*").replace("*/*", "text/html")


def is_ours(environ: Environ, public_base_url: str, *, development: bool) -> bool:
    """Whether a page of ours sent a form, as far as the browser says."""
    if environ.get("HTTP_SEC_FETCH_SITE", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = environ.get("HTTP_ORIGIN")
    if origin is None:
        return True
    ours = {urlsplit(public_base_url)[:2]}
    if development:
        # A developer may write localhost, or come by a tunnel.
        host = environ.get("HTTP_HOST", "")
        ours |= {("http", host), ("https", host)}
    return urlsplit(origin)[:2] in ours


def address_of(environ: Environ, hops: int) -> str:
    """Where a request comes from, as the outermost of so many proxies of ours saw it."""
    seen = environ.get("HTTP_X_FORWARDED_FOR", "").replace(" ", "").split(",")
    if hops and len(seen) >= hops and seen[-hops]:
        return str(seen[-hops])
    return str(environ.get("REMOTE_ADDR", ""))
