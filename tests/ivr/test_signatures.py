"""Only the provider drives the telephone: whatever is not signed by it, or mangled, is refused.

Refused means 403: never 200, for somebody else would drive the call, and never 500, for whoever
wants to look for weak places would learn where they are.
"""

from __future__ import annotations

import json

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from flask import Blueprint, Flask, Request
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from ivr import sms, voice
from ivr.signature import MOST_BYTES, PREFIXES, NotSigned, SignatureCheck
from tests.ivr.line import read
from tests.ivr.webhooks import CALL, Webhook, genuine
from tests.support.house import ACCOUNT, BASE, House
from tests.support.postgres import NOWHERE

OLD_TOKEN = "the-token-before-the-last-rotation"
FORBIDDEN = 403

Bend = Callable[[Webhook], Webhook]


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    """An application without a store: what is refused is refused without one."""
    house = House(NOWHERE)
    yield house.app
    house.close()


def telephone_paths(app: Flask) -> list[str]:
    """Every path below the prefixes, as the application itself knows them."""
    return sorted({r.rule for r in app.url_map.iter_rules() if r.rule.startswith(PREFIXES)})


# ---------------------------------------------------------------- what is refused


def resplit(name: str) -> Bend:
    """Move the first letter of a value to the end of its name: the signature stays the same."""

    def bend(webhook: Webhook) -> Webhook:
        value = dict(webhook.fields)[name]
        moved = webhook.with_fields(**{name: None}).fields
        return replace(webhook.signed(), fields=(*moved, (name + value[:1], value[1:])))

    return bend


def shortened(name: str) -> Bend:
    """Move the last letter of a name to the front of its value: the signature stays the same."""

    def bend(webhook: Webhook) -> Webhook:
        value = dict(webhook.fields)[name]
        moved = webhook.with_fields(**{name: None}).fields
        return replace(webhook.signed(), fields=(*moved, (name[:-1], name[-1] + value)))

    return bend


def identified(value: str) -> Bend:
    """Correctly signed, with another id of the call or of the message."""
    return lambda hook: hook.with_fields(**{_id_name(hook): value}).signed()


def _id_name(hook: Webhook) -> str:
    return "MessageSid" if hook.path.startswith("/sms") else "CallSid"


def _id(hook: Webhook) -> str:
    return dict(hook.fields)[_id_name(hook)]


def repeated(hook: Webhook, name: str, value: str) -> Webhook:
    return replace(hook, fields=(*hook.fields, (name, value))).signed()


def as_json(hook: Webhook) -> Webhook:
    return replace(
        hook, body=json.dumps(dict(hook.fields)).encode(), content_type="application/json"
    )


def in_parts(hook: Webhook) -> Webhook:
    lines = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in hook.fields
    ]
    body = ("".join(lines) + "--b--\r\n").encode()
    return replace(hook, body=body, content_type="multipart/form-data; boundary=b")


def port(number: int) -> Bend:
    return lambda hook: hook.signed(url=hook.url.replace(BASE, f"{BASE}:{number}"))


def header(value: str) -> Bend:
    return lambda hook: replace(hook, signature=value)


def environ(**changed: str) -> Bend:
    return lambda hook: replace(hook, environ=tuple(changed.items()))


def body(raw: bytes) -> Bend:
    """These bytes, with a signature that is right for the fields that should have been there."""
    return lambda hook: replace(hook.signed(), body=raw)


