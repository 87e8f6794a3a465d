"""Signing in and out, the second factor, and one's own account."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from markupsafe import Markup
from werkzeug import Response

from services.accounts import known_device, passwords, second_factor
from services.accounts import staff as accounts
from services.accounts.passkeys import LastFactor, Passkeys
from services.accounts.sign_in import (
    BegunSession,
    Origin,
    SignIn,
    SignInClosed,
    Unproved,
    WrongCredentials,
    needs,
)
from services.accounts.staff import ROLES, Staff, StaffSession
from services.store import Store
from web.browser_session import Cookies
from web.marks import public, roles
from web.pages import leads, words
from web.staff_only import address, current, is_fetch, staff_session, to_proof, token

# Where the missing step of a session is done.
_STEPS = {
    "code": "sign_in.code_form",
    "password": "sign_in.password_form",
    "enrol": "sign_in.enrol_form",
}
_HOMES = ("/poste", "/supervision", "/centre", "/compte")
_HOME_OF = {"supervisor": "/supervision", "operator": "/supervision", "secretary": "/centre"}
_REFUSALS = (WrongCredentials, SignInClosed, passwords.TooBusy, passwords.BadPassword)
_GROUP = 4
_LONGEST_NAME = 64
# What the script of a passkey asks for, which follows no redirect.
_OF_SCRIPT = frozenset(
    f"sign_in.{name}"
    for name in ("ask_to_use_passkey", "use_passkey", "ask_to_make_passkey", "take_passkey")
)

# A form with what was wrong (the end of a key of words), and a status.
Again = Callable[[str, int], ResponseReturnValue]


def blueprint(store: Store, sign_in: SignIn, passkeys: Passkeys, cookies: Cookies) -> Blueprint:
    """/connexion and what follows it, /deconnexion, /compte."""
    pages = Blueprint("sign_in", __name__)
    views = _Views(store, sign_in, passkeys, cookies)
    for method, path, view in (
        ("GET", "/connexion", views.form),
        ("POST", "/connexion", views.enter),
        ("GET", "/connexion/code", views.code_form),
        ("POST", "/connexion/code", views.give_code),
        ("POST", "/connexion/secours", views.give_recovery_code),
        ("GET", "/connexion/inscription", views.enrol_form),
        ("POST", "/connexion/inscription", views.enrol),
        ("POST", "/connexion/cle/defi", views.ask_to_use_passkey),
        ("POST", "/connexion/cle", views.use_passkey),
        ("POST", "/connexion/inscription/cle/defi", views.ask_to_make_passkey),
        ("POST", "/connexion/inscription/cle", views.take_passkey),
        ("GET", "/connexion/mot-de-passe", views.password_form),
        ("POST", "/connexion/mot-de-passe", views.change_password),
        ("POST", "/deconnexion", views.sign_out),
        ("GET", "/compte", views.account),
        ("GET", "/compte/secours", views.recovery_form),
        ("POST", "/compte/secours", views.recovery),
        ("POST", "/compte/cle/nom", views.rename_passkey),
        ("POST", "/compte/cle/retirer", views.remove_factor),
        ("POST", "/compte/telephone", views.phone),
        ("POST", "/compte/partout", views.everywhere),
        ("POST", "/compte/fin", views.end_one),
        ("GET", "/compte/preuve", views.proof_form),
        ("POST", "/compte/preuve", views.prove),
        ("POST", "/supervision/mur", views.open_wall),
    ):
        pages.add_url_rule(path, view.__name__, view, methods=[method])
    pages.register_error_handler(_NotHere, lambda _error: _to_start())
    return pages


class _NotHere(Exception):
    """The session that asks is not at this step: the way begins anew."""


class _Views:
    def __init__(self, store: Store, sign_in: SignIn, passkeys: Passkeys, cookies: Cookies) -> None:
        self._store = store
        self._sign_in = sign_in
        self._passkeys = passkeys
        self._cookies = cookies

    # A password

    @public
    def form(self) -> ResponseReturnValue:
        if current_user.is_authenticated:
            return redirect(_home(current(), _wanted()))
        return self._form_page()

    @public
    def enter(self) -> ResponseReturnValue:
        def begin() -> BegunSession:
            return self._sign_in.begin(
                login=request.form.get("login", ""),
                password=request.form.get("password", ""),
                origin=self._origin(),
                replaces=token() or None,
            )

        return self._attempt(begin, self._form_page)

    def _form_page(self, problem: str = "", status: int = 200) -> ResponseReturnValue:
        login = request.form.get("login", "")
        return _page("accounts/sign_in.html", status, problem=problem, login=login)

    # The second factor

    @public
    def code_form(self) -> ResponseReturnValue:
        return self._code_page()

    @public
    def give_code(self) -> ResponseReturnValue:
        found, code = _lacking("code"), request.form.get("code", "")[:_LONGEST_NAME]
        return self._attempt(
            lambda: self._sign_in.give_code(found, token(), code, self._origin()), self._code_page
        )

    @public
    def give_recovery_code(self) -> ResponseReturnValue:
        """In place of the second factor, once."""
        found, code = _lacking("code"), request.form.get("code", "")[:_LONGEST_NAME]
        return self._attempt(
            lambda: self._sign_in.give_recovery_code(found, token(), code, self._origin()),
            lambda problem, status: self._code_page(
                "wrong_recovery" if problem == "wrong" else problem, status
            ),
        )

    def _code_page(self, problem: str = "", status: int = 200) -> ResponseReturnValue:
        found = _lacking("code")
        return _page(
            "accounts/code.html",
            status,
            problem=problem,
            hint=self._sign_in.demonstration_code(found),
            has_totp=found.has_totp,
            site=self._passkeys.site if self._passkeys.of(found.staff) else None,
        )

    @public
    def enrol_form(self) -> ResponseReturnValue:
        return self._enrol_page()

    @public
    def enrol(self) -> ResponseReturnValue:
        found = _enrolling()
        if found.has_totp:
            raise _NotHere
        code, password = request.form.get("code", ""), request.form.get("password", "")
        if needs(found) == "":
            # In for a while already: the password was not given a moment ago.
            wrong = self._unproved(found, password)
            if wrong:
                return self._enrol_page(*wrong)
        return self._attempt(
            lambda: self._sign_in.enrol(found, token(), code, self._origin()),
            self._enrol_page,
            enrolled=True,
        )

    def _unproved(self, found: StaffSession, password: str) -> tuple[str, int] | None:
        """Why the user of an open session did not prove to be its owner; None when they did."""
        try:
            self._sign_in.prove(found, token(), password, self._origin())
        except _REFUSALS as refused:
            problem, status = _problem(refused)
            return "wrong_old" if problem == "wrong" else problem, status
        return None

    def _enrol_page(self, problem: str = "", status: int = 200) -> ResponseReturnValue:
        found = _enrolling()
        secret = self._sign_in.offered_secret(token())
        return _page(
            "accounts/enrol.html",
            status,
            problem=problem,
            asks_password=needs(found) == "",
            has_totp=found.has_totp,
            site=self._passkeys.site,
            picture=Markup(second_factor.picture(secret, found.staff.login)),  # noqa: S704 (made here)
            groups=[secret[at : at + _GROUP] for at in range(0, len(secret), _GROUP)],
        )

    # Passkeys: a script asks for each, and is told where to go

    @public
    def ask_to_use_passkey(self) -> ResponseReturnValue:
        return self._asked(lambda: self._passkeys.ask_to_use(_lacking("code"), token()))

    @public
    def use_passkey(self) -> ResponseReturnValue:
        found, answer = _lacking("code"), request.form.get("answer", "")
        return self._attempt(
            lambda: self._passkeys.use(found, token(), answer, self._origin()), _told_script
        )

    @public
    def ask_to_make_passkey(self) -> ResponseReturnValue:
        return self._asked(lambda: self._passkeys.ask_to_make(_enrolling(), token()))

    @public
    def take_passkey(self) -> ResponseReturnValue:
        found, form = _enrolling(), request.form
        answer, name = form.get("answer", ""), form.get("name", "")
        return self._attempt(
            lambda: self._passkeys.take(found, token(), answer, name), _told_script, enrolled=True
        )

    def _asked(self, ask: Callable[[], str]) -> ResponseReturnValue:
        try:
            return Response(ask(), mimetype="application/json")
        except _REFUSALS as refused:
            return _told_script(*_problem(refused))
        except Unproved:
            return jsonify(next=self._proof_of_enrolling())

    def _proof_of_enrolling(self) -> str:
        back = url_for("sign_in.enrol_form", next=_wanted() or None)
        return url_for("sign_in.proof_form", next=back)

    @roles(*ROLES)
    def rename_passkey(self) -> ResponseReturnValue:
        form = request.form
        self._passkeys.rename(
            current(), form.get("passkey", "")[:_LONGEST_NAME], form.get("name", "")
        )
        return redirect(url_for("sign_in.account"), HTTPStatus.SEE_OTHER)

    @roles(*ROLES)
    def remove_factor(self) -> ResponseReturnValue:
        """Take a passkey away, or the authenticator; never the last of both."""
        try:
            self._passkeys.remove(_lacking(""), request.form.get("passkey", "")[:_LONGEST_NAME])
        except Unproved:
            return to_proof(url_for("sign_in.account"))
        except LastFactor:
            return self._account_page("last_factor", HTTPStatus.CONFLICT)
        return redirect(url_for("sign_in.account"), HTTPStatus.SEE_OTHER)

    # Recovery codes

    @roles(*ROLES)
    def recovery_form(self) -> ResponseReturnValue:
        """What recovery codes are for; they are made, and shown once, when their owner asks."""
        left = self._sign_in.recovery_codes_left(current())
        return _page("accounts/recovery.html", 200, codes=[], left=left)

    @roles(*ROLES)
    def recovery(self) -> ResponseReturnValue:
        try:
            codes = self._sign_in.new_recovery_codes(_lacking(""))
        except Unproved:
            return to_proof(url_for("sign_in.recovery_form", next=_wanted() or None))
        return _page("accounts/recovery.html", 200, codes=codes, left=len(codes))

    # Another password

    @public
    def password_form(self) -> ResponseReturnValue:
        return self._password_page()

    @public
    def change_password(self) -> ResponseReturnValue:
        found = _lacking("password", "")
        new = request.form.get("new", "")
        if new != request.form.get("again", ""):
            return self._password_page("password_twice", HTTPStatus.BAD_REQUEST)
        old = None if needs(found) else request.form.get("old", "")
        return self._attempt(
            lambda: self._sign_in.change_password(
                found, token(), old=old, new=new, origin=self._origin()
            ),
            self._password_page,
        )

    def _password_page(self, problem: str = "", status: int = 200) -> ResponseReturnValue:
        found = _lacking("password", "")
        first, login = needs(found) == "password", found.staff.login
        return _page("accounts/password.html", status, problem=problem, first=first, login=login)

    # Out

    @public
    def sign_out(self) -> ResponseReturnValue:
        if token():
            self._sign_in.sign_out(token())
        return self._out()

    @roles(*ROLES)
    def everywhere(self) -> ResponseReturnValue:
        who = current()
        accounts.sign_out_everywhere(self._store, who.id, by=who.id)
        return self._out()

    @roles(*ROLES)
    def end_one(self) -> ResponseReturnValue:
        """End one of one's own sessions: a screen on a wall, or a browser left somewhere."""
        self._sign_in.end(current(), request.form.get("session", "")[:_LONGEST_NAME])
        return redirect(url_for("sign_in.account"), HTTPStatus.SEE_OTHER)

    # What the password is asked for again

    @roles(*ROLES)
    def proof_form(self) -> ResponseReturnValue:
        return self._proof_page()

    @roles(*ROLES)
    def prove(self) -> ResponseReturnValue:
        """The password once more: good for some minutes, for what concerns many."""
        found = staff_session()
        wrong = found and self._unproved(found, request.form.get("password", ""))
        if wrong:
            if not is_fetch():
                return self._proof_page(*wrong)
            told = words()[f"sign_in.problem.{wrong[0]}"]
            # Not 401, by which a script knows that the session is over.
            status = HTTPStatus.CONFLICT if wrong[1] == HTTPStatus.UNAUTHORIZED else wrong[1]
            return jsonify(done=False, why=wrong[0], message=told), status
        if is_fetch():
            return jsonify(done=True)
        return redirect(_wanted() or url_for("sign_in.account"), HTTPStatus.SEE_OTHER)

    def _proof_page(self, problem: str = "", status: int = 200) -> ResponseReturnValue:
        return _page("accounts/proof.html", status, problem=problem)

    @roles("supervisor", "operator")
    def open_wall(self) -> ResponseReturnValue:
        """Make this browser a screen on a wall: its session belongs to no staff member any more."""
        try:
            begun = self._sign_in.open_wall(_lacking(""), token())
        except Unproved:
            return to_proof("/supervision?mur=1")
        except WrongCredentials:
            return _to_start()
        answer = redirect(url_for("board.wall"), HTTPStatus.SEE_OTHER)
        self._cookies.sign_in(answer, begun.token)
        return answer

    def _out(self) -> ResponseReturnValue:
        answer = redirect(url_for("sign_in.form"))
        self._cookies.sign_out(answer)
        # Our scripts keep nothing there; the provider's library of the desk's telephone might.
        answer.headers["Clear-Site-Data"] = '"storage"'
        return answer

    # One's own account

    @roles(*ROLES)
    def account(self) -> ResponseReturnValue:
        return self._account_page()

    @roles(*ROLES)
    def phone(self) -> ResponseReturnValue:
        found = staff_session()
        wrong = found and self._unproved(found, request.form.get("password", ""))
        if wrong:
            # Otherwise a person at an unattended page could have callers rung through to them.
            return self._account_page(*wrong)
        try:
            accounts.set_phone(self._store, current().id, request.form.get("phone", ""))
        except accounts.StaffRefused:
            return self._account_page("phone", HTTPStatus.BAD_REQUEST)
        return redirect(url_for("sign_in.account"))

    def _account_page(self, problem: str = "", status: int = 200) -> ResponseReturnValue:
        who, found = current(), staff_session()
        with self._store.database.statement() as connection:
            phone = accounts.phone_of(connection, self._store, who.id)
        return _page(
            "accounts/account.html",
            status,
            problem=problem,
            phone=request.form.get("phone", phone or ""),
            sessions=self._sign_in.sessions(who, token()),
            has_totp=found is not None and found.has_totp,
            passkeys=self._passkeys.of(who),
            codes_left=self._sign_in.recovery_codes_left(who),
        )

    # What steps share

    def _origin(self) -> Origin:
        cookie = request.cookies.get(self._cookies.device_name, "")
        today = self._store.clock.now().date()
        return Origin(address(), known_device.read(self._store.vault, cookie, today))

    def _attempt(
        self, act: Callable[[], BegunSession], again: Again, *, enrolled: bool = False
    ) -> ResponseReturnValue:
        """Do a step, or show its form again with what was wrong."""
        try:
            begun = act()
        except _REFUSALS as refused:
            return again(*_problem(refused))
        return self._go_on(begun, enrolled=enrolled)

    def _go_on(self, begun: BegunSession, *, enrolled: bool = False) -> ResponseReturnValue:
        """To the step that is missing, or to the page that the user asked for.

        `enrolled`: a second factor was just taken; recovery codes come first, where there are none.
        """
        store, wanted = self._store, _wanted()
        fresh = self._sign_in.visit(begun.token)
        step = needs(fresh) if fresh else ""
        if step:
            answer = _led(url_for(_STEPS[step], next=wanted or None))
        else:
            home = _home(begun.staff, wanted)
            if enrolled and not self._sign_in.recovery_codes_left(begun.staff):
                home = url_for("sign_in.recovery_form", next=home)
            answer = _led(home)
            # Not before the last step: a password alone makes no device known.
            device = self._origin().device or known_device.Device(store.chance.identifier())
            known = device.learns(store.vault, begun.staff.login)
            cookie = known.cookie(store.vault, store.clock.now().date())
            self._cookies.know(answer, cookie, int(known_device.KEPT.total_seconds()))
        self._cookies.sign_in(answer, begun.token)
        return answer


