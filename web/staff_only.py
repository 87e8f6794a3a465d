"""Which users may ask for what: every route of `web` says so; one that does not stops the start.

    @blueprint.get("/poste")
    @roles("agent", "supervisor")
    def desk() -> str:
        who = current()

`public` marks what all visitors may ask for, `public_form` a form that is the same for all. A
mark is looked at before each request, whatever the order of decorators; `web.marks.undeclared`
finds the routes that have none.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import (
    Flask,
    abort,
    current_app,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import LoginManager
from flask_wtf.csrf import CSRFError, CSRFProtect

from services.accounts.sign_in import SignIn, needs
from services.accounts.staff import Staff, StaffSession
from web.browser_session import Cookies
from web.environ import address_of, is_ours
from web.marks import SIGNED, Who, who_may
from web.pages import setting, signed_in_user

# The answer to a script whose act needs the password again, because it concerns many callers or
# lets the user listen (`services.accounts.sign_in.PROVED_FOR`).
UNPROVED = "unproved"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def current() -> Staff:
    """The signed-in user. Only for routes with `roles`: elsewhere there may be none (401)."""
    return signed_in_user() or abort(401)


def register(app: Flask, sign_in: SignIn, cookies: Cookies, *, hops: int = 0) -> None:
    """Look at each request before its route does. `hops`: proxies in front that add an address."""
    app.session_interface = cookies
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    # The token belongs to the session and ends with it.
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    # It asks for a Referer, which we look at as Origin instead.
    app.config["WTF_CSRF_SSL_STRICT"] = False
    csrf = CSRFProtect(app)
    # Of what it would set up there is no need: it remembers no user by a cookie of its own.
    app.login_manager = _Logins()  # type: ignore[attr-defined]
    app.extensions["allo_staff"] = _Parts(sign_in, cookies, csrf, hops)
    app.before_request(_look)


class _Logins(LoginManager):  # type: ignore[misc]
    """It says who asks by the row of their session, and looks for nothing that is in a cookie."""

    def _load_user(self) -> None:
        found = staff_session()
        self._update_request_context_with_user(found.staff if found and not needs(found) else None)


def _look() -> ResponseReturnValue | None:
    endpoint = request.endpoint
    if endpoint is None or request.path.startswith(SIGNED):
        return None
    who = who_may(current_app, endpoint)
    if who is None:
        # Not reached in a service that started: see `web.marks.undeclared`.
        return refuse(403, "forbidden")
    if not who.public:
        user = signed_in_user()
        if user is None:
            return _to_sign_in()
        if user.role not in who.roles:
            return refuse(403, "forbidden")
    return None if request.method in _SAFE else _look_at_form(who)


def _look_at_form(who: Who) -> ResponseReturnValue | None:
    given = setting()
    if not is_ours(request.environ, given.public_base_url, development=given.development):
        return refuse(403, "origin")
    if who.free_form:
        return None
    try:
        parts().csrf.protect()
    except CSRFError:
        return refuse(400, "form_too_old")
    return None


# ---------------------------------------------------------------- the user who asks


@dataclass(frozen=True)
class _Parts:
    sign_in: SignIn
    cookies: Cookies
    csrf: CSRFProtect
    hops: int


def parts() -> _Parts:
    """Of the application that answers."""
    found: _Parts = current_app.extensions["allo_staff"]
    return found


def token() -> str:
    """The token of the browser that asks, "" where it has none."""
    return str(getattr(session, "token", ""))


def staff_session() -> StaffSession | None:
    """The session that asks, which may lack something (`services.accounts.sign_in.needs`).

    A wall screen's session counts only where the route's mark says so: a person who uses that
    browser elsewhere finds no user signed in.
    """
    if "allo_visit" not in g:
        who = who_may(current_app, request.endpoint)
        poll, moment = (who.poll, who.moment) if who else (False, False)
        sign_in, its = parts().sign_in, token()
        found = sign_in.visit(its, poll=poll, moment=moment) if its else None
        if found is not None and found.wall and not (who is not None and who.wall):
            found = None
        g.allo_visit = found
    kept: StaffSession | None = g.allo_visit
    return kept


def is_proved() -> bool:
    """Whether the user gave their password a moment ago (`accounts.sign_in.PROVED_FOR`)."""
    found = staff_session()
    return found is not None and parts().sign_in.is_proved(found)


def address() -> str:
    """Where the request comes from, as the outermost proxy of ours saw it."""
    return address_of(request.environ, parts().hops)


# ---------------------------------------------------------------- answers


def is_fetch() -> bool:
    """Whether a script asks, and not a person opening a page."""
    if request.headers.get("HX-Request") or request.headers.get("X-CSRFToken"):
        return True
    if request.headers.get("Sec-Fetch-Mode") == "navigate":
        return False
    best = request.accept_mimetypes.best_match(("text/html", "application/json"))
    return best == "application/json" or "Sec-Fetch-Mode" in request.headers


def refuse(status: int, word: str) -> ResponseReturnValue:
    """An answer that says no: JSON to a script, a page to a person."""
    if is_fetch() and not request.headers.get("HX-Boosted"):
        return {"error": word}, status
    who = who_may(current_app, request.endpoint)
    if who is not None and who.free_form:
        return render_template("public/wrong.html", key=f"public.wrong.{word}"), status
    return render_template("refused.html", word=word), status


def _to_sign_in() -> ResponseReturnValue:
    if is_fetch() or request.method not in _SAFE:
        return refuse(401, "signed_out")
    path = request.full_path.rstrip("?")
    return redirect(url_for("sign_in.form", next=path))


def to_proof(wanted: str) -> ResponseReturnValue:
    """To where the password is asked for again, and from there to `wanted`, a path of ours."""
    status = 302 if request.method in _SAFE else 303
    return redirect(url_for("sign_in.proof_form", next=wanted), status)