REFUSED: dict[str, Bend] = {
    # Not signed
    "no header": lambda hook: hook,
    "an empty header": header(""),
    "a header of blanks": header("   "),
    "a header that is no base64": header("!!!"),
    "a header with letters beyond ASCII": header("sïgnature-é"),
    "a header with an emoji's bytes": header("\xf0\x9f\x98\x9c" * 7),
    "a very long header": header("A" * 60_000),
    "a NUL in the header": header("\x00" * 28),
    # Signed wrong
    "another token": lambda hook: hook.signed(token="another-token"),
    "an empty token": lambda hook: hook.signed(token=""),
    "the account for a token": lambda hook: hook.signed(token=ACCOUNT),
    "another path": lambda hook: hook.signed(url=f"{BASE}/voice/elsewhere"),
    "another host": lambda hook: hook.signed(url=hook.url.replace(BASE, "https://evil.example")),
    "http for https": lambda hook: hook.signed(url=hook.url.replace("https:", "http:")),
    "a port that is not the default": port(8443),
    "the default port of http": port(80),
    "a slash at the end": lambda hook: hook.signed(url=hook.url + "/"),
    "a user in the address": lambda hook: hook.signed(url=hook.url.replace("//", "//x:y@")),
    "the signature of another query": lambda hook: hook.signed(url=f"{BASE}{hook.path}?n=2"),
    "a query that was not signed": lambda hook: replace(hook.signed(), query="n=1"),
    "an empty field that was not signed for": lambda hook: replace(
        hook.signed(), fields=(*hook.fields, ("Added", ""))
    ),
    "the signature of no fields": lambda hook: hook.signed(fields=()),
    # Changed after signing
    "a changed value": lambda hook: hook.signed().with_fields(From="+33600000000"),
    "a changed id": lambda hook: hook.signed().with_fields(
        **{_id_name(hook): _id(hook)[:-1] + "f"}
    ),
    "an added field": lambda hook: hook.signed().with_fields(Added="1"),
    "a removed field": lambda hook: hook.signed().with_fields(AccountSid=None),
    "values in capitals": lambda hook: hook.signed().with_fields(AccountSid=ACCOUNT.lower()),
    "a blank after a value": lambda hook: hook.signed().with_fields(AccountSid=f"{ACCOUNT} "),
    "the account, split elsewhere": resplit("AccountSid"),
    "the account's name, split elsewhere": shortened("AccountSid"),
    "the id, split elsewhere": lambda hook: resplit(_id_name(hook))(hook),
    "the id's name, split elsewhere": lambda hook: shortened(_id_name(hook))(hook),
    # Not a form
    "JSON, signed for the address alone": lambda hook: as_json(hook).signed(fields=()),
    "JSON, signed for the fields": lambda hook: as_json(hook).signed(),
    "JSON with the hash of a body": lambda hook: replace(
        as_json(hook), query="bodySHA256=" + "0" * 64
    ).signed(fields=()),
    "a form that calls itself JSON": lambda hook: replace(
        hook.signed(), content_type="application/json"
    ),
    "a form that calls itself text": lambda hook: replace(hook.signed(), content_type="text/plain"),
    "a form without a type": lambda hook: replace(hook.signed(), content_type=""),
    "a form in parts": lambda hook: in_parts(hook).signed(),
    "no body, signed so": lambda hook: replace(hook, fields=()).signed(),
    # Signed correctly, and yet not from our provider
    "the account twice": lambda hook: repeated(hook, "AccountSid", "AC" + "f" * 32),
    "the id twice": lambda hook: repeated(hook, _id_name(hook), _id(hook)[:-1] + "f"),
    "the same value twice": lambda hook: repeated(hook, "AccountSid", ACCOUNT),
    "a query twice": lambda hook: replace(hook, query="n=1&n=2").signed(),
    "the same query twice": lambda hook: replace(hook, query="n=1&n=1").signed(),
    "another account": lambda hook: hook.with_fields(AccountSid="AC" + "f" * 32).signed(),
    "no account": lambda hook: hook.with_fields(AccountSid=None).signed(),
    "an empty account": lambda hook: hook.with_fields(AccountSid="").signed(),
    "no id": lambda hook: hook.with_fields(**{_id_name(hook): None}).signed(),
    "an empty id": identified(""),
    "an id too short": lambda hook: identified(_id(hook)[:-1])(hook),
    "an id too long": lambda hook: identified(_id(hook) + "0")(hook),
    "an id in capitals": lambda hook: identified(_id(hook)[:2] + "A" * 32)(hook),
    "an id of another kind": identified("XX" + "1" * 32),
    "an id with a line after it": lambda hook: identified(_id(hook) + "\n")(hook),
    "an id of digits beyond ASCII": lambda hook: identified(_id(hook)[:2] + "١" * 32)(hook),
    "an id that is a statement": identified("CA' OR 1=1 --"),
    # Mangled
    "a body beyond all measure": lambda hook: hook.with_fields(X="x" * MOST_BYTES).signed(),
    "a body that is no UTF-8": body(b"CallSid=\xff\xfe&AccountSid=\xc3"),
    "broken percent signs": body(b"CallSid=%&AccountSid=%zz&%=%%%1"),
    "half a surrogate": body(b"CallSid=%ED%A0%80&From=%F0%9F"),
    "bytes of nothing": body(b"\x00" * 64),
    "a body of ampersands": body(b"&" * 1000),
    "a thousand fields": body("&".join(f"a{n}=1" for n in range(1000)).encode()),
    "a strange length": lambda hook: replace(hook.signed(), environ=(("CONTENT_LENGTH", "a lot"),)),
    "a negative length": lambda hook: replace(hook.signed(), environ=(("CONTENT_LENGTH", "-1"),)),
    "a length beyond all measure": lambda hook: replace(
        hook.signed(), environ=(("CONTENT_LENGTH", str(10**12)),)
    ),
    "a host with an impossible port": environ(HTTP_HOST="x:99999"),
    "a host that is none": environ(HTTP_HOST="@@@/..:/"),
    "an empty host": environ(HTTP_HOST=""),
    # What a proxy might be made to pass on changes nothing.
    "somebody else's address, forwarded": lambda hook: replace(
        hook.signed(url=f"https://evil.example{hook.path}"),
        environ=(("HTTP_X_FORWARDED_HOST", "evil.example"), ("HTTP_HOST", "evil.example")),
    ),
    "another path, forwarded": lambda hook: replace(
        hook.signed(url=f"{BASE}/voice/other"),
        environ=(("HTTP_X_ORIGINAL_URL", "/voice/other"), ("REQUEST_URI", "/voice/other")),
    ),
    "another method in a header": lambda hook: replace(
        hook, environ=(("HTTP_X_HTTP_METHOD_OVERRIDE", "POST"),), method="GET"
    ),
}


