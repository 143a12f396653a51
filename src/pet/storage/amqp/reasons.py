"""Why the broker cannot be used, in an operator's words."""

from __future__ import annotations

import os
from ssl import SSLError
from urllib.parse import unquote, urlsplit

from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelPreconditionFailed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671}

# The first row that fits counts. `InvalidFrameError` is what the library makes of a refusal to open the virtual host.
_REASONS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (
        (ProbableAuthenticationError, AuthenticationError),
        "{place} refuses the user {user} or the password. Correct them.",
    ),
    (
        InvalidFrameError,
        "{place} has no virtual host {vhost}, or the user {user} may not use it. Make it with"
        " `rabbitmqctl add_vhost`, allow it with `rabbitmqctl set_permissions`, or correct the URL.",
    ),
    (
        ChannelPreconditionFailed,
        "the exchange {exchange} exists, but not as a durable topic exchange without arguments."
        " Delete it, or use another virtual host.",
    ),
    (
        ChannelAccessRefused,
        "the user {user} may not declare what begins with {exchange}, or not write to it."
        " Allow it with `rabbitmqctl set_permissions`.",
    ),
    (TimeoutError, "{place} does not answer within {seconds:g} s. Is RabbitMQ there, and can it be reached from here?"),
    (FileNotFoundError, "a file of certificates that the URL names is not there. Correct the URL."),
    (
        SSLError,
        "{place} gives no TLS connection that can be trusted ({error}). Name its authority in the URL (?cafile=/path),"
        " or use amqp:// where the broker has no TLS.",
    ),
    (OSError, "{place} cannot be connected to ({error}). Start RabbitMQ there, or correct the URL."),
)
_OTHER = "{place} broke off ({error}). Is RabbitMQ there?"


def reason_of(error: BaseException, url: str, exchange: str, timeout_seconds: float) -> str:
    """Say in a sentence, without a password, why the broker cannot be used and what to do."""
    address = urlsplit(url)
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error  # any failure to connect is wrapped
    broke_off = str(error).startswith("Server connection")  # connected, then closed or reset
    reason = _OTHER if broke_off else next((text for kind, text in _REASONS if isinstance(cause, kind)), _OTHER)
    return reason.format(
        place=f"{address.hostname}:{address.port or DEFAULT_PORTS[address.scheme]}",
        user=unquote(address.username or "guest"),
        vhost=unquote(address.path.removeprefix("/")) or "/",
        exchange=exchange,
        seconds=timeout_seconds,
        error=_words_of(cause),
    )


def _words_of(error: BaseException) -> str:
    """Return the system's words; those of the event loops differ, and repeat the address."""
    if isinstance(error, SSLError):
        return str(error.reason or error).lower().replace("_", " ")
    if isinstance(error, OSError) and (error.errno or 0) > 0:
        return os.strerror(error.errno or 0)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
