"""What the service writes to its log: one line per event, for people or for machines, and never a secret.

A module logs with `structlog.get_logger` or, like libraries and the domain, with the standard library's logging: both
come out of the same handler. Bind `request_id` with `structlog.contextvars.bind_contextvars` and every line of a
request carries it.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

REDACTED = "[redacted]"

_HANDLER_NAME = "pet"
_FIRST_KEYS = ("timestamp", "level", "logger", "event", "request_id")
_MAX_DEPTH = 6

# At debug these write statements with their values, whole frames, and a line for every chunk of an upload.
_TALKATIVE_LOGGERS = ("aiosqlite", "asyncio", "python_multipart", "tortoise", "websockets")

_SECRET_KEY = re.compile(r"password|passwd|secret|token|authorization|cookie|api_?key", re.IGNORECASE)

# What follows a word that can occur often is bounded, so that a hostile text costs linear time.
_SECRET_TEXTS = (
    (re.compile(r"\b(Bearer)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {REDACTED}"),  # RFC 6750, section 2.1
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*)*"), REDACTED),  # a JWT begins with the base64 of `{"`
    (re.compile(r"(://[^\s:/@]{0,100}):[^\s/]{1,1000}@"), rf"\1:{REDACTED}@"),  # the password in a URL
    (  # a query string, or the repr of an object
        re.compile(r"((?:password|secret|token|signature)\w{0,40}=)(?:'[^']{0,1000}'|[^\s&,;)]+)", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"\$argon2\w{1,3}\$[\w$=,+/-]+"), REDACTED),
    # An address of somebody. Drivers quote the value that is in their way; a URL's own user is no part of a match.
    (re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), REDACTED),
)

# Each of those patterns needs one of these, in lower case. Most texts of most lines have none, and are not searched.
_MARKS = ("bearer", "eyj", "://", "=", "$argon2", "@", "%40")

# Tab and line feed are harmless; the others can rewrite what a terminal shows.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def configure_logging(format: LogFormat, level: LogLevel, *, stream: TextIO | None = None) -> None:
    """Send every log line of the process through one handler; a second call replaces the first.

    Args:
        format: `console` is meant for eyes and coloured on a terminal; `json` is one object a line, with `timestamp`
            (UTC, milliseconds), `level`, `logger`, `event`, `request_id` where there is one, then the event's own keys.
        level: what is less important than this is dropped.
        stream: where lines go; standard error unless told.

    uvicorn keeps this set-up only when it is started with `log_config=None`. Its access log is silenced: the service
    writes a line for every request itself.
    """
    output = stream or sys.stderr
    handler = logging.StreamHandler(output)
    handler.name = _HANDLER_NAME
    handler.setFormatter(_formatter(_console(output) if format == "console" else _render_json))
    _install(handler, logging.getLevelNamesMapping()[level.upper()])
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_facts(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what is secret by its key or by its looks, at any depth, and reduce every value to plain JSON types."""
    return {str(key): _plain(str(key), value, depth=0) for key, value in event.items()}


def _facts() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_timestamp,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _formatter(render: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _tidy_foreign, *_facts()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, _order, render],
    )


def _install(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.name == _HANDLER_NAME]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _TALKATIVE_LOGGERS:
        logging.getLogger(name).setLevel(max(level, logging.INFO))
    # At info it says "shutdown" whenever a connection is closed, in the middle of a start too.
    logging.getLogger("tortoise").setLevel(max(level, logging.WARNING))
    # They tell every lost connection with a stack trace, time and again; the adapter tells it once, in a sentence.
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"


def _add_timestamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _tidy_foreign(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("message", None)  # left on the record by any other handler, such as a test's
    event.pop("color_message", None)  # uvicorn's, with terminal codes
    event["event"] = event["event"].rstrip()  # uvicorn ends some with a line feed
    return event


def _order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    first = {key: event[key] for key in _FIRST_KEYS if key in event}
    return {**first, **event}


def _console(stream: TextIO) -> Processor:
    # The traceback is text by now, so that it could be redacted; another formatter would only warn about that.
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), sort_keys=False, exception_formatter=structlog.dev.plain_traceback
    )


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    # The standard encoder: it escapes the lone surrogates that hostile requests bring, where orjson raises.
    return json.dumps(event)


@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _plain(key: str, value: object, *, depth: int) -> object:
    if value is None or isinstance(value, bool):
        return value
    if _is_secret(key):
        return REDACTED
    if isinstance(value, str):
        return _plain_text(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return _plain_items(key, value, depth=depth + 1) if depth < _MAX_DEPTH else "..."
    return _plain_text(repr(value))


def _plain_items(key: str, items: Iterable[object], *, depth: int) -> object:
    if isinstance(items, Mapping):
        return {str(inner): _plain(str(inner), item, depth=depth) for inner, item in items.items()}
    return [_plain(key, item, depth=depth) for item in items]


def _plain_text(text: str) -> str:
    if _is_marked(text):
        for pattern, replacement in _SECRET_TEXTS:
            text = pattern.sub(replacement, text)
    return text if text.isprintable() else _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _is_marked(text: str) -> bool:
    return any(map(text.lower().__contains__, _MARKS))