def test_there_are_telephone_routes_to_speak_of(app: Flask):
    contract = {
        "/voice/incoming",
        "/voice/fallback",
        "/voice/status",
        "/sms/incoming",
        "/sms/status",
    }
    assert contract <= {*telephone_paths(app)}
    # The addresses are signed as they are written: nothing in a path may vary.
    assert not any("<" in path for path in telephone_paths(app))


def test_no_route_of_the_telephone_lies_where_the_check_does_not_look(app: Flask):
    for rule in app.url_map.iter_rules():
        module = app.view_functions[rule.endpoint].__module__
        if module in {voice.__name__, sms.__name__} or module.startswith("ivr"):
            assert rule.rule.startswith(PREFIXES), rule


def test_a_route_added_tomorrow_is_behind_the_check():
    house = House(NOWHERE)
    tomorrow = Blueprint("tomorrow", __name__)
    # Without a line about signatures in it.
    tomorrow.add_url_rule("/voice/tomorrow", "voice", lambda: "open", methods=["GET", "POST"])
    tomorrow.add_url_rule("/sms/tomorrow", "sms", lambda: "open", methods=["GET", "POST"])
    house.app.register_blueprint(tomorrow)
    for path in ("/voice/tomorrow", "/sms/tomorrow"):
        assert genuine(path).send(house.app).status_code == FORBIDDEN
        assert replace(genuine(path), method="GET").send(house.app).status_code == FORBIDDEN
        assert genuine(path).signed().send(house.app).data == b"open"
    house.close()


@pytest.mark.parametrize("kind", REFUSED)
def test_every_route_refuses(app: Flask, kind: str):
    for path in telephone_paths(app):
        answer = REFUSED[kind](genuine(path)).send(app)
        assert answer.status_code == FORBIDDEN, (path, answer.status_code)
        # Nothing about why: the reason is for our counters.
        assert answer.data == b"Forbidden\n"


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "PUT", "OPTIONS", "DELETE", "PATCH", "TRACE", "X"]
)
def test_every_route_refuses_other_methods_without_a_signature(app: Flask, method: str):
    for path in telephone_paths(app):
        answer = replace(genuine(path), method=method).send(app)
        assert answer.status_code == FORBIDDEN, (path, answer.status_code)


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_a_signed_request_of_another_method_does_not_reach_a_route(app: Flask, method: str):
    for path in telephone_paths(app):
        answer = replace(genuine(path).signed(), method=method).send(app)
        assert answer.status_code in {403, 405} or (method == "OPTIONS" and not answer.data)


@pytest.mark.parametrize(
    "path",
    [
        *("/voice", "/voice/", "/voice/nowhere", "/voice/incoming/", "/voice/turn/1"),
        *("/voice/../healthz", "/voice/%2e%2e/healthz", "/voice/é", "/voice/\x00", "/voicemail"),
        *("/sms", "/sms/", "/sms/nowhere", "/sms/status/x", "/sms.php"),
    ],
)
def test_unknown_paths_below_the_prefixes_are_refused_before_they_are_looked_up(
    app: Flask, path: str
):
    for method in ("POST", "GET"):
        answer = replace(genuine(path), method=method).send(app)
        assert answer.status_code == FORBIDDEN, (method, path, answer.status_code)


@pytest.mark.parametrize(
    "path", ["//voice/incoming", "/./voice/incoming", "/x/../voice/incoming", "/VOICE/incoming"]
)
def test_another_spelling_of_a_path_reaches_no_route(app: Flask, path: str):
    answer = genuine(path).send(app)
    assert answer.status_code >= 300, answer.status_code
    assert b"<Response" not in answer.data


