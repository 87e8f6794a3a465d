"""The composition root: the only module that knows every part, and puts them together."""

from __future__ import annotations

import config  # (first: it says where counters are not kept)

# isort: split
import gc
import sys

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import structlog

from flask import Flask
from flask.cli import AppGroup, FlaskGroup
from sqlalchemy import Engine, event

import commands.assets
import ivr.routes
import web.admission.gate
import web.marks
import web.operations.assets
import web.operations.metrics
import web.operations.spans
import web.pages
import web.public.unanswered
import web.routes

from app.parts import make_parts
from ivr.provider import make_control, make_voice_token
from jobs.queues import redis_problem
from models.database import Database, NotDurable
from prompts.catalogue import COUNTRY_LANGUAGE
from services import logs
from services.accounts.staff import demonstration_accounts
from services.admission.load_shedder import LoadShedder
from services.agents.call_back import CallBack
from services.campaign.campaign import BadCampaign
from services.delivery import make_call_back
from services.health.watch_processes import KINDS as PROCESSES
from services.keys.check_keys import WrongKeys
from services.numbers.numbers import BadNumbers
from services.parts import Parts, let_go_of_connections, refuse_wrong_keys
from services.public.store_answers import StoreAnswers
from services.store import Store
from services.vocabulary import vocabulary
from web_server import Draining, WholeRequests

# Commands that make the store or its role, or tell in their own words how it is.
TELL_IT_THEMSELVES = frozenset({"migrate", "db", "setup", "doctor"})

log = structlog.get_logger()


class LateCommands(AppGroup):
    """What `flask` offers, put together when an operator asks: a web worker never does."""

    def __init__(self, add: Callable[[AppGroup], None]) -> None:
        super().__init__()
        self._add = add
        self._is_complete = False

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        self._complete()
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._complete()
        return super().list_commands(ctx)

    def _complete(self) -> None:
        if not self._is_complete:
            self._is_complete = True
            self._add(self)


class Application(Flask):
    """Flask, which would ask of each function, a dozen times an answer, whether it is a coroutine.

    None is.
    """

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def make_app(parts: Parts) -> Flask:
    """The web application and the commands, from these parts."""
    settings, store = parts.settings, parts.store
    load_shedder = LoadShedder(settings.web_threads, queue=settings.web_queue)
    draining = Draining(settings.drain_seconds or 0.0)
    app = Application("allo", static_folder=None, template_folder=str(web.routes.TEMPLATES))
    if settings.otel_exporter_otlp_endpoint:
        web.operations.spans.register_first(app)
    ivr.routes.guard(app, settings)
    if settings.otel_exporter_otlp_endpoint:
        web.operations.spans.register_signed(app)
    control = parts.control or make_control(settings)
    redis = partial(redis_problem, settings.redis_url)
    web.routes.register(
        app,
        parts,
        control,
        redis,
        make_voice_token(settings),
        commands.assets.FILES,
        goes=lambda: draining.has_begun,
    )
    # Read now, and not while the first caller who speaks is waiting. The words of another language
    # are read for the first caller who chooses it: a twentieth of a second, and three megabytes.
    vocabulary(COUNTRY_LANGUAGE)
    call_back = make_call_back(settings, parts.service, parts.wake_up)
    ivr.routes.register(app, parts, call_back, load_shedder.refuses_call)
    unmarked = web.marks.undeclared(app)
    if unmarked:
        raise RuntimeError(f"routes that do not say whom they are for: {', '.join(unmarked)}")
    app.cli = LateCommands(partial(_add_commands, parts, call_back))
    web.operations.metrics.register(app)
    answers = StoreAnswers(store.database)
    web.public.unanswered.register(app, answers)
    # It lets everything pass until `begin`, which `create_app` calls for a server's workers.
    gate = web.admission.gate.Gate(app.wsgi_app, parts, load_shedder, answers)
    app.wsgi_app = gate  # type: ignore[method-assign]
    app.extensions["allo_gate"] = gate
    app.extensions["allo_draining"] = draining
    return app


def prepare_workers() -> None:
    """Read what workers have alike, before there are any (web_server.py).

    A campaign with words of its own has another vocabulary, and calendars and units in common with
    this one. No thread and no connection may come of it: workers are copies of this process.
    """
    vocabulary(COUNTRY_LANGUAGE)


