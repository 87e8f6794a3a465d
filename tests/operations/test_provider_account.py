"""What the provider's account lacks is said with its remedy; its number is set, and no more."""

from __future__ import annotations

import json

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from click.testing import CliRunner
from sqlalchemy import select
from twilio.http.response import Response

import commands.provider
import commands.register

from app.parts import make_parts
from commands import operator
from exchange.account import Account, Permission
from ivr.messenger import RedirectedHttpClient
from ivr.provider import make_account, make_control
from models.accounts.tables import staff_act
from services.findings import Level
from services.setup.provider_account import try_text
from tests.messages.conftest import INBOX
from tests.support.house import BASE, MOBILE, House, house
from tests.support.office import Provider
from tests.support.rows import rows_of

NUMBER = "+33974750001"
OTHERS = "+33142000000"
ELSEWHERE = "https://static.example/fallback.xml"
CALLS = f"{BASE}/voice/incoming#rc=2&rp=ct,rt,5xx&ct=2000&rt=4500"


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        yield made


@pytest.fixture
def account(service: House, provider: Provider) -> Account:
    """The account, as it is before anybody did anything there."""
    service.settings.twilio_api_base_url = provider.url
    found: Account = provider.simulator.account
    return found


@pytest.fixture
def connected(service: House, account: Account) -> Account:
    """An account of which nothing is missing."""
    status, _ = runs(service, "connect", "--yes")
    assert status == 0
    return account


def runs(made: House, *asked: str) -> tuple[int, str]:
    """The exit status of a command, and what it said on both of its outputs."""
    result = made.application().test_cli_runner().invoke(args=["provider", *asked])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def missing(said: str) -> list[str]:
    return [line[8:] for line in said.splitlines() if line.startswith("missing")]


# ---------------------------------------------------------------- looking


def test_a_new_number_leads_nowhere_and_each_address_is_named(service: House, account: Account):
    status, said = runs(service, "check")
    assert status == 1
    assert missing(said) == [
        f"{NUMBER}: no address says where {what}. `flask provider connect --yes` sets it."
        for what in (
            "calls come in",
            "calls go when we do not answer",
            "the end of a call is told",
        )
    ]
    assert "3 things are missing at the provider" in said


def test_of_a_connected_account_nothing_is_missing(service: House, connected: Account):
    status, said = runs(service, "check")
    assert (status, missing(said)) == (0, [])
    assert f"ok      {NUMBER}: calls come in at {CALLS}." in said
    assert "ok      250.00 EUR are left on the account." in said
    assert "Calls out show +33974750001, a number of the account." in said
    assert "The account may ring FR, GP, MQ, GF, RE, PM." in said
    assert "no permission of its own for YT" in said
    assert "CALLS_PER_SECOND, 1; the pace of texts, as many texts as come." in said
    assert said.endswith("Nothing is missing at the provider.\n")


def _change(account: Account, **fields: Any) -> None:
    (number,) = account.numbers.values()
    number |= fields


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda account: setattr(account, "status", "suspended"),
            "The account is suspended, and carries no call.",
        ),
        (
            lambda account: setattr(account, "type", "Trial"),
            "SMS_SENDER AlloRDV is a name, and an account on trial sends none.",
        ),
        (lambda account: setattr(account, "balance", "0.00"), "Nothing is left on the account"),
        (
            lambda account: account.numbers.clear(),
            f"The national number {NUMBER} is not one of the account.",
        ),
        (
            lambda account: account.numbers.clear(),
            f"OUTBOUND_CALLER_ID {NUMBER} is neither a number of the account nor verified.",
        ),
        (
            lambda account: _change(account, capabilities={"voice": False, "sms": True}),
            f"The number {NUMBER} carries no voice.",
        ),
        (
            lambda account: _change(account, voice_url="https://old.example/in"),
            f"{NUMBER}: calls come in at https://old.example/in, and not at {CALLS}.",
        ),
        (
            lambda account: _change(account, voice_method="GET"),
            f"{NUMBER}: calls come in by GET, and not by POST.",
        ),
        (
            lambda account: _change(account, trunk_sid="TK" + "1" * 32),
            f"The calls of {NUMBER} go to TK{'1' * 32}, and not to the number's addresses.",
        ),
        (
            lambda account: account.permissions.update(RE=Permission(ordinary=False)),
            "The account may not ring numbers of RE.",
        ),
    ],
)
def test_each_lack_is_a_sentence_with_its_remedy(
    service: House, connected: Account, change: Any, sentence: str
):
    change(connected)
    status, said = runs(service, "check")
    assert status == 1
    (line,) = [one for one in missing(said) if one.startswith(sentence)]
    assert line.removeprefix(sentence).strip(" .")


