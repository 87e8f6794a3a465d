"""What an operator may write for the SIP leg, and what each mistake is answered."""

from __future__ import annotations

import re
import socket

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from exchange.sip import settings as sip

TRUNK = """
[trunk]
host = "sip.example.net"
user = "mairie"
password = "of the provider"
networks = ["198.51.100.0/28"]
prefixes = ["+331", "+336"]
caller_ids = ["+33974750001", "+33142685300"]
"""
TELEPHONES = """
networks = ["192.168.10.0/24"]
advertised_host = "192.168.10.5"

[accounts.hall]
password = "twelve letters"
rings = ["+33142685300", "client:3f2c"]

[accounts.back-office]
password = "other letters"
"""


def settings(**given: object) -> sip.SipSettings:
    return sip.SipSettings(_env_file=None, **given)  # type: ignore[call-arg, arg-type]


def read(folder: Path, text: str, **given: object) -> sip.Plan:
    file = folder / "sip.toml"
    file.write_text(text, "utf-8")
    return sip.read(settings(sip_file=str(file), **given))


def trunk_of(folder: Path, text: str = TRUNK) -> sip.Trunk:
    trunk = read(folder, text).trunk
    assert trunk is not None
    return trunk


# ---------------------------------------------------------------- without a file


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("PORT", *(name.upper() for name in sip.SipSettings.model_fields)):
        monkeypatch.delenv(name, raising=False)


def test_without_a_file_five_telephones_of_this_machine_are_known():
    plan = sip.read(settings())
    assert list(plan.accounts) == ["poste1", "poste2", "poste3", "poste4", "poste5"]
    assert plan.accounts["poste2"].number == "+33199000102"
    assert plan.trunk is None
    assert (plan.host, plan.advertised_host, plan.port) == ("127.0.0.1", "127.0.0.1", 8020)
    assert (plan.rtp_ports, plan.most_calls) == ((20000, 20999), 120)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_without_a_file_this_machine_is_heard(host):
    assert sip.read(settings()).hears(host)


@pytest.mark.parametrize("host", ["192.168.10.7", "8.8.8.8", "::2", "::ffff:8.8.8.8", "", "here"])
def test_without_a_file_nobody_else_is_heard(host):
    assert not sip.read(settings()).hears(host)


def own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        return str(probe.getsockname()[0])


def test_a_softphone_here_is_heard_under_the_network_s_address_too(tmp_path):
    mine = own_address()
    assert sip.read(settings()).hears(mine)
    assert not read(tmp_path, 'networks = ["10.255.255.0/30"]').hears(mine)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.10.5", "::"])  # noqa: S104
def test_what_others_reach_needs_a_file(host):
    with pytest.raises(sip.BadFile, match="which other machines reach: name a file"):
        sip.read(settings(sip_host=host))