def _led(where: str) -> Response:
    """A person's browser goes there; the script of a passkey is told where."""
    return jsonify(next=where) if request.endpoint in _OF_SCRIPT else redirect(where)


def _told_script(problem: str, status: int) -> ResponseReturnValue:
    """What a script shows. Not 401, by which it would know that it is signed out."""
    key = "wrong_passkey" if problem == "wrong" else problem
    status = HTTPStatus.CONFLICT if status == HTTPStatus.UNAUTHORIZED else status
    return jsonify(message=words()[f"sign_in.problem.{key}"]), status


def _problem(refused: Exception) -> tuple[str, int]:
    """The end of the key of what was wrong, and the status."""
    if isinstance(refused, SignInClosed):
        return "closed", HTTPStatus.TOO_MANY_REQUESTS
    if isinstance(refused, passwords.TooBusy):
        return "busy", HTTPStatus.SERVICE_UNAVAILABLE
    if isinstance(refused, passwords.BadPassword):
        return f"password_{refused.key}", HTTPStatus.BAD_REQUEST
    return "wrong", HTTPStatus.UNAUTHORIZED


def _page(template: str, status: int, **values: object) -> ResponseReturnValue:
    return render_template(template, wanted=_wanted(), **values), status


def _lacking(*steps: str) -> StaffSession:
    """The session that asks, if one of these is what it lacks next; "": it lacks nothing.

    Raises _NotHere.
    """
    found = staff_session()
    if found is None or needs(found) not in steps:
        raise _NotHere
    return found


def _enrolling() -> StaffSession:
    """The session of a user who must take a second factor, or is signed in and may take another.

    Raises _NotHere.
    """
    return _lacking("enrol", "")


def _to_start() -> ResponseReturnValue:
    return _led(url_for("sign_in.form", next=_wanted() or None))


def _wanted() -> str:
    """The page that the user asked for: a path of this site, or ""."""
    path = request.form.get("next") or request.args.get("next") or ""
    parted = urlsplit(path)
    if parted.scheme or parted.netloc or not path.startswith("/") or path.startswith("//"):
        return ""
    # Browsers take a backslash for a slash, and leave tabs and line ends out.
    return path if path.isprintable() and "\\" not in path else ""


def _home(who: Staff, wanted: str) -> str:
    """The page after signing in: the one asked for, else where the user's role works."""
    for path in (wanted, _HOME_OF.get(who.role, _HOMES[0]), *_HOMES):
        if path and leads(path, who):
            return path
    return _HOMES[-1]
