"""The log: what a line holds, that each one parses, and that no secret comes through."""

from __future__ import annotations

import io
import json
import logging
import pty
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from pet.logs import _SECRET_TEXTS, LogFormat, LogLevel, _is_marked, configure_logging

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl-_"


class Log:
    """A configured log and what was written to it."""

    def __init__(self, format: LogFormat = "json", level: LogLevel = "info") -> None:
        self._stream = io.StringIO()
        configure_logging(format, level, stream=self._stream)

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        """Return every line without its timestamp; each must be a JSON object with one."""
        objects = [json.loads(line) for line in self.text.splitlines()]
        for entry in objects:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("timestamp"))
        return objects


def test_a_line_is_an_object_with_the_request_it_belongs_to() -> None:
    log = Log()
    structlog.contextvars.bind_contextvars(request_id="r-1")
    structlog.get_logger("pet.media").warning("upload refused", size_bytes=7, format=None, seconds=0.5, kept=False)
    assert log.lines() == [
        {
            "level": "warning",
            "logger": "pet.media",
            "event": "upload refused",
            "request_id": "r-1",
            "size_bytes": 7,
            "format": None,
            "seconds": 0.5,
            "kept": False,
        }
    ]


def test_the_keys_that_every_line_has_come_first() -> None:
    log = Log()
    structlog.contextvars.bind_contextvars(request_id="r-1")
    structlog.get_logger("pet").info("served", a=1)
    assert list(json.loads(log.text)) == ["timestamp", "level", "logger", "event", "request_id", "a"]


def test_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    structlog.get_logger("pet").info("started")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["event"] == "started"


def test_libraries_come_out_of_the_same_handler() -> None:
    log = Log()
    structlog.contextvars.bind_contextvars(request_id="r-1")
    extra = {"color_message": "\x1b[1mListening\x1b[0m", "port": 3000}
    logging.getLogger("uvicorn.error").info("Listening on %s\n", "http://localhost", extra=extra)
    assert log.lines() == [
        {
            "level": "info",
            "logger": "uvicorn.error",
            "event": "Listening on http://localhost",
            "request_id": "r-1",
            "port": 3000,
        }
    ]


def test_uvicorns_own_handlers_and_its_access_log_are_gone() -> None:
    logging.getLogger("uvicorn").addHandler(logging.StreamHandler())
    logging.getLogger("uvicorn.access").addHandler(logging.StreamHandler())
    log = Log()
    logging.getLogger("uvicorn.access").info("GET / 200")
    assert log.lines() == []
    assert [logging.getLogger(name).handlers for name in ("uvicorn", "uvicorn.access")] == [[], []]


def test_a_second_call_replaces_the_first() -> None:
    first, second = Log(), Log(level="error")
    structlog.get_logger("pet").info("dropped")
    structlog.get_logger("pet").error("kept")
    assert first.lines() == []
    assert [line["event"] for line in second.lines()] == ["kept"]


def test_debug_is_for_the_service_not_for_drivers_that_log_statements() -> None:
    log = Log(level="debug")
    structlog.get_logger("pet").debug("details")
    logging.getLogger("aiosqlite").debug("INSERT ... %s", "a password's hash")
    logging.getLogger("tortoise.db_client").debug("INSERT ... %s", "a password's hash")
    assert [line["event"] for line in log.lines()] == ["details"]


