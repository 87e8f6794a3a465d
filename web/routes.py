"""The browser's routes, by those they are for, and what their pages share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from flask import Flask

import config

from services.accounts.passkeys import Passkeys, PasskeySite
from services.accounts.sign_in import SignIn
from services.health.doctor import Remembered, checks
from services.health.shared_assets import OtherVersions
from services.parts import Parts, make_around
from services.ports import CallControl
from services.public.feed_copy import FeedCopy
from services.public.state import Latest
from web import error_pages, pages, staff_only
from web.accounts import sign_in as sign_in_pages
from web.admission import room_pages
from web.browser_session import Cookies
from web.centre_day import secretary
from web.desk import pages as desk_pages
from web.desk import person, voice_token
from web.desk.desk_page import DeskPage
from web.online import booking, my_appointment
from web.online.cookies import MyCookie, WebSessionCookie
from web.operations import assets, health, recordings, telephone
from web.operations.metrics import Measures
from web.public import centres, services, smart_feed, state
from web.public import pages as public_pages
from web.supervision import board, clusters

TEMPLATES: Final = Path(__file__).parent / "templates"
# A token of the voice library for an agent's browser; None where no account for it is set.
MakeToken = Callable[[str], str]


def register(  # noqa: PLR0917 (what pages need of other rooms)
    app: Flask,
    parts: Parts,
    control: CallControl,
    redis: Callable[[], str],
    voice_token_of: MakeToken | None,
    files: Collection[str],
    *,
    goes: Callable[[], bool],
) -> None:
    """Add all pages. `redis` says what is wrong with it, empty where nothing is.

    `files` are those of others that pages load; `goes`: this process takes leave.
    """
    _add_what_pages_share(app, parts, voice_token_of, frozenset(files))
    _add_public(app, parts)
    _add_staff(app, parts, control)
    _add_operators(app, parts, redis, goes)


def _add_what_pages_share(
    app: Flask, parts: Parts, voice_token_of: MakeToken | None, files: frozenset[str]
) -> None:
    """Sessions, headers, files. The telephone has none of it."""
    settings, store = parts.settings, parts.store
    development = settings.environment == "development"
    setting = pages.Setting(
        settings.public_base_url,
        simulator_origin=f"http://127.0.0.1:{settings.simulator_port}" if development else "",
        voice_sdk=bool(settings.twilio_api_key_sid and settings.twilio_api_key_secret),
        national_number=settings.national_number,
        call_cost=settings.call_cost,
    )
    app.secret_key = settings.secret_key
    pages.register(app, setting)
    error_pages.register(app)
    sign_in = SignIn(store, settings.secret_key, demonstration=development)
    cookies = Cookies(settings.secret_key, https=setting.https)
    staff_only.register(app, sign_in, cookies, hops=settings.proxy_hops)
    app.register_blueprint(
        assets.blueprint(config.VAR / "static", files, OtherVersions(store).find)
    )
    passkeys = Passkeys(store, sign_in, PasskeySite.of(settings.public_base_url))
    app.register_blueprint(sign_in_pages.blueprint(store, sign_in, passkeys, cookies))
    app.register_blueprint(voice_token.blueprint(voice_token_of))


def _add_public(app: Flask, parts: Parts) -> None:
    """Pages for citizens, and what stands before them."""
    settings, store, service = parts.settings, parts.store, parts.service
    near, latest = centres.remembered(store, service), Latest(store)
    https = settings.public_base_url.startswith("https://")
    cookie = WebSessionCookie(settings.secret_key, https=https)
    own = MyCookie(settings.secret_key, https=https)
    folder = Path(settings.feed_folder)
    for blueprint in (
        smart_feed.blueprint(folder, FeedCopy(store, folder)),
        public_pages.blueprint(store, service, latest, contact=settings.security_contact),
        centres.blueprint(store, service, near),
        state.blueprint(store, service, latest),
        services.blueprint(store, service),
        booking.blueprint(booking.BookingPages(store, service, parts.wake_up, cookie, near)),
        my_appointment.blueprint(
            my_appointment.MyAppointmentPages(store, service, parts.wake_up, own, cookie)
        ),
        room_pages.blueprint(),
    ):
        app.register_blueprint(blueprint)


def _add_staff(app: Flask, parts: Parts, control: CallControl) -> None:
    """Pages of agents, supervisors and secretaries."""
    store, service = parts.store, parts.service
    campaigns = service.campaigns
    for blueprint in (
        desk_pages.blueprint(DeskPage(store, service, control, parts.wake_up)),
        person.blueprint(store, campaigns.by_name),
        board.blueprint(store, campaigns, control, service.numbers),
        clusters.blueprint(store, campaigns),
        secretary.blueprint(store, service),
    ):
        app.register_blueprint(blueprint)


def _add_operators(
    app: Flask, parts: Parts, redis: Callable[[], str], goes: Callable[[], bool]
) -> None:
    """Health, measures, recordings; in development the way to the telephone to try."""
    settings = parts.settings
    development = settings.environment == "development"
    measures = Measures(
        parts.store,
        parts.service.campaigns.current,
        settings.prometheus_multiproc_dir,
        lambda: not redis(),
        config.VAR,
    )
    readers = health.MetricsReaders(
        settings.metrics_token, everybody=development, behind_proxy=settings.proxy_hops > 0
    )
    app.register_blueprint(recordings.blueprint())
    app.register_blueprint(
        health.blueprint(
            measures=measures.told,
            readers=readers,
            version=config.version(),
            look=Remembered(checks(make_around(parts, redis))),
            goes=goes,
        )
    )
    if development:
        app.register_blueprint(telephone.blueprint(settings.simulator_port))
