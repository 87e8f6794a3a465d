"""Settings that are not fit for production: each is refused by its name, and a fit set starts."""

from __future__ import annotations

import base64
import hashlib

from collections.abc import Mapping

import pytest

import config

KEY = base64.b64encode(hashlib.sha256(b"a key of the tests").digest()).decode()
OTHER_KEY = base64.b64encode(hashlib.sha256(b"another key of the tests").digest()).decode()
SECRET = hashlib.sha256(b"a secret of the tests").hexdigest()
TOKEN = hashlib.sha256(b"a token of the tests").hexdigest()[:32]
FIT = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://allo:secret@db.allo.example/allo?sslmode=verify-full",
    "REDIS_URL": "rediss://:secret@redis.allo.example/0",
    "PUBLIC_BASE_URL": "https://allo.example.fr",
    "SECRET_KEY": SECRET,
    "DATA_KEYS": KEY,
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
    "TWILIO_AUTH_TOKEN": TOKEN,
    "NATIONAL_NUMBER": "+33974751234",
    "OUTBOUND_CALLER_ID": "+33974751234",
    "SMS_SENDER": "AlloRDV",
    "SMS_PARTS_PER_DAY": "20000",
    "SECURITY_CONTACT": "mailto:securite@allo.example.fr",
    "PROXY_HOPS": "1",
    "CAMPAIGN": "campaigns/demonstration.toml",
}
SEVERAL = (
    "postgresql://allo:secret@one.example.fr:5432,two.example.fr:5433/allo"
    "?sslmode=verify-full&target_session_attrs=read-write"
)
# What is said otherwise, None: not at all; and the setting that the refusal begins with.
UNFIT: tuple[tuple[dict[str, str | None], str], ...] = (
    ({"PUBLIC_BASE_URL": "http://allo.example.fr"}, "PUBLIC_BASE_URL"),
    ({"PUBLIC_BASE_URL": "https://user:password@allo.example.fr"}, "PUBLIC_BASE_URL"),
    ({"PUBLIC_BASE_URL": "https://allo.example.fr?x=1"}, "PUBLIC_BASE_URL"),
    ({"PUBLIC_BASE_URL": "https://192.168.1.4"}, "PUBLIC_BASE_URL"),
    ({"PUBLIC_BASE_URL": "https://localhost:8000"}, "PUBLIC_BASE_URL"),
    ({"PUBLIC_BASE_URL": "https://[::1"}, "PUBLIC_BASE_URL"),
    ({"VOICE_FALLBACK_URL": "http://static.example.fr/fallback.xml"}, "VOICE_FALLBACK_URL"),
    ({"VOICE_FALLBACK_URL": "https://10.0.0.4/fallback.xml"}, "VOICE_FALLBACK_URL"),
    ({"SMS_SENDER_PARTS_PER_SECOND": "0.1"}, "SMS_SENDER_PARTS_PER_SECOND"),
    ({"SECRET_KEY": "x"}, "SECRET_KEY"),
    ({"SECRET_KEY": "short"}, "SECRET_KEY"),
    ({"SECRET_KEY": "abcabcabcabcabcabcabcabcabcabcabcabc"}, "SECRET_KEY"),
    ({"SECRET_KEY": config.DEVELOPMENT_SECRET}, "SECRET_KEY"),
    ({"SECRET_KEY": TOKEN}, "SECRET_KEY"),
    ({"DATA_KEYS": base64.b64encode(bytes(32)).decode()}, "DATA_KEYS"),
    ({"DATA_KEYS": config.DEVELOPMENT_DATA_KEY}, "DATA_KEYS"),
    ({"DATA_KEYS": f"{config.DEVELOPMENT_DATA_KEY},{KEY}"}, "DATA_KEYS"),
    ({"DATA_KEYS": f"{KEY},{KEY}"}, "DATA_KEYS"),
    ({"DATA_KEYS": base64.b64encode(b"0123456789" * 3 + b"01").decode()}, "DATA_KEYS"),
    ({"DATA_KEYS": base64.b64encode(b"too short").decode()}, "DATA_KEYS"),
    ({"INDEX_KEY": config.DEVELOPMENT_DATA_KEY}, "INDEX_KEY"),
    ({"INDEX_KEY": base64.b64encode(bytes(32)).decode()}, "INDEX_KEY"),
    ({"INDEX_KEY": base64.b64encode(b"too short").decode()}, "INDEX_KEY"),
    ({"INDEX_KEY": KEY}, "INDEX_KEY"),
    ({"INDEX_KEY": OTHER_KEY, "SECRET_KEY": OTHER_KEY}, "INDEX_KEY"),
    ({"DATA_KEYS": f"1:{KEY},1:{OTHER_KEY}"}, "DATA_KEYS"),
    ({"DATA_KEYS": f"0:{KEY}"}, "DATA_KEYS"),
    ({"TWILIO_AUTH_TOKEN": config.DEVELOPMENT_AUTH_TOKEN}, "TWILIO_AUTH_TOKEN"),
    ({"TWILIO_AUTH_TOKEN": "0" * 32}, "TWILIO_AUTH_TOKEN"),
    ({"TWILIO_AUTH_TOKEN_PREVIOUS": config.DEVELOPMENT_AUTH_TOKEN}, "TWILIO_AUTH_TOKEN_PREVIOUS"),
    ({"TWILIO_AUTH_TOKEN_PREVIOUS": "old"}, "TWILIO_AUTH_TOKEN_PREVIOUS"),
    ({"TWILIO_ACCOUNT_SID": "foo"}, "TWILIO_ACCOUNT_SID"),
    ({"TWILIO_ACCOUNT_SID": config.DEVELOPMENT_ACCOUNT_SID}, "TWILIO_ACCOUNT_SID"),
    ({"TWILIO_API_BASE_URL": "http://twilio.example.fr"}, "TWILIO_API_BASE_URL"),
    ({"TWILIO_API_KEY_SID": "SK1"}, "TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET"),
    ({"KELDOC_SECRET": "x"}, "KELDOC_KEY and KELDOC_SECRET"),
    ({"NATIONAL_NUMBER": "0974"}, "NATIONAL_NUMBER"),
    ({"NATIONAL_NUMBER": "0 974 75 12 34"}, "NATIONAL_NUMBER"),
    ({"OUTBOUND_CALLER_ID": "+33612345678"}, "OUTBOUND_CALLER_ID"),
    ({"SMS_SENDER": "AlloRendezVousFrance"}, "SMS_SENDER"),
    ({"SMS_SENDER": "1234567"}, "SMS_SENDER"),
    ({"SMS_SENDER": "Allô"}, "SMS_SENDER"),
    ({"DATABASE_URL": "sqlite:////var/lib/allo.sqlite3"}, "DATABASE_URL"),
    ({"DATABASE_URL": "postgresql://allo@db.example.fr/allo"}, "DATABASE_URL"),
    ({"DATABASE_URL": "postgresql://allo@db.example.fr/allo?sslmode=disable"}, "DATABASE_URL"),
    ({"DATABASE_URL": "postgresql://allo@db.example.fr/allo?sslmode=prefer"}, "DATABASE_URL"),
    ({"DATABASE_URL": "postgresql://a@one:5432,two:5432/allo?sslmode=require"}, "DATABASE_URL"),
    ({"DATABASE_URL": "postgresql://a@one:x,two/allo?sslmode=require"}, "DATABASE_URL"),
    (
        {"DATABASE_URL": "postgresql://a@one,two/allo?target_session_attrs=read-write"},
        "DATABASE_URL",
    ),
    (
        {"DATABASE_URL": "postgresql:///allo?host=one,/run&target_session_attrs=read-write"},
        "DATABASE_URL",
    ),
    ({"REPLICA_DATABASE_URL": "postgresql://allo@copy.example.fr/allo"}, "REPLICA_DATABASE_URL"),
    ({"REPLICA_DATABASE_URL": "sqlite:///copy.sqlite3"}, "REPLICA_DATABASE_URL"),
    ({"DATABASE_URL": "postgresql:///allo?host=/run/pg&pgbouncer=yes"}, "DATABASE_URL"),
    (
        {"MIGRATION_DATABASE_URL": "postgresql://owner@db.example.fr/allo"},
        "MIGRATION_DATABASE_URL",
    ),
    ({"MIGRATION_DATABASE_URL": "sqlite:////var/lib/allo.sqlite3"}, "MIGRATION_DATABASE_URL"),
    ({"REDIS_URL": "redis://redis.example.fr/0"}, "REDIS_URL"),
    ({"REDIS_URL": "http://redis.example.fr"}, "REDIS_URL"),
    (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://traces.example.fr:4318"},
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    ({"REDIS_URL": "redis://:a@redis.example.fr/0"}, "REDIS_URL"),
    ({"REDIS_URL": "redis://:aaaaaaaaaaaaaaaaaaaaaaaa@redis.example.fr/0"}, "REDIS_URL"),
    ({"REDIS_URL": "rediss://:secret@redis.example.fr/0?ssl_cert_reqs=none"}, "REDIS_URL"),
    ({"REDIS_URL": "rediss://:secret@redis.example.fr/0?ssl_cert_reqs=optional"}, "REDIS_URL"),
    ({"REDIS_URL": "rediss://:secret@redis.example.fr/0?ssl_check_hostname=false"}, "REDIS_URL"),
    ({"DATABASE_URL": "postgresql:///allo?host=/run&hostaddr=203.0.113.4"}, "DATABASE_URL"),
    ({"DATABASE_URL": f"{SEVERAL}&hostaddr=203.0.113.4"}, "DATABASE_URL"),
    ({"DATABASE_URL": "postgresql:///allo?service=elsewhere"}, "DATABASE_URL"),
    ({"DATABASE_URL": "postgresql:///allo?servicefile=/tmp/x&service=y"}, "DATABASE_URL"),
    ({"REPLICA_DATABASE_URL": "postgresql:///allo?service=elsewhere"}, "REPLICA_DATABASE_URL"),
    ({"MIGRATION_DATABASE_URL": "postgresql:///allo?hostaddr=10.0.0.1"}, "MIGRATION_DATABASE_URL"),
    ({"METRICS_TOKEN": "x"}, "METRICS_TOKEN"),
    ({"METRICS_TOKEN": "x" * 40}, "METRICS_TOKEN"),
    ({"TWILIO_API_BASE_URL": "https://api.example.fr"}, "TWILIO_API_BASE_URL"),
    ({"TWILIO_API_BASE_URL": "https://api.twilio.com.example.fr"}, "TWILIO_API_BASE_URL"),
    ({"TWILIO_API_BASE_URL": "https://eviltwilio.com"}, "TWILIO_API_BASE_URL"),
    ({"TWILIO_API_BASE_URL": "http://api.twilio.com"}, "TWILIO_API_BASE_URL"),
    ({"ALERT_WEBHOOK_URL": "https://127.1/x"}, "ALERT_WEBHOOK_URL"),
    ({"ALERT_WEBHOOK_URL": "https://2130706433/x"}, "ALERT_WEBHOOK_URL"),
    ({"ALERT_WEBHOOK_URL": "https://0x7f.1/x"}, "ALERT_WEBHOOK_URL"),
    ({"ALERT_WEBHOOK_URL": "https://[::ffff:10.0.0.1]/x"}, "ALERT_WEBHOOK_URL"),
    ({"TRACES_ANCHOR_WEBHOOK_URL": "https://10.1/x"}, "TRACES_ANCHOR_WEBHOOK_URL"),
    ({"TRACES_ANCHOR_FILE": "/dev/null"}, "TRACES_ANCHOR_FILE"),
    ({"TRACES_ANCHOR_FILE": "/dev/stdout"}, "TRACES_ANCHOR_FILE"),
    ({"TRACES_ANCHOR_FILE": "/usr"}, "TRACES_ANCHOR_FILE"),
    ({"CLUSTER_SIZE": "0"}, "CLUSTER_SIZE"),
    ({"CLUSTER_SIZE": "1"}, "CLUSTER_SIZE"),
    ({"CLUSTER_SIZE": "1000000"}, "CLUSTER_SIZE"),
    ({"SECONDS_PER_ANSWER": "0"}, "SECONDS_PER_ANSWER"),
    ({"UNPROVED_PER_ADDRESS": "1000000"}, "UNPROVED_PER_ADDRESS"),
    ({"UNPROVED_PER_BIRTH_DATE": "1000000"}, "UNPROVED_PER_BIRTH_DATE"),
    ({"UNPROVED_PER_NUMBER": "1000000"}, "UNPROVED_PER_NUMBER"),
    ({"CODES_PER_ADDRESS": "1000000"}, "CODES_PER_ADDRESS"),
    ({"CODES_PER_NUMBER": "1000000"}, "CODES_PER_NUMBER"),
    ({"BOOKINGS_WITHOUT_NUMBER": "1000000"}, "BOOKINGS_WITHOUT_NUMBER"),
    ({"HOLDS_PER_ADDRESS": "1000000"}, "HOLDS_PER_ADDRESS"),
    ({"HOLDS_PER_BROWSER": "1000000"}, "HOLDS_PER_BROWSER"),
    ({"HOLDS_PER_NUMBER": "1000000"}, "HOLDS_PER_NUMBER"),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "traces.example.fr:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ({"ALERT_WEBHOOK_URL": "file:///etc/passwd"}, "ALERT_WEBHOOK_URL"),
    ({"ALERT_WEBHOOK_URL": "http://alerts.example.fr/x"}, "ALERT_WEBHOOK_URL"),
    ({"ALERT_WEBHOOK_URL": "https://169.254.169.254/latest"}, "ALERT_WEBHOOK_URL"),
    ({"ALERT_WEBHOOK_URL": "https://chat.internal/x"}, "ALERT_WEBHOOK_URL"),
    ({"TRACES_SECRET": "x"}, "TRACES_SECRET"),
    ({"TRACES_SECRET": f"{config.DEVELOPMENT_SECRET},{SECRET}"}, "TRACES_SECRET"),
    ({"TRACES_SECRET": f"{SECRET},"}, "TRACES_SECRET"),
    ({"TRACES_ANCHOR_WEBHOOK_URL": "http://anchors.example.fr/x"}, "TRACES_ANCHOR_WEBHOOK_URL"),
    ({"TRACES_ANCHOR_WEBHOOK_URL": "https://10.0.0.4/x"}, "TRACES_ANCHOR_WEBHOOK_URL"),
    ({"PROXY_HOPS": None}, "PROXY_HOPS"),
    ({"BIND_ADDRESS": "localhost"}, "BIND_ADDRESS"),
    ({"BIND_ADDRESS": "0.0.0.0:8000"}, "BIND_ADDRESS"),
    ({"SMS_PARTS_PER_DAY": "0"}, "SMS_PARTS_PER_DAY"),
    ({"SMS_PARTS_PER_DAY": None}, "SMS_PARTS_PER_DAY"),
    ({"UNPROVED_PER_ADDRESS": "0"}, "UNPROVED_PER_ADDRESS"),
    ({"UNPROVED_PER_BIRTH_DATE": "0"}, "UNPROVED_PER_BIRTH_DATE"),
    ({"UNPROVED_PER_NUMBER": "0"}, "UNPROVED_PER_NUMBER"),
    ({"CODES_PER_ADDRESS": "0"}, "CODES_PER_ADDRESS"),
    ({"CODES_PER_NUMBER": "0"}, "CODES_PER_NUMBER"),
    ({"BOOKINGS_WITHOUT_NUMBER": "0"}, "BOOKINGS_WITHOUT_NUMBER"),
    ({"SMS_PARTS_PER_NUMBER": "20001"}, "SMS_PARTS_PER_NUMBER"),
    ({"SMS_PARTS_PER_CLIENT": "30000"}, "SMS_PARTS_PER_CLIENT"),
    ({"SMS_PARTS_PER_PREFIX": "20001"}, "SMS_PARTS_PER_PREFIX"),
    ({"HOLDS_PER_ADDRESS": "0"}, "HOLDS_PER_ADDRESS"),
    ({"HOLDS_PER_BROWSER": "0"}, "HOLDS_PER_BROWSER"),
    ({"HOLDS_PER_NUMBER": "0"}, "HOLDS_PER_NUMBER"),
    ({"SMTP_URL": "mail.example.fr:587"}, "SMTP_URL"),
    ({"SMTP_URL": "smtp://"}, "SMTP_URL"),
    ({"SMTP_URL": "smtp://mail.example.fr:submission"}, "SMTP_URL"),
    ({"SMTP_URL": "smtps://mail.example.fr"}, "MAIL_FROM"),
    ({"SMTP_URL": "smtps://mail.example.fr", "MAIL_FROM": "rdv"}, "MAIL_FROM"),
    ({"SECURITY_CONTACT": None}, "SECURITY_CONTACT"),
    ({"SECURITY_CONTACT": "me"}, "SECURITY_CONTACT"),
)


def environment(monkeypatch: pytest.MonkeyPatch, changed: Mapping[str, str | None]) -> None:
    # The names that a machine may have for other programs, too.
    for name in config.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {**FIT, **changed}.items():
        if value is not None:
            monkeypatch.setenv(name, value)


def refused(monkeypatch: pytest.MonkeyPatch, changed: Mapping[str, str | None]) -> list[str]:
    """The sentences with which these settings are refused."""
    environment(monkeypatch, changed)
    with pytest.raises(config.BadSettings) as caught:
        config.load(_env_file=None)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(("changed", "named"), UNFIT, ids=lambda value: str(value)[:60])
def test_what_is_not_fit_is_refused_in_one_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, changed: Mapping[str, str | None], named: str
):
    (sentence,) = refused(monkeypatch, changed)
    assert sentence.startswith(f"{named} ")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"DATABASE_URL": "postgresql:///allo?host=/run/postgresql"},
        {"DATABASE_URL": "postgresql+psycopg:///allo"},
        {"DATABASE_URL": "postgresql:///allo?host=/run/pgbouncer&port=6432&pgbouncer=prepared"},
        {"MIGRATION_DATABASE_URL": "postgresql:///allo?host=/run/postgresql"},
        {"DATABASE_URL": "postgresql://allo@db.example.fr/allo?sslmode=require"},
        {"DATABASE_URL": SEVERAL},
        {"DATABASE_URL": "postgresql:///allo?host=/run/a,/run/b&target_session_attrs=primary"},
        {"REPLICA_DATABASE_URL": "postgresql://allo@one:5433,two/allo?sslmode=verify-full"},
        {"DATA_KEYS": f"{OTHER_KEY},{KEY}", "TWILIO_AUTH_TOKEN_PREVIOUS": SECRET[:40]},
        {"DATA_KEYS": f"2:{OTHER_KEY},{KEY}"},
        {"INDEX_KEY": OTHER_KEY},
        {"REDIS_URL": "unix:///run/redis.sock"},
        {"REDIS_URL": "redis://:a-Word-of-2_people@10.0.0.3/0"},
        {"ALERT_WEBHOOK_URL": "https://alerts.example.fr/x"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://traces.example.fr"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        {
            "ALERT_WEBHOOK_URL": "https://chat.internal/x",
            "ALERT_WEBHOOK_PRIVATE_HOST": "chat.internal",
        },
        {"NATIONAL_NUMBER": "3966", "SMS_SENDER": "36180", "PROXY_HOPS": "0"},
        {"SECURITY_CONTACT": "https://allo.example.fr/securite"},
        {"TWILIO_API_BASE_URL": "http://127.0.0.1:8010"},
        {"TWILIO_API_BASE_URL": "https://api.ireland.twilio.com"},
        {
            "TWILIO_API_BASE_URL": "https://mock.example.fr",
            "TWILIO_API_HOSTS": "other.example.fr, Mock.example.fr",
        },
        {"METRICS_TOKEN": KEY, "TRACES_ANCHOR_FILE": "/var/lib/allo/anchors"},
        {"REDIS_URL": "rediss://:secret@redis.example.fr/0?ssl_cert_reqs=required"},
        {"UNPROVED_PER_ADDRESS": "40", "HOLDS_PER_ADDRESS": "1000", "CLUSTER_SIZE": "30"},
        {"SMTP_URL": "smtp://us%40er:pa%3Ass@mail.example.fr", "MAIL_FROM": "rdv@allo.example.fr"},
    ],
    ids=str,
)
def test_what_is_fit_starts(monkeypatch: pytest.MonkeyPatch, changed: Mapping[str, str | None]):
    environment(monkeypatch, changed)
    assert config.load(_env_file=None).environment == "production"


