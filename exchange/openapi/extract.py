"""Cut the published schemas down to what the simulator checks requests and documents against.

    python -m exchange.openapi.extract --openapi twilio_api_v2010.json --twiml twiml_schema.json
    python -m exchange.openapi.extract --voice twilio_voice_v1.json

`--openapi` and `--voice` are Twilio's OpenAPI descriptions (github.com/twilio/twilio-oai, MIT; the
second is in the npm package twilio-cli-core, too). `--twiml` lists verbs, attributes and
enumerations as the SDKs name them (twilio-python and twilio-node, MIT); it is rewritten here in the
names that stand in an XML document.
"""

import argparse
import json

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OPENAPI_EXTRACT = HERE / "twilio_api_v2010_extract.json"
VOICE_EXTRACT = HERE / "twilio_voice_v1_extract.json"
TWIML_EXTRACT = HERE.parent / "twiml_schema.json"

ACCOUNT = "/2010-04-01/Accounts/{AccountSid}"
KEPT_OPERATIONS = {
    f"{ACCOUNT}/Messages.json": ("post", "get"),
    f"{ACCOUNT}/Messages/{{Sid}}.json": ("get", "delete"),
    f"{ACCOUNT}/Calls.json": ("post", "get"),
    f"{ACCOUNT}/Calls/{{Sid}}.json": ("get", "post", "delete"),
    f"{ACCOUNT}/Queues.json": ("post", "get"),
    f"{ACCOUNT}/Queues/{{Sid}}.json": ("get", "post", "delete"),
    f"{ACCOUNT}/Queues/{{QueueSid}}/Members.json": ("get",),
    f"{ACCOUNT}/Queues/{{QueueSid}}/Members/{{CallSid}}.json": ("get", "post"),
    f"{ACCOUNT}/Conferences.json": ("get",),
    f"{ACCOUNT}/Conferences/{{Sid}}.json": ("get", "post"),
    f"{ACCOUNT}/Conferences/{{ConferenceSid}}/Participants.json": ("post", "get"),
    f"{ACCOUNT}/Conferences/{{ConferenceSid}}/Participants/{{CallSid}}.json": (
        "get",
        "post",
        "delete",
    ),
    "/2010-04-01/Accounts/{Sid}.json": ("get",),
    f"{ACCOUNT}/Balance.json": ("get",),
    f"{ACCOUNT}/IncomingPhoneNumbers.json": ("get",),
    f"{ACCOUNT}/IncomingPhoneNumbers/{{Sid}}.json": ("get", "post"),
    f"{ACCOUNT}/OutgoingCallerIds.json": ("get",),
}
KEPT_OF_VOICE = {"/v1/DialingPermissions/Countries/{IsoCode}": ("get",)}
DROPPED_KEYS = {"description", "summary", "tags", "examples", "example", "x-twilio", "headers"}

# In the SDKs the text of an element is a parameter like any other; in XML it is no attribute.
TEXT_PARAMETERS = {
    "Say": "message",
    "Play": "url",
    "Enqueue": "name",
    "Dial": "number",
    "Sip": "sipUrl",
    "Uri": "sipUrl",
    "Client": "identity",
}
RENAMED_ATTRIBUTES = {"interpretAs": "interpret-as", "xmlLang": "xml:lang"}
KEPT_ENUMS = (
    "GatherInput",
    "GatherLanguage",
    "RejectReason",
    "SayLanguage",
    "SayVoice",
    "SsmlBreakStrength",
    "SsmlEmphasisLevel",
    "SsmlLangXmlLang",
    "SsmlPhonemeAlphabet",
    "SsmlSayAsInterpretAs",
)