# ---------------------------------------------------------------- what is let in


def test_a_genuine_webhook_is_answered_at_every_route(service: House):
    for path in telephone_paths(service.app):
        answer = genuine(path).signed().send(service.app)
        assert answer.status_code == 200, path
        assert answer.content_type == "text/xml; charset=utf-8"
        read(answer.data)


def test_a_genuine_webhook_with_a_query_is_answered(service: House):
    hook = replace(genuine("/voice/turn", Digits="1"), query="n=1&silent=1").signed()
    assert hook.send(service.app).status_code == 200


def test_the_default_port_written_out_is_the_same_address(service: House):
    hook = genuine("/voice/incoming")
    signed = hook.signed(url=hook.url.replace(BASE, f"{BASE}:443"))
    assert signed.send(service.app).status_code == 200


@pytest.mark.parametrize(
    "digits",
    ["1", "١٢٠٣١٩٤٢", "１２", "*", "#", "é", "😜", "\x00", "\ud7ff", "1" * 500, " ", "%00"],
)
def test_strange_keys_correctly_signed_are_answered(service: House, digits: str):
    genuine("/voice/incoming").signed().send(service.app)
    hook = replace(genuine("/voice/turn", Digits=digits), query="n=1").signed()
    answer = hook.send(service.app)
    assert answer.status_code == 200
    assert read(answer.data).names == ["Gather", "Redirect"]


@pytest.mark.parametrize(
    "sender", ["", "anonymous", "+266696687", "é", "+3361234567\x00", "sip:a@b"]
)
def test_strange_callers_correctly_signed_are_greeted(service: House, sender: str):
    answer = genuine("/voice/incoming", From=sender).signed().send(service.app)
    assert read(answer.data).names == ["Gather", "Redirect"]


@pytest.mark.parametrize(
    "query",
    ["n=", "n=-1", "n=1e9", "n=999999999999", "n=%D9%A1", "n=1%00", "again=1", "n=2&again=99999"],
)
def test_strange_turn_numbers_correctly_signed_are_answered(service: House, query: str):
    genuine("/voice/incoming").signed().send(service.app)
    answer = replace(genuine("/voice/turn", Digits="1"), query=query).signed().send(service.app)
    assert answer.status_code == 200
    assert read(answer.data).names == ["Gather", "Redirect"]


def test_the_token_before_the_last_rotation_is_accepted_while_it_is_configured(
    service: House,
):
    hook = genuine("/voice/incoming").signed(token=OLD_TOKEN)
    assert hook.send(service.app).status_code == FORBIDDEN
    service.settings = service.settings.model_copy(update={"twilio_auth_token_previous": OLD_TOKEN})
    rotated = service.application()
    assert hook.send(rotated).status_code == 200
    assert genuine("/voice/incoming").signed().send(rotated).status_code == 200
    assert genuine("/voice/incoming").signed(token="a-third").send(rotated).status_code == FORBIDDEN


def test_keys_split_elsewhere_are_not_heard_as_silence(service: House):
    """Name and value of a field can be split anew without changing the signature.

    Whoever replays a webhook like that would turn what was pressed into silence, and the genuine
    one, coming later, would only get the stored answer.
    """
    genuine("/voice/incoming").signed().send(service.app)
    hook = replace(genuine("/voice/turn", Digits="1"), query="n=1")
    for bend in (resplit("Digits"), shortened("Digits")):
        assert bend(hook).send(service.app).status_code == FORBIDDEN
    hook.signed().send(service.app)
    assert service.session(CALL).step == "date_of_birth"


def test_a_status_of_an_unknown_call_or_message_is_answered(service: House):
    for hook in (
        genuine("/voice/status", CallStatus="completed"),
        genuine("/voice/status", CallStatus="no such status"),
        genuine("/sms/status", MessageSid="MM" + "3" * 32, ErrorCode="30006"),
        genuine("/sms/status", MessageStatus="no such status"),
        replace(genuine("/sms/status"), query="m=" + "4" * 32),
        replace(genuine("/sms/status"), query="m=nonsense"),
    ):
        assert hook.signed().send(service.app).status_code == 200


# ---------------------------------------------------------------- one byte


def variants(data: bytes) -> st.SearchStrategy[bytes]:
    """`data` with one byte changed, dropped or put in."""
    places = st.integers(0, len(data) - 1)
    letters = st.integers(0, 255).map(lambda number: bytes([number]))
    return st.one_of(
        st.builds(lambda at, new: data[:at] + new + data[at + 1 :], places, letters),
        st.builds(lambda at: data[:at] + data[at + 1 :], places),
        st.builds(lambda at, new: data[:at] + new + data[at:], places, letters),
    )