def test_port_moves_it_and_sip_port_says_where(monkeypatch):
    monkeypatch.setenv("PORT", "8100")
    assert sip.read(sip.load()).port == 8120
    monkeypatch.setenv("SIP_PORT", "5060")
    assert sip.read(sip.load()).port == 5060
    monkeypatch.setenv("SIP_PORT", "")
    assert sip.read(sip.load()).port == 8120


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"sip_host": "localhost"}, "SIP_HOST is 'localhost': it must be an address"),
        ({"sip_rtp_ports": "20000"}, "SIP_RTP_PORTS is '20000': it must be two ports"),
        ({"sip_rtp_ports": "20999-20000"}, "it must be two ports"),
        ({"sip_rtp_ports": "80-20000"}, "it must be two ports"),
        ({"sip_rtp_ports": "20000-70000"}, "it must be two ports"),
        ({"sip_rtp_ports": "20000-20238"}, "SIP_MOST_CALLS=120 needs 240 of them"),
        ({"sip_rtp_ports": "8000-9000"}, r"port 8020 is SIP's own \(SIP_PORT\)"),
    ],
)
def test_a_bad_setting_is_one_sentence_that_names_it(given, sentence):
    with pytest.raises(sip.BadFile, match=sentence) as refusal:
        sip.read(settings(**given))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"), [("SIP_MOST_CALLS", "0"), ("SIP_PORT", "70000"), ("SIP_VOICE", "robot")]
)
def test_a_setting_out_of_bounds_is_one_sentence_too(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(sip.BadFile, match=f"{name} is '{value}'") as refusal:
        sip.load()
    assert "\n" not in str(refusal.value)


# ---------------------------------------------------------------- telephones


def test_a_file_names_telephones_and_who_is_heard(tmp_path):
    plan = read(tmp_path, TELEPHONES, sip_host="0.0.0.0")  # noqa: S104
    assert plan.networks == (IPv4Network("192.168.10.0/24"),)
    assert plan.advertised_host == "192.168.10.5"
    assert plan.accounts["hall"].rings == ("+33142685300", "client:3f2c")
    assert plan.accounts["back-office"].rings == ()
    assert plan.accounts["back-office"].number == ""
    assert "poste1" not in plan.accounts
    assert plan.hears("192.168.10.77")
    assert not plan.hears("192.168.11.77")


def test_a_file_that_names_no_network_is_heard_on_this_machine_only(tmp_path):
    plan = read(tmp_path, "")
    assert plan.hears("127.0.0.1")
    assert not plan.hears("192.168.10.77")
    assert plan.accounts == {}


def test_a_plan_cannot_be_changed(tmp_path):
    plan = read(tmp_path, TELEPHONES)
    with pytest.raises(TypeError):
        plan.accounts["intruder"] = plan.accounts["hall"]  # type: ignore[index]


def test_passwords_are_not_written_anywhere(tmp_path):
    plan = read(tmp_path, TELEPHONES + TRUNK)
    assert "letters" not in repr(plan)
    assert "of the provider" not in repr(plan)


# ---------------------------------------------------------------- the trunk


def test_the_trunk_is_heard_and_told_from_telephones(tmp_path):
    plan = read(tmp_path, TELEPHONES + TRUNK)
    assert plan.hears("198.51.100.3")
    assert plan.is_trunk("198.51.100.3")
    assert not plan.is_trunk("192.168.10.77")
    assert not plan.is_trunk("198.51.100.16")


def test_without_a_trunk_nothing_is_the_trunk_s(tmp_path):
    assert not read(tmp_path, TELEPHONES).is_trunk("192.168.10.77")


def test_a_trunk_at_an_address_calls_from_there(tmp_path):
    trunk = trunk_of(tmp_path, '[trunk]\nhost = "198.51.100.3"')
    assert trunk.networks == (IPv4Network("198.51.100.3/32"),)
    assert (trunk.port, trunk.transport) == (5060, "udp")
    assert (trunk.calls_per_second, trunk.most_calls) == (1.0, 10)


@pytest.mark.parametrize("number", ["+33142685300", "+33612345678"])
def test_numbers_below_the_prefixes_may_be_called(tmp_path, number):
    assert trunk_of(tmp_path).allows(number)


@pytest.mark.parametrize(
    "number",
    [
        "+33974750001",  # below no prefix
        "+1900555010",
        "0142685300",
        "+33142685300;phone-context=x",
        "+33142685300\n",
        "+3314268530\N{ARABIC-INDIC DIGIT FOUR}",
        "+331",
        "",
        "poste1",
        "client:3f2c",
        "17",
    ],
)
def test_nothing_else_may_be_called(tmp_path, number):
    assert not trunk_of(tmp_path).allows(number)


def test_a_trunk_without_prefixes_calls_nobody(tmp_path):
    assert not trunk_of(tmp_path, '[trunk]\nhost = "198.51.100.3"').allows("+33142685300")


@pytest.mark.parametrize("number", ["+33810123456", "+33820123456", "+33899123456"])
def test_dear_numbers_need_a_prefix_of_their_own(tmp_path, number):
    wide = TRUNK.replace('"+331"', '"+33"')
    assert trunk_of(tmp_path, wide).allows("+33142685300")
    assert not trunk_of(tmp_path, wide).allows(number)
    assert not trunk_of(tmp_path, TRUNK.replace('"+331"', '"+338"')).allows(number)
    assert trunk_of(tmp_path, TRUNK.replace('"+331"', f'"{number[:5]}"')).allows(number)


@pytest.mark.parametrize("number", ["+33118712", "+331023456", "+33700123456789"])
def test_short_and_overlong_numbers_of_france_are_none_that_may_be_called(tmp_path, number):
    """Directory services (118 XYZ) are among the dearest, and stand below +331."""
    wide = TRUNK.replace('"+331"', '"+33"')
    assert not trunk_of(tmp_path, wide).allows(number)
    assert not trunk_of(tmp_path, TRUNK).allows(number)


def test_only_numbers_of_ours_are_shown(tmp_path):
    trunk = trunk_of(tmp_path)
    assert trunk.shown("+33142685300") == "+33142685300"
    assert trunk.shown("+33612345678") == "+33974750001"


# ---------------------------------------------------------------- mistakes in the file


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("networks = 3", "networks must be a list, as"),
        ("networks = []", "networks is empty: nobody would be heard"),
        ('networks = ["mairie"]', "networks must be a text, as"),
        ('networks = ["192.168.10.5/24"]', "networks has 192.168.10.5/24, which is no network"),
        ('networks = ["0.0.0.0/0"]', "networks has 0.0.0.0/0, which is the whole world"),
        ('networks = ["::/0"]', "networks has ::/0, which is the whole world"),
        ('network = ["10.0.0.0/8"]', "network is not known: there are accounts, advertised_host"),
        ('advertised_host = "mairie"', "advertised_host must be an address"),
        ('advertised_host = "0.0.0.0"', "advertised_host is missing"),
        ("accounts = 3", "accounts must be at most 1000 tables"),
        ("accounts.hall = 3", "accounts.hall must be a table: write"),
        ('accounts."a b".password = "twelve letters"', "accounts.a b is no name for an account"),
        ("[accounts.hall]", "accounts.hall.password must be a text of at least 12"),
        ('[accounts.hall]\npassword = "short"', "accounts.hall.password must be a text of at"),
        (
            '[accounts.hall]\npassword = "twelve letters"\nrings = ["0142685300"]',
            "accounts.hall.rings must be a text, as",
        ),
        (
            TELEPHONES.replace('"other letters"', '"other letters"\nrings = ["client:3f2c"]'),
            "accounts.back-office.rings has client:3f2c, which is hall's already",
        ),
        ("[trunk]", "trunk.host must be a text"),
        ('[trunk]\nhost = "sip.example.net"', "trunk.networks is missing"),
        ('[trunk]\nhost = "198.51.100.3"\nuser = "x"', "trunk.user and trunk.password go together"),
        ('[trunk]\nhost = "198.51.100.3"\ntransport = "tls"', "trunk.transport must be a text"),
        ('[trunk]\nhost = "198.51.100.3"\nport = 0', "trunk.port must be a number from 1 to 65535"),
        ('[trunk]\nhost = "198.51.100.3"\nport = 5.5', "trunk.port must be a whole number"),
        ('[trunk]\nhost = "198.51.100.3"\nport = true', "trunk.port must be a number"),
        ('[trunk]\nhost = "198.51.100.3"\ncalls_per_second = 0', "trunk.calls_per_second must be"),
        ('[trunk]\nhost = "198.51.100.3"\nprefixes = ["+"]', "trunk.prefixes must be a text"),
        ('[trunk]\nhost = "198.51.100.3"\nprefixes = ["+33"]', "trunk.caller_ids is empty"),
        (
            f'[trunk]\nhost = "198.51.100.3"\nprefixes = {["+331"] * 101}'.replace("'", '"'),
            "trunk.prefixes has more than 100",
        ),
        (
            '[accounts.hall]\npassword = "twelve letters"\nrings = '
            + str([f"client:{number}" for number in range(1001)]).replace("'", '"'),
            "accounts rings more than 1000 numbers and clients",
        ),
        ("a = ", "not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence_with_file_and_key(tmp_path, text, sentence):
    with pytest.raises(sip.BadFile, match=re.escape(f"sip.toml: {sentence}")) as refusal:
        read(tmp_path, text)
    assert "\n" not in str(refusal.value)


def test_a_wildcard_needs_the_address_that_telephones_are_told(tmp_path):
    text = TELEPHONES.replace('advertised_host = "192.168.10.5"', "")
    with pytest.raises(sip.BadFile, match="advertised_host is missing"):
        read(tmp_path, text, sip_host="0.0.0.0")  # noqa: S104
    assert read(tmp_path, text, sip_host="192.168.10.5").advertised_host == "192.168.10.5"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(
        sip.BadFile, match=r"SIP_FILE is .*none.toml, which cannot be read: No such"
    ):
        sip.read(settings(sip_file=str(tmp_path / "none.toml")))
