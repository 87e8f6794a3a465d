"""OpenTelemetry behind `services.tracing`: loaded only where an operator names a collector.

The kept library does the work; `requirements/tracing.txt` installs it. What its own variables say
(OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS …) it reads itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import config

from models.database import Database
from services import tracing
from services.tracing import Attributes

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

# The standard's path of an endpoint for all kinds of signals.
_PATH: Final = "/v1/traces"


class OpenTelemetry:
    """`services.tracing.Tracer` by the kept library."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace  # noqa: PLC0415 (where it is wanted alone)

        self._trace = trace
        self._tracer = provider.get_tracer("allo-rendez-vous")

    @contextmanager
    def span(self, name: str, attributes: Attributes) -> Iterator[None]:
        """A span that knows of an error only its kind: the text may be personal."""
        with self._tracer.start_as_current_span(
            name,
            attributes=dict(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as open_span:
            try:
                yield
            except BaseException as error:
                kind = type(error).__name__
                open_span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, kind))
                open_span.set_attribute("error.type", kind)
                raise

    def add(self, attributes: Attributes) -> None:
        self._trace.get_current_span().set_attributes(dict(attributes))


def begin(endpoint: str, part: str, database: Database) -> None:
    """Send spans of this process to the collector at `endpoint` from now on.

    `part` says which process it is. Raises config.BadSettings where the library is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise config.BadSettings(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set and OpenTelemetry is not installed: pip install"
            " --require-hashes -r requirements/tracing.txt, or leave the setting empty"
        ) from None
    resource = Resource.create({"service.name": "allo-rendez-vous", "service.instance.part": part})
    provider = TracerProvider(resource=resource)
    exporter: Any = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + _PATH)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    use(provider, database)


def use(provider: TracerProvider, database: Database) -> None:
    """Trace with this provider, the statements of `database` among the rest."""
    tracing.begin(OpenTelemetry(provider))
    database.around_statements(lambda name: tracing.span(name, db_system="postgresql"))