def test_what_a_thief_could_ring_is_noted(service: House, connected: Account):
    connected.permissions["FR"] = Permission(special=True)
    status, said = runs(service, "check")
    assert status == 0
    assert "note    Premium numbers or ranges of fraud may be rung in FR." in said


def test_a_fallback_at_our_own_origin_is_noted(service: House, connected: Account):
    assert "The fallback address is this service's own" in runs(service, "check")[1]
    service.settings.voice_fallback_url = ELSEWHERE
    runs(service, "connect", "--yes")
    assert "The fallback address is this service's own" not in runs(service, "check")[1]


def test_a_number_of_others_may_be_shown_once_it_is_verified(service: House, connected: Account):
    service.settings.outbound_caller_id = OTHERS
    assert runs(service, "check")[0] == 1
    connected.verified.append(OTHERS)
    status, said = runs(service, "check")
    assert status == 0
    assert f"Calls out show {OTHERS}, which was verified." in said


def test_a_sender_that_is_a_number_must_be_ours_and_send(service: House, connected: Account):
    service.settings.sms_sender = OTHERS
    assert "is no number of the account that sends texts" in runs(service, "check")[1]
    connected.own(OTHERS, sms=False)
    assert runs(service, "check")[0] == 1
    connected.own(OTHERS)
    assert f"Texts come from {OTHERS}." in runs(service, "check")[1]


def test_a_short_national_number_is_looked_at_by_hand(service: House, connected: Account):
    service.settings.national_number = "3939"
    status, said = runs(service, "check")
    assert status == 0
    assert "The national number 3939 is a short one" in said
    assert runs(service, "connect", "--yes")[0] == 0


def test_its_queues_are_told(service: House, connected: Account):
    assert "note    There is no queue of callers yet" in runs(service, "check")[1]
    make_control(service.settings).make_queue("national-fr", 400)
    said = runs(service, "check")[1]
    assert "ok      Queues of callers, and how many each takes: national-fr (400)." in said


def test_a_part_of_an_account_has_no_balance(service: House, connected: Account):
    connected.balance = None
    status, said = runs(service, "check")
    assert status == 0
    assert "note    The provider does not tell this account's balance." in said


# ---------------------------------------------------------------- setting


def test_it_is_said_what_would_be_set_and_nothing_is(service: House, account: Account):
    service.settings.voice_fallback_url = ELSEWHERE
    before = json.dumps(account.numbers)
    status, said = runs(service, "connect")
    assert status == 0
    assert said.splitlines() == [
        f"{NUMBER} voice_url: (empty) → {CALLS}",
        f"{NUMBER} voice_fallback_url: (empty) → {ELSEWHERE}",
        f"{NUMBER} status_callback: (empty) → {BASE}/voice/status",
        "A dry run: nothing was set. With --yes 3 fields are set.",
    ]
    assert json.dumps(account.numbers) == before
    assert rows_of(service.database, select(staff_act)) == []


def test_it_is_set_once_and_recorded_as_an_operators_act(service: House, account: Account):
    status, said = runs(service, "connect", "--yes")
    assert (status, said.splitlines()[-1]) == (0, "3 fields are set.")
    ((sid, number),) = account.numbers.items()
    assert (number["voice_url"], number["voice_method"]) == (CALLS, "POST")
    (act,) = rows_of(service.database, select(staff_act))
    assert (act.staff_id, act.what, act.subject) == ("operator", "provider_connect", sid)
    details = json.loads(act.details)
    assert (details["by"], details["number"]) == (operator.name(), NUMBER)
    assert details["set"]["status_callback"] == ["", f"{BASE}/voice/status"]

    assert runs(service, "connect", "--yes") == (0, "Nothing is to be set.\n")
    assert len(rows_of(service.database, select(staff_act))) == 1


def test_only_what_is_wrong_is_set(service: House, connected: Account):
    _change(connected, voice_method="GET", friendly_name="Ligne nationale", sms_url="https://a.b/c")
    _, said = runs(service, "connect", "--yes")
    assert said.splitlines() == [f"{NUMBER} voice_method: GET → POST", "1 field is set."]
    (number,) = connected.numbers.values()
    assert (number["friendly_name"], number["sms_url"]) == ("Ligne nationale", "https://a.b/c")


def test_where_texts_come_in_is_set_for_the_number_of_replies(service: House, account: Account):
    service.settings.sms_reply_number = INBOX
    account.own(INBOX)
    assert runs(service, "connect", "--yes")[0] == 0
    found = {one["phone_number"]: one for one in account.numbers.values()}
    assert found[INBOX]["sms_url"] == f"{BASE}/sms/incoming#rc=3&rp=ct,rt,5xx"
    assert (found[INBOX]["voice_url"], found[NUMBER]["sms_url"]) == (None, "")
    assert runs(service, "check")[0] == 0


