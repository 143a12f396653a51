"""Settings: every default, every refusal, what is shown, and that the documentation tells the same."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

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
        "database_url": f"sqlite://{tmp_path}/pet-data/pet.sqlite3",
        "documents_url": None,
        "media_url": f"{tmp_path}/pet-data/media",
        "engine_timeout": 2.0,
        "cors_origins": ("local",),
        "rate_limits": True,
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
        "PET_DATABASE_URL": "postgres://pet:hush@db:5432/pet",
        "PET_DOCUMENTS_URL": "mongodb://pet:hush@a:1,b:2/pet?replicaSet=rs0",
        "PET_MEDIA_URL": "file:///srv/media",
        "PET_ENGINE_TIMEOUT": "0.5",
        "PET_CORS_ORIGINS": "local, https://App.example:8443",
        "PET_RATE_LIMITS": "off",
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
        "database_url": "postgres://pet:hush@db:5432/pet",
        "documents_url": "mongodb://pet:hush@a:1,b:2/pet?replicaSet=rs0",
        "media_url": "file:///srv/media",
        "engine_timeout": 0.5,
        "cors_origins": ("local", "https://app.example:8443"),
        "rate_limits": False,
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
                "PET_DATABASE_URL",
                url,
                "sqlite:///absolute/path or postgres://user:password@host:port/database",
            )
            for url in ("pet.sqlite3", "mysql://h/d", "sqlite://pet.sqlite3", "sqlite:///", "postgres:///d", "postgres://h")
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
            ("PET_MEDIA_URL", url, "the path of a folder or a file:///absolute/path URL")
            for url in ("s3://bucket/media", "file://host/media", "file:///")
        ),
        *(
            (
                "PET_CORS_ORIGINS",
                origins,
                "none, or a comma-separated list of local and origins like https://app.example",
            )
            for origins in ("*", "app.example", "https://app.example/", "https://app.example/x", "local,", "none,local")
        ),
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


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert refused(PET_PORT="x", PET_LOG_LEVEL="loud", PET_PROT="1") == (
        "PET_PROT is not a setting; did you mean PET_PORT?",
        "PET_PORT is 'x', but must be a whole number from 1 to 65535.",
        "PET_LOG_LEVEL is 'loud', but must be debug, info, warning or error.",
    )


def test_a_name_like_no_other_gets_no_guess() -> None:
    assert refused(PET_BANANA="1") == ("PET_BANANA is not a setting; `pet config` lists the settings.",)


@pytest.mark.parametrize("name", ["PET_AMQP_URL", "PET_REDIS_URL"])
def test_an_engine_that_is_not_built_yet_is_refused(name: str) -> None:
    assert refused(**{name: "x://localhost"}) == (f"{name} is not supported by this version.",)


def test_names_of_the_test_suite_are_left_alone() -> None:
    assert Settings.load({"PET_TEST_AMQP_URL": "amqp://localhost"}) == Settings.load({})


def test_a_secret_key_counts_in_bytes() -> None:
    assert refused(PET_SECRET_KEY="k" * 31) == ("PET_SECRET_KEY must be at least 32 bytes long.",)
    assert Settings.load({"PET_SECRET_KEY": "ключ" * 4}).secret_key == SecretStr("ключ" * 4)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://pet:hu/sh@h/d",
        "pet:hush@h/d",
        "postgres:/pet:hush@h/d",
        "postgres://h?password=hush",
        "postgres://p:hu@sh@h",
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
        ("PET_DATABASE_URL", "postgresql://pet:***@db/pet?sslpassword=***&ssl=on", False),
        ("PET_DOCUMENTS_URL", "mongodb://pet:***@h/pet", False),
        ("PET_MEDIA_URL", "/data/media", True),
        ("PET_ENGINE_TIMEOUT", "2", True),
        ("PET_CORS_ORIGINS", "local", True),
        ("PET_RATE_LIMITS", "off", False),
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


def test_no_other_module_reads_the_environment() -> None:
    source = Path(__file__).parents[1] / "src" / "pet"
    readers = [path.name for path in source.rglob("*.py") if re.search(r"\benviron\b|\bgetenv\b", path.read_text())]
    assert readers == ["settings.py"]