def extract_openapi(
    source: dict[str, Any],
    kept: Mapping[str, Sequence[str]] = KEPT_OPERATIONS,
    title: str = "Api (extract: Messages, Calls, Queues, Conferences, the account)",
) -> dict[str, Any]:
    """Return the kept operations of `source` with the schemas they refer to."""
    paths: dict[str, Any] = {
        path: {method: _pruned(source["paths"][path][method]) for method in methods}
        for path, methods in kept.items()
    }
    schemas: dict[str, Any] = {}
    wanted = _references(paths)
    while wanted:
        name = wanted.pop()
        if name not in schemas:
            schemas[name] = _pruned(source["components"]["schemas"][name])
            wanted |= _references(schemas[name])
    return {
        "openapi": source["openapi"],
        "info": {
            "title": f"Twilio - {title}",
            "version": source["info"]["version"],
            "description": "Made by extract.py from twilio/twilio-oai; MIT, see LICENSE.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": source["components"]["securitySchemes"],
            "schemas": dict(sorted(schemas.items())),
        },
    }


def extract_twiml(source: dict[str, Any]) -> dict[str, Any]:
    """Return the voice verbs of `source` in XML names: attributes, children, text or not."""
    elements: dict[str, dict[str, Any]] = {
        "Response": {"attributes": [], "children": [], "text": False},
    }
    for parent, description in source["voice"].items():
        for name, details in description["children"].items():
            attributes = set(details["attributes"])
            text_parameters = {TEXT_PARAMETERS.get(name), "words"} & attributes
            kept = sorted(RENAMED_ATTRIBUTES.get(a, a) for a in attributes - text_parameters)
            elements[name] = {
                "attributes": kept,
                "children": [],
                "text": details["text"] or bool(text_parameters),
            }
        elements.setdefault(parent, {"attributes": [], "children": [], "text": False})
    for parent, description in source["voice"].items():
        elements[parent]["children"] = sorted(description["children"])
    return {
        "source": source["source"],
        "licence": "MIT, see openapi/LICENSE; rewritten in XML names by openapi/extract.py",
        "elements": dict(sorted(elements.items())),
        "enums": {name: sorted(source["enums"][name]) for name in KEPT_ENUMS},
    }


def _pruned(node: Any) -> Any:
    """Drop prose and examples, but never a parameter that happens to bear such a name."""
    if isinstance(node, list):
        return [_pruned(item) for item in node]
    if not isinstance(node, dict):
        return node
    pruned = {}
    for key, value in node.items():
        if key == "properties":
            pruned[key] = {name: _pruned(schema) for name, schema in value.items()}
        elif key == "responses":
            pruned[key] = {
                status: {"description": response["description"], **_pruned(response)}
                for status, response in value.items()
            }
        elif key not in DROPPED_KEYS:
            pruned[key] = _pruned(value)
    return pruned


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*(_references(item) for item in node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*(_references(value) for value in node.values()))
    if "$ref" in node:
        found.add(node["$ref"].rsplit("/", 1)[1])
    return found


def main() -> None:
    """Write the extracts of what is given beside this file."""
    parser = argparse.ArgumentParser(description="Make the extracts of Twilio's schemas.")
    parser.add_argument("--openapi", type=Path, help="twilio_api_v2010.json")
    parser.add_argument("--voice", type=Path, help="twilio_voice_v1.json")
    parser.add_argument("--twiml", type=Path, help="twiml_schema.json")
    arguments = parser.parse_args()
    if arguments.openapi:
        openapi = extract_openapi(json.loads(arguments.openapi.read_text("utf-8")))
        _write(OPENAPI_EXTRACT, json.dumps(openapi, indent=1, ensure_ascii=False))
    if arguments.voice:
        source = json.loads(arguments.voice.read_text("utf-8"))
        voice = extract_openapi(source, KEPT_OF_VOICE, "Voice (extract: DialingPermissions)")
        _write(VOICE_EXTRACT, json.dumps(voice, indent=1, ensure_ascii=False))
    if arguments.twiml:
        twiml = extract_twiml(json.loads(arguments.twiml.read_text("utf-8")))
        _write(TWIML_EXTRACT, json.dumps(twiml, ensure_ascii=False))


def _write(file: Path, text: str) -> None:
    file.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