# No field that the service does not read: each change here is one that could matter.
GENUINE = replace(
    genuine("/voice/turn", Digits="12031942").with_fields(CallStatus=None, Direction=None),
    query="n=2",
).signed()
assert GENUINE.signature is not None
one_byte = settings(
    derandomize=True,
    database=None,
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)


READ = {"AccountSid", "CallSid", "From", "Digits"}


@one_byte
@given(body=variants(urlencode(GENUINE.fields).encode()))
def test_one_byte_of_the_body_changed_is_refused(app: Flask, body: bytes):
    # What reads the same is the same: %2b and %2B, an empty field's sign of equality, a field that
    # the service does not read.
    text = body.decode("utf-8", "replace")
    said = [field for field in parse_qsl(text, keep_blank_values=True) if field[0] in READ]
    assume(sorted(said) != sorted(field for field in GENUINE.fields if field[0] in READ))
    answer = replace(GENUINE, body=body).send(app)
    assert answer.status_code == FORBIDDEN


@one_byte
@given(query=variants(GENUINE.query.encode()))
def test_one_byte_of_the_query_changed_is_refused(app: Flask, query: bytes):
    assume(query != GENUINE.query.encode())
    changed = replace(GENUINE, environ=(("QUERY_STRING", query.decode("latin-1")),))
    assert changed.send(app).status_code == FORBIDDEN


@one_byte
@given(path=variants(b"turn"))
def test_one_byte_of_the_path_changed_is_refused(app: Flask, path: bytes):
    assume(path != b"turn")
    changed = replace(GENUINE, environ=(("PATH_INFO", "/voice/" + path.decode("latin-1")),))
    assert changed.send(app).status_code == FORBIDDEN


@one_byte
@given(signature=variants((GENUINE.signature or "").encode()))
@example(signature=b"")
def test_one_byte_of_the_signature_changed_is_refused(app: Flask, signature: bytes):
    text = signature.decode("latin-1")
    assume(text != GENUINE.signature)
    assert replace(GENUINE, signature=text).send(app).status_code == FORBIDDEN


def test_the_request_that_is_changed_byte_by_byte_is_itself_accepted(service: House):
    assert GENUINE.send(service.app).status_code == 200


# ---------------------------------------------------------------- the provider's own vectors


@pytest.fixture(scope="module")
def vectors(shared: Path) -> dict[str, Any]:
    file = shared / "data" / "twilio" / "signature_vectors.json"
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    first = found["vectors"][0]["params"]
    for vector in found["vectors"]:
        if "params" in vector:
            fields = first if vector["params"] == "as 1" else vector["params"]
            vector["params"] = [(name, value) for name, value in fields]
    return found


def reason(vector: dict[str, Any], token: str, signature: str) -> str:
    """Why the product's own check refuses this request."""
    parts = urlsplit(vector["url"])
    form = "params" in vector
    sent: str = urlencode(vector["params"]) if form else vector["body"]
    builder = EnvironBuilder(
        path=parts.path,
        query_string=parts.query,
        method="POST",
        data=sent.encode(),
        content_type="application/x-www-form-urlencoded" if form else "application/json",
        headers=Headers([("X-Twilio-Signature", signature)]),
    )
    check = SignatureCheck(f"{parts.scheme}://{parts.netloc}", ACCOUNT, (token,))
    with pytest.raises(NotSigned) as refused:
        check.check(Request(builder.get_environ()))
    return refused.value.reason


def test_the_providers_vectors_pass_the_signature_and_fail_only_for_what_they_say(
    vectors: dict[str, Any],
):
    # They are of another account, repeat a field or are JSON: each is refused for just that.
    reasons = [reason(v, vectors["token"], v["signature"]) for v in vectors["vectors"]]
    assert reasons == ["account", "repeated", "account", "account", "account", "content_type"]


def test_the_providers_vectors_fail_under_another_token_or_signature(vectors: dict[str, Any]):
    forms = [vector for vector in vectors["vectors"] if "params" in vector]
    for vector in forms:
        assert reason(vector, "54321", vector["signature"]) == "wrong"
        others = {other["signature"] for other in forms if other is not vector}
        # The port alone does not make another address where it is the default one.
        same = {"https://mycompany.com/", "https://mycompany.com:443/"}
        for signature in others:
            if any(vector["url"].startswith(one) for one in same) and signature in {
                other["signature"]
                for other in forms
                if any(other["url"].startswith(one) for one in same)
            }:
                continue
            assert reason(vector, vectors["token"], signature) == "wrong"
