"""The account over REST: what it is, its number and where that leads, whom it may ring."""

from typing import Any

import pytest

from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.rest import Client

from exchange.account import Account, Permission
from exchange.faults import REFUSALS
from exchange.rest.app import create_app
from exchange.settings import Settings
from exchange.tests.test_rest import MOBILE, SID, TOKEN, VOICE, OtherHost, conforms

NUMBER = "+33974750001"
ACCOUNT = f"/2010-04-01/Accounts/{SID}"


class AnyHost(OtherHost):
    """Twilio's description of Voice has a host of its own; here there is one for all."""

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        url = url.replace("https://voice.twilio.com", "https://api.twilio.com")
        return super().request(method, url, *args, **options)  # type: ignore[no-untyped-call]


@pytest.fixture
def twilio(rest, serve):
    with serve(rest) as base:
        client = AnyHost(base)
        yield Client(SID, TOKEN, http_client=client)
        client.session.close()


def get(rest: Any, path: str, **query: str) -> Any:
    return rest.test_client().get(path, query_string=query, auth=(SID, TOKEN))


def test_the_account_is_what_twilios_library_reads(twilio, rest):
    found = twilio.api.accounts(SID).fetch()
    assert (found.status, found.type, found.auth_token) == ("active", "Full", None)
    balance = twilio.balance.fetch()
    assert (balance.balance, balance.currency) == ("250.00", "EUR")
    conforms(get(rest, f"{ACCOUNT}.json").get_json(), "api.v2010.account")
    conforms(get(rest, f"{ACCOUNT}/Balance.json").get_json(), "api.v2010.account.balance")


def test_its_number_is_found_and_set(twilio, rest):
    (number,) = twilio.incoming_phone_numbers.list(phone_number=NUMBER)
    assert (number.phone_number, number.voice_url) == (NUMBER, None)
    assert number.capabilities == {"voice": True, "sms": True, "mms": False, "fax": False}
    changed = twilio.incoming_phone_numbers(number.sid).update(
        voice_url="https://service.test/in#rc=2", status_callback="https://service.test/status"
    )
    assert changed.voice_url == "https://service.test/in#rc=2"
    assert twilio.incoming_phone_numbers(number.sid).fetch().status_callback.endswith("/status")
    path = f"{ACCOUNT}/IncomingPhoneNumbers/{number.sid}.json"
    conforms(get(rest, path).get_json(), "api.v2010.account.incoming_phone_number")
    assert twilio.incoming_phone_numbers.list(phone_number="+33974759999") == []


def test_what_is_no_address_is_refused_and_nothing_is_set(twilio):
    (number,) = twilio.incoming_phone_numbers.list()
    with pytest.raises(TwilioRestException) as refused:
        twilio.incoming_phone_numbers(number.sid).update(
            voice_url="service.test/in", status_callback="https://service.test/status"
        )
    assert (refused.value.status, refused.value.code) == (400, 21402)
    assert twilio.incoming_phone_numbers(number.sid).fetch().status_callback == ""


def test_a_fallback_needs_what_it_stands_in_for(twilio):
    (number,) = twilio.incoming_phone_numbers.list()
    for name, code in (("voice", 21405), ("sms", 21406)):
        with pytest.raises(TwilioRestException) as refused:
            twilio.incoming_phone_numbers(number.sid).update(
                **{f"{name}_fallback_url": "https://elsewhere.test/fallback.xml"}
            )
        assert refused.value.code == code


def test_no_number_can_be_bought_or_released(twilio):
    (number,) = twilio.incoming_phone_numbers.list()
    with pytest.raises(TwilioRestException) as refused:
        twilio.incoming_phone_numbers(number.sid).delete()
    assert refused.value.status == 405
    with pytest.raises(TwilioRestException) as refused:
        twilio.incoming_phone_numbers.create(phone_number="+33974759999")
    assert refused.value.status == 405


def test_numbers_that_were_verified(twilio, rest):
    account = rest.extensions["simulator"].account
    assert twilio.outgoing_caller_ids.list() == []
    account.verified.append("+33142000000")
    (found,) = twilio.outgoing_caller_ids.list(phone_number="+33142000000")
    assert found.phone_number == "+33142000000"
    listed = get(rest, f"{ACCOUNT}/OutgoingCallerIds.json").get_json()["outgoing_caller_ids"]
    conforms(listed[0], "api.v2010.account.outgoing_caller_id")


def test_whom_the_account_may_ring(twilio, rest):
    account = rest.extensions["simulator"].account
    account.permissions["RE"] = Permission(ordinary=False)
    france, reunion = (
        twilio.voice.v1.dialing_permissions.countries(iso).fetch() for iso in ("FR", "RE")
    )
    assert (france.low_risk_numbers_enabled, reunion.low_risk_numbers_enabled) == (True, False)
    conforms(
        get(rest, "/v1/DialingPermissions/Countries/FR").get_json(),
        "voice.v1.dialing_permissions.dialing_permissions_country-instance",
        VOICE,
    )
    with pytest.raises(TwilioRestException) as refused:
        twilio.voice.v1.dialing_permissions.countries("XX").fetch()
    assert (refused.value.status, refused.value.code) == (404, 20404)