@pytest.mark.parametrize(
    ("said", "listens_at"),
    [
        ({}, "127.0.0.1"),
        ({"PROXY_HOPS": "0"}, "0.0.0.0"),  # noqa: S104
        ({"BIND_ADDRESS": "::"}, "::"),
        ({"ENVIRONMENT": "development"}, "127.0.0.1"),
    ],
)
def test_the_web_listens_everywhere_in_production_without_a_proxy_and_else_at_home(
    monkeypatch: pytest.MonkeyPatch, said: Mapping[str, str | None], listens_at: str
):
    environment(monkeypatch, said)
    assert config.load(_env_file=None).bind_address == listens_at


def test_a_worker_of_production_drains_unless_somebody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
):
    environment(monkeypatch, {})
    assert config.load(_env_file=None).drain_seconds == config.DRAIN_SECONDS > 0
    environment(monkeypatch, {"DRAIN_SECONDS": "0"})
    assert config.load(_env_file=None).drain_seconds == 0


def test_a_password_in_the_place_of_a_port_is_not_repeated(monkeypatch: pytest.MonkeyPatch):
    wrong = {"SMTP_URL": "smtp://rdv:hunter2", "MAIL_FROM": "rdv@allo.example.fr"}
    assert "hunter2" not in "".join(refused(monkeypatch, wrong))