def test_what_an_application_takes_is_not_taken_off_it(service: House, account: Account):
    application = "AP" + "1" * 32
    _change(account, voice_application_sid=application)
    status, said = runs(service, "connect", "--yes")
    assert status == 1
    assert f"The calls of {NUMBER} go to {application}" in said
    (number,) = account.numbers.values()
    assert number["voice_application_sid"] == application


# ---------------------------------------------------------------- a provider that refuses


def answers(status: int, code: int = 0, *, only: str = "", after: str = "") -> Any:
    """Make the provider's client meet this answer; `only` where the address has this."""
    real = RedirectedHttpClient.request

    def request(self: Any, method: str, url: str, *rest: Any, **more: Any) -> Response:
        if only not in url:
            found: Response = real(self, method, url, *rest, **more)
            return found
        self._told.retry_after = None
        body = {"code": code or None, "message": "No", "status": status}
        return Response(status, json.dumps(body), {"Retry-After": after})

    return request


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (401, 20003, "The provider does not know TWILIO_ACCOUNT_SID with this TWILIO_AUTH_TOKEN"),
        (403, 20003, "The account may not do this (error 20003): give its key the right"),
        (403, 20006, "The account may not do this (error 20006): give its key the right"),
        (401, 20005, "The account is not active (error 20005)"),
        (404, 20404, "The provider knows no such account or number (error 20404)"),
        (429, 20429, "The provider is asked too often (error 20429): try again in a minute"),
        (400, 20001, "The provider refuses (error 20001)"),
        (503, 20503, "The provider did not answer, so nothing is known"),
    ],
)
@pytest.mark.parametrize("command", ["check", "connect"])
def test_a_refusal_is_one_sentence(  # noqa: PLR0917
    service: House,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    status: int,
    code: int,
    sentence: str,
):
    monkeypatch.setattr(RedirectedHttpClient, "request", answers(status, code))
    exit_status, said = runs(service, command)
    assert exit_status == 1
    (line,) = said.splitlines()
    assert line.startswith(f"Error: {sentence}")


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (20003, "The provider does not know TWILIO_ACCOUNT_SID with this TWILIO_AUTH_TOKEN"),
        (20005, "The account is not active (error 20005): ask why"),
        (20006, "The account may not do this (error 20006): give its key the right"),
        (20404, "The provider knows no such account or number (error 20404): compare"),
        (20429, "The provider is asked too often (error 20429): try again in 1 s"),
        (20503, "The provider did not answer, so nothing is known"),
        (70051, "The account may not do this (error 70051): give its key the right"),
    ],
)
@pytest.mark.parametrize("words", ["of today", "rfc 9457"])
@pytest.mark.parametrize("command", [("check",), ("connect", "--yes")], ids=["check", "connect"])
def test_each_refusal_of_the_stand_in_is_one_sentence_with_its_remedy(  # noqa: PLR0917
    service: House,
    provider: Provider,
    account: Account,
    command: tuple[str, ...],
    words: str,
    code: int,
    sentence: str,
):
    """Over real HTTP by the provider's own library, which has an error of its own for RFC 9457."""
    provider.faults.set({"refuses": code, "problems": words == "rfc 9457"})
    status, said = runs(service, *command)
    assert status == 1
    (line,) = said.splitlines()
    assert line.startswith(f"Error: {sentence}")
    assert rows_of(service.database, select(staff_act)) == []


def test_a_wrong_token_is_said_by_the_stand_in_itself(service: House, account: Account):
    service.settings.twilio_auth_token = "another"
    status, said = runs(service, "check")
    assert status == 1
    assert "copy both from its console" in said


def test_one_that_is_not_reached_is_said(service: House, nobody_there: str):
    service.settings.twilio_api_base_url = nobody_there
    status, said = runs(service, "check")
    assert status == 1
    assert "The provider cannot be reached: see whether this machine reaches" in said


@pytest.mark.parametrize(
    ("only", "what"),
    [
        ("IncomingPhoneNumbers", "Not everything could be looked at. The account may not do this"),
        ("DialingPermissions", "Not everything could be looked at. The account may not do this"),
    ],
)
def test_what_a_key_may_not_see_is_missing_and_all_else_is_said(
    service: House, connected: Account, monkeypatch: pytest.MonkeyPatch, only: str, what: str
):
    monkeypatch.setattr(RedirectedHttpClient, "request", answers(403, 20003, only=only))
    status, said = runs(service, "check")
    assert status == 1
    assert all(one.startswith(what) for one in missing(said))
    assert "The account is active." in said
    assert "250.00 EUR" in said