@pytest.mark.parametrize(
    "path",
    [
        f"{ACCOUNT}.json",
        f"{ACCOUNT}/Balance.json",
        f"{ACCOUNT}/IncomingPhoneNumbers.json",
        f"{ACCOUNT}/OutgoingCallerIds.json",
        "/v1/DialingPermissions/Countries/FR",
    ],
)
def test_none_of_it_without_the_accounts_credentials(rest, path):
    refused = rest.test_client().get(path, auth=(SID, "wrong"))
    assert (refused.status_code, refused.get_json()["code"]) == (401, 20003)


@pytest.mark.parametrize("path", [f"{ACCOUNT}/IncomingPhoneNumbers.json", f"{ACCOUNT}.json"])
def test_what_the_description_does_not_have_is_refused(rest, path):
    refused = get(rest, path, Nmuber="+33")
    assert (refused.status_code, refused.get_json()["code"]) == (400, 20001)


# ---------------------------------------------------------------- what the account may not do


def account_of(rest: Any) -> Account:
    found: Account = rest.extensions["simulator"].account
    return found


def text(twilio: Any, **changes: str) -> Any:
    return twilio.messages.create(**{"to": MOBILE, "from_": NUMBER, "body": "a", **changes})


def ring(twilio: Any, **changes: str) -> Any:
    return twilio.calls.create(
        **{"to": MOBILE, "from_": NUMBER, "url": "https://service.test/out", **changes}
    )


def refused(ask: Any, *given: Any, **more: Any) -> tuple[int, int]:
    with pytest.raises(TwilioRestException) as found:
        ask(*given, **more)
    assert found.value.msg
    return found.value.status, found.value.code


def test_a_trial_texts_and_rings_verified_numbers_alone_and_as_a_number(twilio, rest):
    account_of(rest).type = "Trial"
    assert refused(text, twilio) == (400, 21608)
    assert refused(ring, twilio) == (400, 21219)
    assert refused(text, twilio, from_="ALLO RDV") == (400, 21267)
    account_of(rest).verified.append(MOBILE)
    assert text(twilio).sid.startswith("SM")
    assert ring(twilio).sid.startswith("CA")


def test_a_suspended_account_sends_nothing_and_says_what_it_is(twilio, rest):
    account_of(rest).status = "suspended"
    assert refused(text, twilio) == refused(ring, twilio) == (401, 20005)
    assert twilio.api.accounts(SID).fetch().status == "suspended"


def test_a_number_of_others_is_shown_once_it_is_verified_and_never_texts(twilio, rest):
    others = "+33142000000"
    assert refused(ring, twilio, from_=others) == (400, 21210)
    assert refused(text, twilio, from_=others) == (400, 21659)
    account_of(rest).verified.append(others)
    assert ring(twilio, from_=others).sid.startswith("CA")
    assert refused(text, twilio, from_=others) == (400, 21659)
    account_of(rest).own(others, sms=False)
    assert refused(text, twilio, from_=others) == (400, 21661)


def test_nobody_is_rung_in_a_country_that_is_closed(twilio, rest):
    account_of(rest).permissions["RE"] = Permission(ordinary=False)
    assert refused(ring, twilio, to="+262692123456") == (400, 21215)
    assert ring(twilio).sid.startswith("CA")


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_whatever_is_asked_is_refused_on_demand(twilio, rest, code: int):
    """Also in the words of RFC 9457, which the library makes another error of."""
    rest.extensions["simulator"].faults.set({"refuses": code})
    status, words = REFUSALS[code]
    assert refused(text, twilio) == (status, code)
    rest.extensions["simulator"].faults.set({"problems": True})
    with pytest.raises(TwilioServiceException) as found:
        twilio.api.accounts(SID).fetch()
    assert (found.value.status, found.value.code, found.value.title) == (status, code, words)


def test_what_its_settings_name_is_the_accounts(tmp_path):
    file = tmp_path / "numbers.toml"
    file.write_text(
        '[[numbers]]\nnumber = "+33974750035"\ncaller_id = "+33974750036"\n'
        'sms_sender = "+33974750037"\n',
        "utf-8",
    )
    given = Settings(
        sms_sender="+33974750009",
        sms_reply_number="RDV",
        outbound_caller_id="+33142000000",
        numbers_file=str(file),
    )
    account = create_app(given, threads=0).extensions["simulator"].account
    owned = [NUMBER, "+33974750035", "+33974750009", "+33974750037"]
    assert [one["phone_number"] for one in account.numbers.values()] == owned
    assert account.verified == ["+33142000000", "+33974750036"]
