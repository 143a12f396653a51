"""Golden files: what a route answers, whole and in the documented order, with what changes from run to run named.

A file is `golden/<section>-<outcome>.json`. To write it anew after a wanted change, and then to read the difference:

    PET_TEST_REWRITE_GOLDEN=1 .venv/bin/pytest tests/rest_compat && git diff tests/rest_compat/golden

The same value has the same name within a file, so that relations are compared too: `<uuid:ann>` is Ann's id wherever
it stands, and `<time:1>` is one moment.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import httpx

from pet.safe_headers import SAFE_HEADERS
from tests.conftest import Service

FOLDER = Path(__file__).parent / "golden"

_HEADERS = (
    "content-type",
    "allow",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "www-authenticate",
    "link",
    "accept-ranges",
    "content-range",
    "content-length",
    "content-disposition",
    "content-security-policy",
    "cross-origin-resource-policy",
    "x-content-type-options",
    "cache-control",
    "etag",
    "last-modified",
)
"""What clients read of a head; the length of JSON follows from the body."""

_OF_EVERY_ANSWER = ("content-security-policy", "x-content-type-options")
"""Looked at where they are an answer's own, as those of media are."""

_VOLATILE = re.compile(
    r"(?P<jwt>\beyJ[\w-]+\.[\w-]+\.[\w-]+)"
    r"|(?P<uuid>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)"
    r"|(?P<object_id>\b[0-9a-f]{24}\b)"
    r"|(?P<time>\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"
    r"|(?P<http_date>\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)"
    r"|(?P<expires>(?<=expires=)\d+)"
    r"|(?P<signature>(?<=signature=)[\w-]{43})"
    r"|(?P<cursor>(?<=cursor=)[\w-]+)"
)


class Golden:
    """Compares answers of one service with golden files."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._names: dict[str, str] = {}
        self._contents: dict[bytes, str] = {}

    def know(self, name: str, value: str) -> None:
        """Call a volatile value by a name: `know("song", file_id)` shows it as `<uuid:song>`."""
        self._names[value] = name

    def know_bytes(self, name: str, content: bytes) -> None:
        """Call the content of a file by a name, and its size too."""
        self._contents[content] = name

    def check(self, case: str, response: httpx.Response) -> None:
        """Compare an answer with the golden file of that name."""
        path = FOLDER / f"{case}.json"
        shown = self.shown(response)
        if os.environ.get("PET_TEST_REWRITE_GOLDEN") == "1":
            path.write_text(shown, encoding="utf-8")
        assert shown == path.read_text(encoding="utf-8")

    def shown(self, response: httpx.Response) -> str:
        """Return an answer as its golden file has it."""
        for person in self._service.people.values():
            self.know(person.username, person.user_id)
        request = response.request
        naming = Naming(self._names, self._contents)
        whole = {
            "request": naming.text(f"{request.method} {request.url.raw_path.decode()}"),
            "status": response.status_code,
            "headers": naming.headers(response),
            "body": naming.body(response),
        }
        return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


class Naming:
    """Gives names to the volatile values of one answer: known ones, else numbers in the order of appearance."""

    def __init__(self, names: dict[str, str], contents: dict[bytes, str]) -> None:
        self._names = names
        self._contents = contents
        self._sizes = {str(len(content)): name for content, name in contents.items()}
        self._seen: dict[str, list[str]] = {}
        self._is_part = False

    def text(self, text: str) -> str:
        """Return a text with its volatile values named."""
        return _VOLATILE.sub(self._named, text)

    def headers(self, response: httpx.Response) -> dict[str, str]:
        """Return the headers that clients read."""
        is_json = response.headers.get("content-type") == "application/json"
        has_no_policy = response.headers["content-security-policy"] == SAFE_HEADERS["Content-Security-Policy"]
        self._is_part = response.status_code == 206
        return {
            name: self._header(name, response.headers[name])
            for name in _HEADERS
            if name in response.headers
            and not (name == "content-length" and is_json)
            and not (name in _OF_EVERY_ANSWER and has_no_policy)
        }

    def body(self, response: httpx.Response) -> Any:
        """Return the JSON of an answer, or the name of its bytes."""
        if response.headers.get("content-type") == "application/json":
            return self._json(response.json())
        if not response.content:
            return None
        return f"<bytes:{self._contents[response.content]}>" if response.content in self._contents else "<bytes>"

    def _header(self, name: str, value: str) -> str:
        if name == "allow":
            return ", ".join(sorted(value.split(", ")))
        if name == "content-length":
            return value if self._is_part else self._size(value)
        if name == "content-range":
            return re.sub(r"(?<=/)\d+", lambda match: self._size(match[0]), value)
        if name == "ratelimit":
            return re.sub(r"t=\d+", "t=<seconds>", value)
        if name == "retry-after":
            return "<seconds>" if value != "5" else value
        return self.text(value)

    def _json(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {self.text(name): self._json(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self._json(item) for item in value]
        if isinstance(value, str):
            text = re.sub(r"in \d+ seconds", "in <seconds> seconds", self.text(value))
            return re.sub(r"\d+(?= bytes)", lambda match: self._size(match[0]), text)
        return self._size(str(value)) if key == "size" else value

    def _size(self, digits: str) -> str:
        return f"<size:{self._sizes[digits]}>" if digits in self._sizes else "<size>"

    def _named(self, match: re.Match[str]) -> str:
        kind, value = str(match.lastgroup), match[0]
        if value in self._names:
            return f"<{kind}:{self._names[value]}>"
        seen = self._seen.setdefault(kind, [])
        if value not in seen:
            seen.append(value)
        return f"<{kind}:{seen.index(value) + 1}>"
