"""Requests checked against Twilio's OpenAPI description (the extract in `openapi/`)."""

import json

from functools import cache
from pathlib import Path
from typing import Any

from flask import Request
from openapi_core import Config, OpenAPI
from openapi_core.contrib.flask import FlaskOpenAPIRequest

_FOLDER = Path(__file__).resolve().parents[1] / "openapi"
EXTRACT = _FOLDER / "twilio_api_v2010_extract.json"
VOICE_EXTRACT = _FOLDER / "twilio_voice_v1_extract.json"
FORM = "application/x-www-form-urlencoded"


class Contract:
    """Twilio's description of the operations the simulator answers."""

    def __init__(self) -> None:
        self._paths, self._openapi = _description()

    def violation(self, request: Request) -> str | None:
        """Return what is wrong with the request in one sentence, or None.

        Twilio ignores parameters it does not know; here they are refused, because in a test an
        unknown parameter is a misspelt one.
        """
        # Read before the form is parsed, or the library would find the body used up.
        request.get_data(cache=True)
        checked = FlaskOpenAPIRequest(request)
        operation = self._paths[checked.path_pattern][request.method.lower()]
        query = {item["name"] for item in operation["parameters"] if item["in"] == "query"}
        form: dict[str, Any] = {}
        if request.method == "POST":
            if request.mimetype != FORM:
                return f"Content type {request.mimetype or 'none'} is not {FORM}"
            form = operation["requestBody"]["content"][FORM]["schema"]["properties"]
        unknown = sorted((set(request.args) - query) | (set(request.form) - set(form)))
        if unknown:
            return f"Unknown parameter {unknown[0]}"
        repeated = [
            name
            for name in request.form
            if len(request.form.getlist(name)) > 1 and form[name].get("type") != "array"
        ]
        if repeated:
            return f"Parameter {repeated[0]} given more than once"
        error = next(iter(self._openapi.iter_request_errors(checked)), None)
        return None if error is None else _sentence(error)


@cache
def _description() -> tuple[dict[str, Any], OpenAPI]:
    """Return the paths, and the library's view of them; it takes a while to make."""
    description, voice = (json.loads(file.read_text("utf-8")) for file in (EXTRACT, VOICE_EXTRACT))
    description["paths"] |= voice["paths"]
    description["components"]["schemas"] |= voice["components"]["schemas"]
    # Twilio's own host stands in the description; here every host is the right one.
    for operations in description["paths"].values():
        operations["servers"] = [{"url": "/"}]
    # Dates have several forms and an answer of their own; see `paths.read_instant`.
    config = Config(extra_format_validators={"date-time": lambda _: True, "date": lambda _: True})
    return description["paths"], OpenAPI.from_dict(description, config=config)


def _sentence(error: Exception) -> str:
    """Say what the library found, going down to the cause that names the parameter."""
    causes: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        errors = getattr(cause, "schema_errors", None)
        if errors:
            first = next(iter(errors))
            where = ".".join(str(part) for part in first.path)
            causes.append(f"{where}: {first.message}" if where else first.message)
        else:
            causes.append(str(cause))
        cause = cause.__cause__
    return "; ".join(causes)