def test_everything_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch):
    wrong = {"SECRET_KEY": "x", "PROXY_HOPS": None, "REDIS_URL": "redis://redis.example.fr"}
    named = [sentence.split()[0] for sentence in refused(monkeypatch, wrong)]
    assert named == ["SECRET_KEY", "REDIS_URL", "PROXY_HOPS"]


def page_of_going_live() -> dict[str, str]:
    """The settings that docs/going-live.md prints, with the dots of its secrets."""
    page = (config.ROOT / "docs" / "going-live.md").read_text("utf-8")
    block = page.split("## 2. The settings", 1)[1].split("```", 2)[1]
    lines = [line.partition(" #")[0].strip() for line in block.splitlines()]
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_the_settings_of_the_page_with_their_dots_are_refused_each_in_its_line(
    monkeypatch: pytest.MonkeyPatch,
):
    printed = page_of_going_live()
    dotted = {name for name, value in printed.items() if "…" in value}
    environment(monkeypatch, dict.fromkeys(FIT) | printed)
    with pytest.raises(config.BadSettings) as caught:
        config.load(_env_file=None)
    said = str(caught.value).splitlines()
    named = [sentence.split()[0] for sentence in said]
    assert sorted(named) == [
        *("DATA_KEYS", "INDEX_KEY", "METRICS_TOKEN", "SECRET_KEY"),
        *("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"),
    ]
    assert set(named) <= dotted


