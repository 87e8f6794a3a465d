"""Traces: a call's id on each span of it, names of ours, and nobody's number, words or values."""

from __future__ import annotations

import sys

from collections.abc import Iterator
from typing import Any

import pytest

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text

import app.tracing
import app.web
import config

from jobs import timed
from jobs.timed import Task
from models.database import statement_name
from services import tracing
from tests.support.house import MOBILE, House, mornings
from tests.support.leaks import leaks, ways_to_write
from tests.support.office import Office, Provider

COLLECTOR = "http://127.0.0.1:4318"


class Collector:
    """What a collector would get."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, beginning: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name.startswith(beginning)]

    def attributes(self, span: ReadableSpan) -> dict[str, Any]:
        return dict(span.attributes or {})

    def text(self) -> str:
        return "\n".join(span.to_json() for span in self.spans)


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    tracing.end()
    made.provider.shutdown()


@pytest.fixture
def traced(service: House, collector: Collector) -> House:
    told = {"otel_exporter_otlp_endpoint": COLLECTOR}
    service.settings = service.settings.model_copy(update=told)
    app.tracing.use(collector.provider, service.database)
    service.opens_centre("1", starts=mornings(40), capacity=2)
    collector.exporter.clear()
    return service


def test_each_span_of_a_call_has_its_id_and_none_has_anything_of_a_person(
    traced: House, collector: Collector
):
    caller = traced.phone(MOBILE).books()
    (booked,) = traced.bookings()
    turns = collector.named("POST /voice")
    assert len(turns) > 4
    assert {collector.attributes(span)["call.id"] for span in turns} == {caller.sid}
    of_turns = {span.context.span_id for span in turns if span.context}
    statements = [
        span for span in collector.spans if span.parent and span.parent.span_id in of_turns
    ]
    assert {collector.attributes(span)["call.id"] for span in statements} == {caller.sid}
    names = {span.name for span in statements}
    assert "INSERT turn" in names
    assert not [name for name in names if any(letter.isdigit() for letter in name)]
    secrets = [*ways_to_write(MOBILE), "12031942", "1942-03-12", "75011", booked.reference]
    assert leaks(collector.text().encode(), secrets) == []
    assert collector.attributes(turns[0])["http.status"] == 200
    assert collector.attributes(turns[0])["http.route"] == "/voice/incoming"


def test_a_forged_call_has_no_id(traced: House, collector: Collector):
    form = {"CallSid": "+33612345678"}
    assert traced.app.test_client().post("/voice/incoming", data=form).status_code == 403
    (span,) = collector.spans
    assert "call.id" not in collector.attributes(span)
    assert "+336" not in collector.text()


def test_the_address_of_a_page_is_in_none(traced: House, collector: Collector):
    client = traced.app.test_client()
    client.get("/r/Xy4Zsecret?code=4521")
    client.get("/no-such-page-of-75011")
    names = [span.name for span in collector.spans if span.name.startswith("GET")]
    links = {rule.rule for rule in traced.app.url_map.iter_rules() if rule.rule.startswith("/r/<")}
    assert names[0].removeprefix("GET ") in links
    assert names[1] == "GET no route"
    assert leaks(collector.text().encode(), ["Xy4Zsecret", "4521", "75011"]) == []


def test_a_text_is_a_span_of_the_call_that_it_is_for(
    office: Office, provider: Provider, collector: Collector
):
    app.tracing.use(collector.provider, office.house.database)
    message_id = office.writes(body="Votre rendez-vous : mardi à 9 h 20.")
    assert office.delivers(message_id) == "sent"
    (span,) = collector.named("deliver")
    assert collector.attributes(span)["message.id"] == message_id
    assert [one.parent.span_id for one in collector.named("provider text") if one.parent] == [
        span.context.span_id
    ]
    assert leaks(collector.text().encode(), [*ways_to_write(MOBILE), "mardi"]) == []


def test_of_an_error_only_its_kind_is_told(traced: House, collector: Collector):
    def fails() -> int:
        with traced.database.statement() as connection:
            connection.execute(text("SELECT 'Madame Martin' FROM no_such_table"))
        return 0

    timed.run_once(Task("broken", 1, fails))
    (statement,) = collector.named("SELECT no_such_table")
    (task,) = collector.named("task broken")
    for span in (statement, task):
        assert not span.status.is_ok
        assert "Martin" not in span.to_json()
    assert collector.attributes(task)["error.type"] in {"OperationalError", "ProgrammingError"}
    # What comes after it is no part of it.
    collector.exporter.clear()
    traced.database.ping()
    (ping,) = collector.spans
    assert (ping.name, ping.parent, ping.status.is_ok) == ("SELECT", None, True)


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT turn.n FROM turn WHERE turn.call_id = %(id)s", "SELECT turn"),
        ('INSERT INTO "message" (id) VALUES (?)', "INSERT message"),
        ("UPDATE place SET held = ? WHERE id IN (SELECT id FROM slot)", "UPDATE place, slot"),
        ("WITH one AS (SELECT 1) SELECT * FROM a JOIN b ON x JOIN c ON y JOIN d", "WITH a, b, c"),
        ("SELECT 1", "SELECT"),
        ("  ", ""),
    ],
)
def test_a_statement_is_named_by_its_verb_and_tables(sql: str, name: str):
    assert statement_name(sql) == name


def test_off_is_nothing(service: House):
    assert tracing.span("a") is tracing.span("b")
    with tracing.of_call("CA1"), tracing.span("a"):
        tracing.add(http_status=200)
    assert not service.database.engine.dispatch.before_cursor_execute


def test_without_the_library_the_setting_is_refused_with_what_to_do(
    service: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    told = service.settings.model_copy(update={"otel_exporter_otlp_endpoint": COLLECTOR})
    with pytest.raises(config.BadSettings, match=r"requirements/tracing\.txt"):
        app.web._begin_traces(told, service.store)
