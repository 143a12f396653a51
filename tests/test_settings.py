"""Settings: every default, every refusal, what is shown, and that the documentation tells the same."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import asdict
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from pet.hashing_costs import HashingCosts
from pet.operation_limits import OperationLimits
from pet.settings import EffectiveSetting, Settings, SettingsError, description_of

KEY = "k" * 32
DOCUMENT = Path(__file__).parents[1] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _not_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())


def refused(**environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ)
    return caught.value.sentences


def test_the_defaults_suit_one_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.load({"HOME": "/home/pet"}).model_dump() == {
        "host": "127.0.0.1",
        "port": 3000,
        "data_dir": tmp_path / "pet-data",
        "public_url": "http://localhost:3000",
        "secret_key": None,
        "signing_keys": None,
        "password_hashing": asdict(HashingCosts()),
        "database_url": f"sqlite://{tmp_path}/pet-data/pet.sqlite3",
        "database_pool_size": 10,
        "database_statement_timeout": None,
        "documents_url": None,
        "media_url": f"{tmp_path}/pet-data/media",
        "media_delivery": "proxy",
        "redis_url": None,
        "amqp_url": None,
        "engine_timeout": 2.0,
        "cors_origins": ("local",),
        "graphiql": True,
        "rate_limits": True,
        "graphql_documents": "any",
        "graphql_limits": asdict(OperationLimits()),
        "graphql_executor": "compiled",
        "graphql_introspection": True,
        "graphql_suggestions": True,
        "subscriptions_per_user": 20,
        "max_body": 1_048_576,
        "connections_per_address": 256,
        "trusted_proxies": (),
        "trust_client_user_id": False,
        "log_format": "json",
        "log_level": "info",
    }


def test_every_setting_can_be_given() -> None:
    environ = {
        "PET_HOST": "::",
        "PET_PORT": "8080",
        "PET_DATA_DIR": "/var/lib/pet",
        "PET_PUBLIC_URL": "https://music.example/pet/",
        "PET_SECRET_KEY": KEY,
        "PET_SIGNING_KEYS": "/etc/pet/keys",
        "PET_PASSWORD_HASHING": "memory=64, passes=3, threads=4",
        "PET_DATABASE_URL": "postgres://pet:hush@db:5432/pet",
        "PET_DATABASE_POOL_SIZE": "4",
        "PET_DATABASE_STATEMENT_TIMEOUT": "1.5",
        "PET_DOCUMENTS_URL": "mongodb://pet:hush@a:1,b:2/pet?replicaSet=rs0",
        "PET_MEDIA_URL": "s3://music/pet",
        "PET_MEDIA_DELIVERY": "accel",
        "PET_REDIS_URL": "rediss://pet:hush@cache:6380/1?ssl_ca_certs=/etc/ca.pem",
        "PET_AMQP_URL": "amqps://pet:hush@broker/music",
        "PET_ENGINE_TIMEOUT": "0.5",
        "PET_CORS_ORIGINS": "local, https://App.example:8443",
        "PET_GRAPHIQL": "off",
        "PET_RATE_LIMITS": "off",
        "PET_GRAPHQL_DOCUMENTS": "trusted",
        "PET_GRAPHQL_LIMITS": "depth=8, budget=30000",
        "PET_GRAPHQL_EXECUTOR": "graphql-core",
        "PET_GRAPHQL_INTROSPECTION": "off",
        "PET_GRAPHQL_SUGGESTIONS": "off",
        "PET_SUBSCRIPTIONS_PER_USER": "5",
        "PET_MAX_BODY": "65536",
        "PET_CONNECTIONS_PER_ADDRESS": "50",
        "PET_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
        "PET_TRUST_CLIENT_USER_ID": "1",
        "PET_LOG_FORMAT": "console",
        "PET_LOG_LEVEL": "debug",
    }
    assert Settings.load(environ).model_dump() == {
        "host": "::",
        "port": 8080,
        "data_dir": Path("/var/lib/pet"),
        "public_url": "https://music.example/pet",
        "secret_key": SecretStr(KEY),
        "signing_keys": Path("/etc/pet/keys"),
        "password_hashing": asdict(HashingCosts(memory=64, passes=3, threads=4)),
        "database_url": "postgres://pet:hush@db:5432/pet",
        "database_pool_size": 4,
        "database_statement_timeout": 1.5,
        "documents_url": "mongodb://pet:hush@a:1,b:2/pet?replicaSet=rs0",
        "media_url": "s3://music/pet",
        "media_delivery": "accel",
        "redis_url": "rediss://pet:hush@cache:6380/1?ssl_ca_certs=/etc/ca.pem",
        "amqp_url": "amqps://pet:hush@broker/music",
        "engine_timeout": 0.5,
        "cors_origins": ("local", "https://app.example:8443"),
        "graphiql": False,
        "rate_limits": False,
        "graphql_documents": "trusted",
        "graphql_limits": asdict(OperationLimits(depth=8, budget=30_000)),
        "graphql_executor": "graphql-core",
        "graphql_introspection": False,
        "graphql_suggestions": False,
        "subscriptions_per_user": 5,
        "max_body": 65_536,
        "connections_per_address": 50,
        "trusted_proxies": (ip_network("10.0.0.0/8"), ip_network("::1")),
        "trust_client_user_id": True,
        "log_format": "console",
        "log_level": "debug",
    }


def test_the_public_url_follows_the_port() -> None:
    assert Settings.load({"PET_PORT": "4000"}).public_url == "http://localhost:4000"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://localhost:3000"),  # noqa: S104
        ("::", "http://localhost:3000"),
        ("localhost", "http://localhost:3000"),
        ("192.0.2.7", "http://192.0.2.7:3000"),
        ("2001:db8::7", "http://[2001:db8::7]:3000"),
    ],
)
def test_the_public_url_names_an_address_that_is_listened_on(host: str, url: str) -> None:
    assert Settings.load({"PET_HOST": host}).public_url == url


def test_the_files_follow_the_data_directory() -> None:
    settings = Settings.load({"PET_DATA_DIR": "/var/lib/pet"})
    assert (settings.database_url, settings.media_url) == ("sqlite:///var/lib/pet/pet.sqlite3", "/var/lib/pet/media")


def test_an_empty_value_counts_as_not_given() -> None:
    assert Settings.load({"PET_PORT": "", "PET_SECRET_KEY": " ", "PET_REDIS_URL": ""}) == Settings.load({})


def test_settings_made_in_code_know_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PET_PORT", "4000")
    assert (Settings().port, Settings.load().port) == (3000, 4000)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1


@pytest.mark.parametrize(
    ("name", "value", "must_be"),
    [
        ("PET_HOST", "two words", "a host name or an address"),
        ("PET_PORT", "0", "a whole number from 1 to 65535"),
        ("PET_PORT", "65536", "a whole number from 1 to 65535"),
        ("PET_PORT", "http", "a whole number from 1 to 65535"),
        *(
            ("PET_PUBLIC_URL", url, "an http:// or https:// URL without user, query and fragment")
            for url in (
                "localhost:3000", "ftp://x", "http://", "http://h:port", "http://h?q", "http://h#f", "http://u@h", "http://[x"
            )
        ),
        *(
            (
                "PET_PASSWORD_HASHING",
                costs,
                f"like {HashingCosts()}, with memory and passes no less than OWASP's minimum for argon2id",
            )
            for costs in (
                "19", "memory", "memory=x", "memory=0", "salt=1", "passes=1", "memory=18", "memory=6,passes=50",
                "memory=5000", "threads=65", "waiting=0",
            )
        ),
        *(
            (
                "PET_DATABASE_URL",
                url,
                "sqlite:///absolute/path or postgres://user:password@host:port/database",
            )
            for url in ("pet.sqlite3", "mysql://h/d", "sqlite://pet.sqlite3", "sqlite:///", "postgres:///d", "postgres://h",
                "postgres://h,/d", "postgres://h:x/d", "postgres://h,i:0/d", "postgres://h/d?sslmode", "postgres:///d?host=")
        ),
        *(
            ("PET_DATABASE_POOL_SIZE", size, "a whole number from 1 to 1000") for size in ("0", "1001", "many")
        ),
        *(
            ("PET_DATABASE_STATEMENT_TIMEOUT", seconds, "a number of seconds from 0.05 to 3600")
            for seconds in ("0", "3601", "2s")
        ),
        *(
            ("PET_MEDIA_URL", url, "the path of a folder, a file:///absolute/path URL or s3://bucket/prefix")
            for url in (
                "file://host/media", "file:///", "gs://bucket", "s3://", "s3:///media", "s3://Bucket", "s3://b/media",
                "s3://bucket:9000/media", "s3://bucket/me dia", "s3://bucket/../x", "s3://bucket//x", "s3://bucket?a=b"
            )
        ),
        ("PET_MEDIA_DELIVERY", "nginx", "proxy, redirect or accel"),
        *(
            (
                "PET_REDIS_URL",
                url,
                "redis://user:password@host:port/0, rediss://user:password@host:port/0 or unix:///path/to/socket?db=0",
            )
            for url in (
                "localhost:6379", "http://h", "redis:///0", "redis://h:0", "redis://h/x", "redis://h?retry_on_timeout=1",
                "rediss://h?socket_timeout=60", "unix://", "unix://h/s", "unix:///s?ssl_cert_reqs=none",
            )
        ),
        *(
            (
                "PET_AMQP_URL",
                url,
                "amqp://user:password@host:port/vhost or amqps://user:password@host:port/vhost",
            )
            for url in ("broker", "http://broker", "amqp://", "amqp:///music", "amqp://broker:0", "amqp://broker/#x")
        ),
        *(
            (
                "PET_DOCUMENTS_URL",
                url,
                "mongodb://user:password@host:port/database?replicaSet=name, or mongodb+srv:// with a database",
            )
            for url in (
                "h/pet", "postgres://h/pet", "mongodb://h", "mongodb://h/", "mongodb:///pet", "mongodb://h/a.b", "mongodb+srv://h"
            )
        ),
        *(
            (
                "PET_CORS_ORIGINS",
                origins,
                "none, or a comma-separated list of local and origins like https://app.example",
            )
            for origins in ("*", "app.example", "https://app.example/", "https://app.example/x", "local,", "none,local")
        ),
        ("PET_GRAPHIQL", "maybe", "on or off"),
        ("PET_RATE_LIMITS", "maybe", "on or off"),
        *(
            (
                "PET_TRUSTED_PROXIES",
                proxies,
                "none, or a comma-separated list of addresses and networks like 10.0.0.0/8",
            )
            for proxies in ("*", "proxy.example", "10.0.0.1/8", "10.0.0.1,")
        ),
        ("PET_TRUST_CLIENT_USER_ID", "2", "on or off"),
        ("PET_LOG_FORMAT", "xml", "console or json"),
        ("PET_LOG_LEVEL", "loud", "debug, info, warning or error"),
    ],
)  # fmt: skip
def test_a_bad_value_is_told_in_one_sentence(name: str, value: str, must_be: str) -> None:
    assert refused(**{name: value}) == (f"{name} is {value!r}, but must be {must_be}.",)


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (
            {"PET_MEDIA_DELIVERY": "redirect"},
            "PET_MEDIA_DELIVERY is 'redirect', but nobody can be redirected to a folder (PET_MEDIA_URL).",
        ),
        (
            {"PET_MEDIA_DELIVERY": "accel"},
            "PET_MEDIA_DELIVERY is 'accel', but PET_TRUSTED_PROXIES names no proxy to send the bytes.",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_told(environ: dict[str, str], sentence: str) -> None:
    assert refused(**environ) == (sentence,)


def test_the_keys_of_a_store_stand_in_no_url_and_are_not_shown() -> None:
    (sentence,) = refused(PET_MEDIA_URL="s3://key:hush@bucket/media")
    assert "hush" not in sentence


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert refused(PET_PORT="x", PET_LOG_LEVEL="loud", PET_PROT="1") == (
        "PET_PROT is not a setting; did you mean PET_PORT?",
        "PET_PORT is 'x', but must be a whole number from 1 to 65535.",
        "PET_LOG_LEVEL is 'loud', but must be debug, info, warning or error.",
    )


def test_a_name_like_no_other_gets_no_guess() -> None:
    assert refused(PET_BANANA="1") == ("PET_BANANA is not a setting; `pet config` lists the settings.",)


def test_names_of_the_test_suite_are_left_alone() -> None:
    assert Settings.load({"PET_TEST_AMQP_URL": "amqp://localhost"}) == Settings.load({})


@pytest.mark.parametrize(
    "limits",
    [
        "depth",
        "depth=",
        "depth=x",
        "depth=0",
        "depth=-1",
        "deep=5",
        "=",
        ",",
        "cost=200000",
        "budget=19999",
        "roots=251",
    ],
)
def test_limits_of_operations_that_cannot_be_meant_are_refused(limits: str) -> None:
    sentence = f"like {OperationLimits()}, each from 1, roots at most 250, and cost at most budget."
    assert refused(PET_GRAPHQL_LIMITS=limits) == (f"PET_GRAPHQL_LIMITS is {limits!r}, but must be {sentence}",)


@pytest.mark.parametrize("costs", ["memory=46,passes=1", "memory=12,passes=3", "memory=7,passes=5", "memory=19"])
def test_hashes_may_cost_what_owasp_takes_for_enough(costs: str) -> None:
    assert Settings.load({"PET_PASSWORD_HASHING": costs}).password_hashing.is_safe


def test_a_secret_key_counts_in_bytes() -> None:
    assert refused(PET_SECRET_KEY="k" * 31) == ("PET_SECRET_KEY must be at least 32 bytes long.",)
    assert Settings.load({"PET_SECRET_KEY": "ключ" * 4}).secret_key == SecretStr("ключ" * 4)


@pytest.mark.parametrize(
    "url", ["redis://cache", "redis://:hush@[::1]:6380/", "rediss://u:p@cache/15", "unix:///run/redis.sock?db=3"]
)
def test_redis_is_named_by_a_url_of_each_kind(url: str) -> None:
    assert Settings.load({"PET_REDIS_URL": url, "PET_SECRET_KEY": KEY}).redis_url == url


def test_redis_needs_a_secret_key_that_its_processes_share() -> None:
    needs = "PET_REDIS_URL needs PET_SECRET_KEY: one key, of at least 32 bytes, that all processes share."
    assert refused(PET_REDIS_URL="redis://cache") == (needs,)
    assert refused(PET_REDIS_URL="redis://cache", PET_PROT="1")[1:] == (needs,)
    with pytest.raises(SettingsError, match="needs PET_SECRET_KEY"):
        _ = Settings(redis_url="redis://cache").shared_secret


@pytest.mark.parametrize(
    "url",
    [
        "postgres://db/pet",
        "postgresql://pet:p%40ss%2Fword@[::1]:5433/pet?sslmode=verify-full&sslrootcert=/etc/pet/ca.pem",
        "postgres://pet@one:5432,two:5433/pet?target_session_attrs=read-write",
        "postgres:///pet?host=/run/postgresql",
    ],
)
def test_postgresql_may_be_one_host_or_several_or_a_socket(url: str) -> None:
    assert Settings.load({"PET_DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    "url",
    [
        "mysql://pet:hu/sh@h/d",
        "pet:hush@h/d",
        "postgres:/pet:hush@h/d",
        "postgres://h?password=hush",
        "postgres://p:hu@sh@h",
        "postgres://p:hu@sh@h/d",
    ],
)
def test_a_bad_url_is_told_without_its_password(url: str) -> None:
    (sentence,) = refused(PET_DATABASE_URL=url)
    assert "***" in sentence
    assert not re.search("hu|sh@", sentence.partition(", but")[0])


def test_what_is_in_force_is_shown_without_secrets() -> None:
    settings = Settings.load(
        {
            "PET_SECRET_KEY": KEY,
            "PET_DATABASE_URL": "postgresql://pet:hush@db/pet?sslpassword=hush&ssl=on",
            "PET_REDIS_URL": "redis://:hush@cache/1",
            "PET_AMQP_URL": "amqp://pet:hush@broker",
            "PET_DATA_DIR": "/data",
            "PET_DOCUMENTS_URL": "mongodb://pet:hush@h/pet",
            "PET_RATE_LIMITS": "off",
        }
    )
    assert [(shown.name, shown.value, shown.is_default) for shown in settings.effective()] == [
        ("PET_HOST", "127.0.0.1", True),
        ("PET_PORT", "3000", True),
        ("PET_DATA_DIR", "/data", False),
        ("PET_PUBLIC_URL", "http://localhost:3000", True),
        ("PET_SECRET_KEY", "***", False),
        ("PET_SIGNING_KEYS", "not set", True),
        ("PET_PASSWORD_HASHING", str(HashingCosts()), True),
        ("PET_DATABASE_URL", "postgresql://pet:***@db/pet?sslpassword=***&ssl=on", False),
        ("PET_DATABASE_POOL_SIZE", "10", True),
        ("PET_DATABASE_STATEMENT_TIMEOUT", "not set", True),
        ("PET_DOCUMENTS_URL", "mongodb://pet:***@h/pet", False),
        ("PET_MEDIA_URL", "/data/media", True),
        ("PET_MEDIA_DELIVERY", "proxy", True),
        ("PET_REDIS_URL", "redis://:***@cache/1", False),
        ("PET_AMQP_URL", "amqp://pet:***@broker", False),
        ("PET_ENGINE_TIMEOUT", "2", True),
        ("PET_CORS_ORIGINS", "local", True),
        ("PET_GRAPHIQL", "on", True),
        ("PET_RATE_LIMITS", "off", False),
        ("PET_GRAPHQL_DOCUMENTS", "any", True),
        ("PET_GRAPHQL_LIMITS", str(OperationLimits()), True),
        ("PET_GRAPHQL_EXECUTOR", "compiled", True),
        ("PET_GRAPHQL_INTROSPECTION", "on", True),
        ("PET_GRAPHQL_SUGGESTIONS", "on", True),
        ("PET_SUBSCRIPTIONS_PER_USER", "20", True),
        ("PET_MAX_BODY", "1048576", True),
        ("PET_CONNECTIONS_PER_ADDRESS", "256", True),
        ("PET_TRUSTED_PROXIES", "none", True),
        ("PET_TRUST_CLIENT_USER_ID", "off", True),
        ("PET_LOG_FORMAT", "json", True),
        ("PET_LOG_LEVEL", "info", True),
    ]
    assert not re.search(f"hush|{KEY}", repr(settings))


def test_a_setting_without_a_value_is_shown_as_not_set() -> None:
    assert Settings().effective()[4] == EffectiveSetting(
        "PET_SECRET_KEY", "not set", is_default=True, description=description_of("secret_key")
    )


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ("local", "http://localhost:5173", True),
        ("local", "https://127.0.0.1", True),
        ("local", "http://[::1]:80", True),
        ("local", "http://localhost.example", False),
        ("local", "http://localhost:5173.example", False),
        ("local", "null", False),
        ("https://app.example", "https://app.example", True),
        ("https://app.example", "https://appxexample", False),
        ("https://app.example", "http://localhost", False),
        ("https://app.example,local", "http://localhost", True),
        ("none", "http://localhost", False),
        ("none", "", False),
    ],
)
def test_cors_origins_match_whole_origins(origins: str, origin: str, *, allowed: bool) -> None:
    pattern = Settings.load({"PET_CORS_ORIGINS": origins}).cors_origin_pattern
    assert bool(re.fullmatch(pattern, origin)) is allowed


def test_the_log_is_for_eyes_on_a_terminal() -> None:
    show = "import pet.settings; print(pet.settings.Settings().log_format)"
    program = f"import pty, sys; sys.exit(pty.spawn([sys.executable, '-c', {show!r}]))"
    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, stdin=subprocess.DEVNULL)
    assert seen.stdout.decode().split() == ["console"]


def documented() -> dict[str, tuple[str, str]]:
    rows = re.findall(r"^\| `(PET_\w+)` \| (.+?) \| (.+) \|$", DOCUMENT.read_text(), flags=re.MULTILINE)
    return {name: (default, effect) for name, default, effect in rows}


def test_the_documented_table_is_the_class() -> None:
    assert documented() == {
        name: (default.removesuffix("."), effect)
        for name, field in Settings.names().items()
        for effect, _, default in [description_of(field).partition(" Default: ")]
    }


def test_documented_defaults_are_the_defaults() -> None:
    plain = {name: default[1:-1] for name, (default, _) in documented().items() if re.fullmatch("`[^`]+`", default)}
    assert {"PET_HOST", "PET_PORT", "PET_RATE_LIMITS"} <= set(plain)
    assert Settings.load(plain).model_dump() == Settings.load({}).model_dump()


def test_no_other_module_reads_settings_from_the_environment() -> None:
    source = Path(__file__).parents[1] / "src" / "pet"
    readers = [path.name for path in source.rglob("*.py") if re.search(r"\benviron\b|\bgetenv\b", path.read_text())]
    assert sorted(readers) == ["settings.py", "workers.py"]  # the latter passes a few names on to its processes