def create_server() -> WholeRequests:
    """What a server's worker drives: the application behind its gate, each request read whole."""
    server = served_whole(create_app())
    # All that is there now stays until the worker ends: looking through it for garbage, again and
    # again, took a fifth of a request's time.
    gc.collect()
    gc.freeze()
    return server


def served_whole(app: Flask) -> WholeRequests:
    """The application as `create_server` gives it to a server's worker."""
    gate: web.admission.gate.Gate = app.extensions["allo_gate"]
    return WholeRequests(
        app.wsgi_app,
        gate.load_shedder.all_threads,
        gate.at_once,
        steps=gate.load_shedder.threads,
        draining=app.extensions["allo_draining"],
        number=gate.number,
        begins=gate.start,
        under_way=gate.load_shedder.under_way,
    )


def create_app() -> Flask:
    """For the server and for `flask`: settings from the environment, one sentence if they fail."""
    try:
        settings = config.load()
        logs.configure(settings.log_level)
        if _is_command() and settings.own_database():
            _start_postgres_when_asked(settings.own_database())
        parts = make_parts(settings)
        _begin_traces(settings, parts.store)
        if settings.environment == "production":
            look_at_store(parts.store.database, _command())
        if not _is_command():
            refuse_wrong_keys(parts.store)
            if settings.environment == "production":
                _refuse_known_passwords(parts.store)
        return _served(make_app(parts))
    except (config.BadSettings, BadCampaign, BadNumbers, NotDurable, WrongKeys) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def look_at_store(database: Database, command: str) -> None:
    """Write into the log where it does not answer; `command`: the word after `flask`, if any.

    Callers are spoken to without it, and each connection is looked at when it is made. Raises
    NotDurable.
    """
    if not database.answers_durably() and command not in TELL_IT_THEMSELVES:
        log.warning("the store does not answer")


def _start_postgres_when_asked(database: str) -> None:
    """Start the PostgreSQL that comes with the service once this command connects to it."""
    from tools.launcher.errors import CannotStart  # noqa: PLC0415 (no part of a web worker)
    from tools.launcher.postgres_server import OwnPostgres  # noqa: PLC0415

    postgres = OwnPostgres()

    def before_connecting(
        _dialect: Any, _record: Any, _words: Any, options: dict[str, Any]
    ) -> None:
        if options.get("host") == str(postgres.sockets):
            try:
                postgres.ensure(database)
            except CannotStart as problem:
                raise click.ClickException(str(problem)) from None

    event.listen(Engine, "do_connect", before_connecting)


def _begin_traces(settings: config.Settings, store: Store) -> None:
    """In the processes of the service alone: a command need not wait for a collector at its end.

    Raises config.BadSettings.
    """
    part = _command() if _is_command() else "web"
    if settings.otel_exporter_otlp_endpoint and part in PROCESSES:
        import app.tracing  # noqa: PLC0415 (with the library: megabytes that few want)

        app.tracing.begin(settings.otel_exporter_otlp_endpoint, part, store.database)


def _served(app: Flask) -> Flask:
    """With its gate shut, where a server runs it and no command."""
    if not _is_command():
        app.extensions["allo_gate"].begin()
    return app


def _is_command() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.find_root().command, FlaskGroup)


def _command() -> str:
    """The word after `flask`; empty for a web server."""
    return next(iter(sys.argv[1:]), "") if _is_command() else ""


def _refuse_known_passwords(store: Store) -> None:
    """Raises config.BadSettings. Commands go on, for one of them is the remedy."""
    try:
        known = demonstration_accounts(store)
    except Exception as error:  # noqa: BLE001 (no user can sign in there either)
        log.warning("accounts not looked at", error=type(error).__name__)
        return
    finally:
        let_go_of_connections(store)
    if known:
        raise config.BadSettings(
            f"ENVIRONMENT is production and everybody knows the password of {', '.join(known)}:"
            f" flask staff disable {known[0]}"
        )


def _add_commands(parts: Parts, call_back: CallBack, group: AppGroup) -> None:
    # No part of a web worker.
    from commands.register import add_commands  # noqa: PLC0415
    from tools.launcher.postgres_keeper import program  # noqa: PLC0415

    def page_files() -> Mapping[str, Path]:
        names = frozenset(commands.assets.FILES)
        return web.operations.assets.files(config.VAR / "static", names)

    def own_programs() -> str:
        return str(Path(program("pg_dump")).parent) if parts.settings.own_database() else ""

    add_commands(group, parts, call_back, page_files, own_programs)
