"""The URLs that settings take: what each must name, and what it must not choose for the service."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlsplit

LOCAL = "local"
"""Stands among the CORS origins for localhost, 127.0.0.1 and [::1] on any port."""

_REACHED_BY_LOCALHOST = ("127.0.0.1", "0.0.0.0", "::", "::1")  # noqa: S104 - names to compare with
_REDIS_OPTIONS: dict[str, set[str]] = {
    "redis": set(),
    "rediss": {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"},
    "unix": {"db"},
}
"""What a URL may choose; how long Redis may take, and whether commands are repeated, is for the service to say."""

# A bucket's name as S3 has it, then folders whose names need no encoding anywhere.
_BUCKET_AND_PREFIX = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?")


def _split_url(text: str, *schemes: str) -> SplitResult:
    url = urlsplit(text)
    if url.scheme not in schemes or url.fragment or re.search(r"\s", text):
        raise ValueError(text)
    return url


def web_url(text: str) -> str:
    """Return the URL of a web server without a slash at its end.

    Raises:
        ValueError: it names none.
    """
    url = _split_url(text, "http", "https")
    if not url.hostname or url.port == 0 or url.query or "@" in url.netloc:
        raise ValueError(text)
    return text.rstrip("/")


def origin(text: str) -> str:
    """Return a web origin, or `local`.

    Raises:
        ValueError: it names none.
    """
    if text != LOCAL and (web_url(text) != text or urlsplit(text).path):
        raise ValueError(text)
    return text.lower()


def database_url(text: str) -> str:
    """Return the URL of an SQLite file or of a PostgreSQL database.

    Raises:
        ValueError: it names none.
    """
    url = _split_url(text, "sqlite", "postgres", "postgresql")
    is_placed = not url.netloc and not url.query if url.scheme == "sqlite" else _names_server(url)
    if not is_placed or not url.path.strip("/"):
        raise ValueError(text)
    return text


def _names_server(url: SplitResult) -> bool:
    """Tell whether a URL names a PostgreSQL server: a host, several with commas between them, or a socket's folder.

    Raises:
        ValueError: a port or a parameter is malformed.
    """
    parameters = parse_qs(url.query, strict_parsing=True) if url.query else {}
    hosts = [urlsplit(f"//{host}") for host in url.netloc.rpartition("@")[2].split(",")]
    are_named = all(host.hostname and host.port != 0 for host in hosts)
    return url.netloc.count("@") < 2 and (are_named or bool(parameters.get("host")))


def documents_url(text: str | None) -> str | None:
    """Return the URL of a MongoDB database.

    Raises:
        ValueError: it names none.
    """
    if text is not None:
        url = _split_url(text, "mongodb", "mongodb+srv")
        if not url.netloc.rpartition("@")[2] or not re.fullmatch(r"/[\w-]{1,63}", url.path, re.ASCII):
            raise ValueError(text)
    return text


def media_url(text: str) -> str:
    """Return the absolute path of a folder, or the URL of a folder or a bucket.

    Raises:
        ValueError: it names none.
    """
    if "://" not in text:
        return str(Path(text).absolute())
    url = _split_url(text, "file", "s3")
    is_placed = _BUCKET_AND_PREFIX.fullmatch(url.netloc + url.path) if url.scheme == "s3" else not url.netloc
    if not is_placed or url.query or (url.scheme == "file" and not url.path.strip("/")):
        raise ValueError(text)
    return text


def redis_url(text: str | None) -> str | None:
    """Return the URL of a Redis server.

    Raises:
        ValueError: it names none.
    """
    if text is None:
        return None
    url = _split_url(text, *_REDIS_OPTIONS)
    if url.scheme == "unix":
        is_placed = bool(url.path.strip("/")) and not url.hostname
    else:
        is_placed = bool(url.hostname) and url.port != 0 and bool(re.fullmatch(r"(/\d{0,5})?", url.path))
    if not is_placed or not dict(parse_qsl(url.query, keep_blank_values=True)).keys() <= _REDIS_OPTIONS[url.scheme]:
        raise ValueError(text)
    return text


def amqp_url(text: str | None) -> str | None:
    """Return the URL of a RabbitMQ broker.

    Raises:
        ValueError: it names none.
    """
    if text is not None:
        url = _split_url(text, "amqp", "amqps")
        if not url.hostname or url.port == 0:
            raise ValueError(text)
    return text


def own_url(host: str, port: int) -> str:
    """Return the URL by which this machine reaches what listens there."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{'localhost' if host in _REACHED_BY_LOCALHOST else name}:{port}"