def test_a_number_that_is_refused_stands_in_the_history_all_the_same(
    service: House, account: Account, monkeypatch: pytest.MonkeyPatch
):
    """What an answer that is lost had done would stand nowhere else."""
    real = RedirectedHttpClient.request

    def breaks_off(self: Any, method: str, url: str, *rest: Any, **more: Any) -> Response:
        found: Response = real(self, method, url, *rest, **more)
        if method == "POST":
            raise requests.ReadTimeout
        return found

    monkeypatch.setattr(RedirectedHttpClient, "request", breaks_off)
    status, said = runs(service, "connect", "--yes")
    assert status == 1
    assert "The provider did not answer" in said
    (act,) = rows_of(service.database, select(staff_act))
    assert act.what == "provider_connect"
    monkeypatch.undo()
    assert runs(service, "connect") == (0, "Nothing is to be set.\n")


# ---------------------------------------------------------------- a text to try


@pytest.fixture
def tries(service: House, provider: Provider, connected: Account) -> Callable[..., Any]:
    """Send a text to try; the stand-in takes it on its way while the command waits."""

    def run(number: str = MOBILE) -> tuple[int, str]:
        wanted = commands.register._wanted(make_parts(service.settings))
        account = make_account(service.settings)
        group = commands.provider.make(
            service.store, lambda: account, wanted, wait=lambda _: provider.reports()
        )
        result = CliRunner().invoke(group, ["check", "--text-to", number])
        return result.exit_code, result.output

    return run


def test_a_text_that_arrives_is_said_and_is_an_act_without_its_number(
    service: House, provider: Provider, tries: Callable[..., Any]
):
    status, said = tries()
    assert (status, missing(said)) == (0, [])
    assert "ok      The text SM" in said
    (sent,) = provider.texts()
    assert (sent.recipient, sent.sender) == (MOBILE, "AlloRDV")
    assert sent.body.startswith("Allo Rendez-vous : nous ne lisons pas les messages.")
    act = rows_of(service.database, select(staff_act))[-1]
    assert (act.staff_id, act.what, act.subject) == ("operator", "provider_text", "")
    assert json.loads(act.details) == {"by": operator.name()}


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (30001, "Too many texts were waiting at the provider (error 30001)."),
        (30003, "The telephone is off or out of reach (error 30003)."),
        (30004, "The number, or its network, takes no texts from you (error 30004)."),
        (30006, "It is a landline, or its network takes no texts (error 30006)."),
        (30007, "Its network took the text for unwanted, and stopped it (error 30007)."),
        (30008, "Its network gives no reason (error 30008)."),
    ],
)
def test_one_that_does_not_arrive_is_a_sentence_with_its_remedy(
    provider: Provider, tries: Callable[..., Any], code: int, sentence: str
):
    provider.faults.set({"undeliverable": {MOBILE: code}})
    status, said = tries()
    assert status == 1
    (line,) = missing(said)
    assert line.startswith(f"The text did not arrive. {sentence}")
    assert line.removeprefix(f"The text did not arrive. {sentence}").strip(" .")


def test_what_is_refused_at_once_is_one_too(
    service: House, provider: Provider, connected: Account, tries: Callable[..., Any]
):
    def last(number: str = MOBILE) -> str:
        status, said = tries(number)
        assert status == 1
        return missing(said)[-1].removeprefix("The text did not arrive. ")

    assert last("+33712345678").startswith("There is no such number (error 21211). Write it with")
    assert last("+33142685300").startswith("It is no mobile number (error 21614). Text a mobile")
    connected.type = "Trial"
    assert last().startswith(
        "An account on trial sends no texts from a name (error 21267). Upgrade"
    )
    service.settings.sms_sender = NUMBER
    trial = "The account is on trial, and texts verified numbers alone (error 21608). Upgrade"
    assert last().startswith(trial)
    service.settings.sms_sender = OTHERS
    assert last().startswith("SMS_SENDER may not send this text (error 21659). Set SMS_SENDER")
    service.settings.sms_sender = "AlloRDV"
    connected.type = "Full"
    provider.does_next({"429": 30})
    assert last().startswith("The provider is asked too often (error 20429). Try again in 30")


def test_one_that_stays_at_the_provider_is_said(provider: Provider, service: House, connected: Any):
    wanted = commands.register._wanted(make_parts(service.settings))
    found = try_text(make_account(service.settings), wanted, MOBILE, wait=lambda _: None)
    assert (found.level, "is still queued" in found.says) == (Level.BAD, True)


def test_what_is_no_number_is_refused_before_anything_is_asked(service: House, account: Account):
    status, said = runs(service, "check", "--text-to", "0612345678")
    assert status == 2
    assert "as +33612345678" in said