@pytest.mark.parametrize(
    "key",
    ["password", "oldPassword", "new_password", "token", "refresh_token", "accessToken", "Authorization", "secret",
     "PET_SECRET_KEY", "set-cookie", "api_key", "apiKey"],
)  # fmt: skip
def test_a_value_under_a_secret_key_is_redacted(key: str) -> None:
    log = Log()
    structlog.get_logger("pet").info("request", **{key: "hush"}, body={"list": [{key: ["hush"]}]})
    (line,) = log.lines()
    assert (line[key], line["body"]) == ("[redacted]", {"list": [{key: "[redacted]"}]})


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (f"Authorization: Bearer {JWT}, then", "Authorization: Bearer [redacted], then"),
        ("bearer abc.def/ghi==", "bearer [redacted]"),
        ("BEARER abc", "BEARER [redacted]"),
        ("$argon2id$v", "[redacted]"),
        ("ann%40example.com", "[redacted]"),
        ("amqp://pet:hus@broker", "amqp://pet:[redacted]@broker"),
        (f"got '{JWT}' instead", "got '[redacted]' instead"),
        ("cut off: eyJhbGciOiJIUzI1NiJ9", "cut off: [redacted]"),
        ("postgres://pet:hu:s@h@db/pet is down", "postgres://pet:[redacted]@db/pet is down"),
        ("GET /x?token=abc&page=2", "GET /x?token=[redacted]&page=2"),
        ("Login(email='a@b', password='hu sh', age=3)", "Login(email='a@b', password=[redacted], age=3)"),
        ("http://localhost:3000/users/a@b", "http://localhost:3000/users/a@b"),
        ("keyJson and the token expired", "keyJson and the token expired"),
    ],
)
def test_what_looks_like_a_secret_is_redacted_wherever_it_stands(text: str, written: str) -> None:
    log = Log()
    structlog.get_logger("pet").info(text, detail=text, nested=[{"deep": (text,)}])
    logging.getLogger("library").info("%s", text)
    own, foreign = log.lines()
    assert (own["event"], own["detail"], own["nested"]) == (written, written, [{"deep": [written]}])
    assert foreign["event"] == written


@given(st.one_of(st.text("eyJBearer-_/.:+~,1=@%40$gon2 "), st.text()))
def test_what_has_no_mark_of_a_secret_has_nothing_to_redact(text: str) -> None:
    assert _is_marked(text) or not [pattern for pattern, _ in _SECRET_TEXTS if pattern.search(text)]


@pytest.mark.parametrize("format", ["console", "json"])
def test_a_traceback_is_written_whole_and_redacted(format: LogFormat) -> None:
    log = Log(format)
    try:
        int(f"token {JWT}")
    except ValueError:
        structlog.get_logger("pet").exception("failed")
        logging.getLogger("library").exception("failed too")
    text = log.text if format == "console" else "\n".join(line["exception"] for line in log.lines())
    assert text.count("Traceback (most recent call last)") == 2
    assert text.count("ValueError: invalid literal for int() with base 10: 'token [redacted]'") == 2
    assert JWT not in log.text


@dataclass
class Draft:
    """A value that is no JSON."""

    password: str = "hush"


def test_any_value_makes_a_line_that_parses() -> None:
    log = Log()
    circle: list[object] = []
    circle.append(circle)
    structlog.get_logger("pet").info(
        "odd \udcff\x00", path=Path("/x"), number=float("nan"), raw=b"\xff", keys={1: {2}}, circle=circle, draft=Draft()
    )
    assert log.lines() == [
        {
            "level": "info",
            "logger": "pet",
            "event": "odd \udcff\\x00",
            "path": "PosixPath('/x')",
            "number": "nan",
            "raw": "b'\\xff'",
            "keys": {"1": [2]},
            "circle": [[[[[["..."]]]]]],
            "draft": "Draft(password=[redacted])",
        }
    ]


def test_the_console_is_plain_where_it_is_no_terminal() -> None:
    log = Log("console")
    structlog.get_logger("pet").info("served \x1b[2J", path="/a b", password="hush")
    assert re.fullmatch(
        r"\S+Z \[info +\] served \\x1b\[2J +\[pet\] path='/a b' password=\[redacted\]\n",
        log.text,
    ), log.text


def test_the_console_has_colours_on_a_terminal() -> None:
    master, slave = pty.openpty()
    with open(master, "rb", buffering=0) as seen, open(slave, "w") as terminal:  # noqa: PTH123 - there is no path
        configure_logging("console", "info", stream=terminal)
        structlog.get_logger("pet").info("served")
        assert b"\x1b[" in seen.read(200)