def test_what_is_missing_does_not_hide_what_is_wrong(monkeypatch: pytest.MonkeyPatch):
    wrong = {"SECRET_KEY": None, "PORT": "http", "WEB_THREADS": "0", "DATA_KEYS": "x"}
    wrong |= {"OUTBOUND_CALLER_ID": "1", "REDIS_URL": "http://redis.example.fr"}
    said = refused(monkeypatch, wrong)
    assert [sentence.split()[0].rstrip(":") for sentence in said] == [
        *("PORT", "WEB_THREADS", "ENVIRONMENT"),
        *("OUTBOUND_CALLER_ID", "DATA_KEYS", "REDIS_URL"),
    ]
    assert "missing: SECRET_KEY." in said[2]
    assert all(sentence.endswith(".") for sentence in said)


def test_a_program_that_only_reads_them_ends_with_these_lines_alone(
    monkeypatch: pytest.MonkeyPatch,
):
    environment(monkeypatch, {"SECRET_KEY": "x"})
    with pytest.raises(SystemExit) as caught:
        config.load(_env_file=None)
    # Python prints it to standard error, and no traceback; the exit status is 1.
    assert str(caught.value.code).startswith("SECRET_KEY must be random")


def test_no_refusal_repeats_a_secret(monkeypatch: pytest.MonkeyPatch):
    wrong = {"SECRET_KEY": "my-own-secret", "TWILIO_AUTH_TOKEN_PREVIOUS": "my-own-token"}
    assert "my-own" not in "".join(refused(monkeypatch, wrong))


def test_in_development_nothing_of_it_is_asked(monkeypatch: pytest.MonkeyPatch):
    environment(monkeypatch, {})
    for name in FIT:
        monkeypatch.delenv(name)
    assert config.load(_env_file=None).environment == "development"
