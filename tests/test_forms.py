"""Multipart forms: what clients really send, what nobody should send, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from pet.domain.errors import DomainError, Invalid, TooLarge
from pet.domain.media import MIB
from pet.forms import KIB, read_form
from pet.storage.blobs.folder import FolderBlobs, open_folder

TYPE = "multipart/form-data; boundary=b"

CHROMIUM_156 = (
    "------WebKitFormBoundarywOAhB8Gpp9BMgrq0\r\n"
    'Content-Disposition: form-data; name="userId"\r\n\r\nu1\r\n'
    "------WebKitFormBoundarywOAhB8Gpp9BMgrq0\r\n"
    'Content-Disposition: form-data; name="a%22b"\r\n\r\nжди\r\n2 😀\r\n'
    "------WebKitFormBoundarywOAhB8Gpp9BMgrq0\r\n"
    'Content-Disposition: form-data; name="_charset_"\r\n\r\nUTF-8\r\n'
    "------WebKitFormBoundarywOAhB8Gpp9BMgrq0\r\n"
    'Content-Disposition: form-data; name="file"; filename="п%22ил/щ\\н%0Aя 😀.mp3"\r\n'
    "Content-Type: audio/mpeg\r\n\r\nabc\r\n"
    "------WebKitFormBoundarywOAhB8Gpp9BMgrq0\r\n"
    'Content-Disposition: form-data; name="cover"; filename=""\r\n'
    "Content-Type: application/octet-stream\r\n\r\n\r\n"
    "------WebKitFormBoundarywOAhB8Gpp9BMgrq0--\r\n"
)
"""As recorded: two fields, the hidden `_charset_`, a file, and a file input that was left empty."""

CURL_7_88 = (
    "--------------------------03daf77c31771e94\r\n"
    'Content-Disposition: form-data; name="userId"\r\n\r\nu1\r\n'
    "--------------------------03daf77c31771e94\r\n"
    'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
    "Content-Type: application/octet-stream\r\n\r\nabc\r\n"
    "--------------------------03daf77c31771e94--\r\n"
)
CURL_TYPE = "multipart/form-data; boundary=------------------------03daf77c31771e94"


@dataclass(frozen=True)
class Sent:
    """A body and its Content-Type."""

    body: bytes
    content_type: str = TYPE


@dataclass(frozen=True)
class Received:
    """A form, its files read: name as sent, content."""

    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)


def by_httpx(**form: Any) -> Sent:
    request = httpx.Request("POST", "http://pet", **form)
    return Sent(request.read(), request.headers["content-type"])


def parts(*texts: str | bytes) -> bytes:
    """Join parts, each with its headers, by the boundary `b`."""
    raw = (text if isinstance(text, bytes) else text.encode() for text in texts)
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in raw) + b"--b--\r\n"


def named(disposition: str | bytes, content: bytes = b"abc") -> bytes:
    raw = disposition if isinstance(disposition, bytes) else disposition.encode()
    return b"Content-Disposition: form-data; " + raw + b"\r\n\r\n" + content


def request_of(chunks: Iterable[bytes], content_type: str = TYPE, *, length: int | None = None) -> Request:
    """Make a request whose body comes in these chunks; after the last one the client is gone."""
    headers = [(b"content-type", content_type.encode("latin-1"))]
    headers += [] if length is None else [(b"content-length", str(length).encode())]
    messages = iter(chunks)

    async def receive() -> Message:
        chunk = next(messages, None)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": chunk != b""}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


class Reading:
    """Reads forms into a folder of this test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs: FolderBlobs = open_folder(str(root))
        self.limits: dict[str, Any] = {"file_limit": 100, "files_limit": 2}

    async def read(self, request: Request) -> Received:
        async with read_form(request, self.blobs.stage, **self.limits) as form:
            files = {}
            for name, upload in form.files.items():
                async with upload.blob.local_path() as path:
                    files[name] = (upload.original_name, path.read_bytes())
                assert upload.blob.size_bytes == len(files[name][1])
            return Received(dict(form.fields), files)

    async def read_body(self, body: bytes, content_type: str = TYPE) -> Received:
        return await self.read(request_of([body, b""], content_type))

    async def refusal(self, body: bytes, content_type: str = TYPE) -> DomainError:
        """Return the error that a body meets, the same in one chunk and byte by byte; nothing stays behind."""
        with pytest.raises((Invalid, TooLarge)) as at_once:
            await self.read_body(body, content_type)
        with pytest.raises((Invalid, TooLarge)) as slowly:
            await self.read(request_of([*byte_by_byte(body), b""], content_type))
        assert (type(slowly.value), str(slowly.value)) == (type(at_once.value), str(at_once.value))
        assert self.staged() == []
        error: DomainError = at_once.value
        return error

    def staged(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.is_file()]


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading(tmp_path / "media")


def byte_by_byte(body: bytes) -> list[bytes]:
    return [body[index : index + 1] for index in range(len(body))]


FILE = {"file": ("п.mp3", b"abc")}

WELL_FORMED: dict[str, tuple[Sent, Received]] = {
    "chromium": (
        Sent(CHROMIUM_156.encode(), "multipart/form-data; boundary=----WebKitFormBoundarywOAhB8Gpp9BMgrq0"),
        Received({"userId": "u1", 'a"b': "жди\r\n2 😀"}, {"file": ('п"ил/щ\\н\nя 😀.mp3', b"abc")}),
    ),
    "curl": (
        Sent(CURL_7_88.replace("{name}", "п%22л\\ня.mp3").encode(), CURL_TYPE),
        Received({"userId": "u1"}, {"file": ('п"л\\ня.mp3', b"abc")}),
    ),
    "curl_form_escape": (
        Sent(CURL_7_88.replace("{name}", 'п\\"л\\\\ня.mp3').encode(), CURL_TYPE),
        Received({"userId": "u1"}, {"file": ('п"л\\ня.mp3', b"abc")}),
    ),
    "httpx": (by_httpx(data={"userId": "u1", "type": ""}, files=FILE), Received({"userId": "u1", "type": ""}, FILE)),
    "httpx_binary_content": (
        by_httpx(files={"file": ("a", b"\r\n--\r\n\r\n-\x00\xff\r")}),
        Received(files={"file": ("a", b"\r\n--\r\n\r\n-\x00\xff\r")}),
    ),
    "graphql_request": (
        by_httpx(data={"operations": "{}", "map": "{}"}, files={"0": ("a", b"1"), "1": ("b", b"2")}),
        Received({"operations": "{}", "map": "{}"}, {"0": ("a", b"1"), "1": ("b", b"2")}),
    ),
    "fields_after_the_file": (
        Sent(parts(named('name="file"; filename="a"'), named('name="userId"', b"u1"))),
        Received({"userId": "u1"}, {"file": ("a", b"abc")}),
    ),
    "the_last_of_a_name_stands": (
        Sent(
            parts(
                named("name=t", b"1"), named("name=t", b"2"), named("name=f; filename=a"), named("name=f; filename=b")
            )
        ),
        Received({"t": "2"}, {"f": ("b", b"abc")}),
    ),
    "content_that_looks_like_a_boundary": (
        Sent(parts(named('name="f"; filename="a"', b"1\r\n--\r\n--a\r\n--bb\r\n-b--\r\n\r\n--"))),
        Received(files={"f": ("a", b"1\r\n--\r\n--a\r\n--bb\r\n-b--\r\n\r\n--")}),
    ),
    "named_file_without_bytes": (
        Sent(parts(named('name="f"; filename="a"', b""))),
        Received(files={"f": ("a", b"")}),
    ),
    "nameless_file_with_bytes": (
        Sent(parts(named('name="f"; filename=""'))),
        Received(files={"f": ("", b"abc")}),
    ),
    "unquoted_and_loosely_spaced": (
        Sent(
            parts("CONTENT-DISPOSITION:form-data ;NAME = f ; filename= my song.mp3 ;\r\n\r\nabc"),
            'Multipart/Form-Data; charset=utf-8; Boundary="b"',
        ),
        Received(files={"f": ("my song.mp3", b"abc")}),
    ),
    "preceding_line_end_and_epilogue": (
        Sent(b"\r\n" + parts(named('name="a"')) + b"epilogue"),
        Received({"a": "abc"}),
    ),
    "empty_form": (Sent(b"--b--\r\n"), Received()),
}


@pytest.mark.parametrize(("sent", "expected"), WELL_FORMED.values(), ids=WELL_FORMED)
async def test_a_form_is_read_however_it_is_cut(reading: Reading, sent: Sent, expected: Received) -> None:
    assert await reading.read_body(sent.body, sent.content_type) == expected
    assert await reading.read(request_of([*byte_by_byte(sent.body), b""], sent.content_type)) == expected
    assert reading.staged() == []


@pytest.mark.parametrize("content", [b"1\r\n--", b"\r", b"\r\n--bx", b"-" * 9], ids=repr)
async def test_a_file_is_the_same_wherever_its_body_is_cut_in_two(reading: Reading, content: bytes) -> None:
    body = parts(named('name="f"; filename="a"', content), named('name="u"', b"1"))
    for cut in range(1, len(body)):
        received = await reading.read(request_of([body[:cut], body[cut:], b""]))
        assert received == Received({"u": "1"}, {"f": ("a", content)}), cut


LIBRARY_NAMES = (
    'say "hi".mp3',
    "a/../b\\c.mp3",
    "C:\\music\\a.mp3",
    "trailing\\",
    "\\\\",
    "1\r\n2",
    "Ария — Штиль 😀.mp3",
    "a;b='c'",
    "50%.mp3",
)


@pytest.mark.parametrize("name", LIBRARY_NAMES)
async def test_any_name_survives_a_library(reading: Reading, name: str) -> None:
    sent = by_httpx(data={"u": "1"}, files={"f": (name, b"abc")})
    assert await reading.read_body(sent.body, sent.content_type) == Received({"u": "1"}, {"f": (name, b"abc")})


NAMES: dict[str, tuple[str | bytes, str]] = {
    "windows_path_of_a_browser": (r'filename="C:\music\a.mp3"', r"C:\music\a.mp3"),
    "network_path_of_a_browser": (r'filename="\\server\a.mp3"', r"\\server\a.mp3"),
    "backslash_at_the_end": ('filename="a\\"', "a\\"),
    "backslash_before_a_further_parameter": ('filename="a\\"; x="y"', "a\\"),
    "semicolon_after_an_escaped_quote": (r'filename="a\"; b.mp3"', 'a"; b.mp3'),
    "only_three_percent_escapes": ('filename="%22%0D%0A%20%0d%00%2F"', '"\r\n%20%0d%00%2F'),
    "latin_1": (b'filename="caf\xe9.mp3"', "café.mp3"),
    "extended_alone": ("filename*=UTF-8''%D0%BF%22.mp3", 'п".mp3'),
    "extended_wins": ("filename*=utf-8'ru'%D0%BF; filename=p", "п"),
    "extended_wins_when_last": ("filename=p; filename*=utf-8''%D0%BF", "п"),
    "extended_in_quotes": ("filename*=\"UTF-8''a%20b\"", "a b"),
    "extended_with_apostrophe": ("filename*=UTF-8''it's", "it's"),
    "extended_in_latin_1": ("filename*=ISO-8859-1''%C3%A9", "Ã©"),
    "extended_undecodable": ("filename*=UTF-8''%E9", "é"),
}


@pytest.mark.parametrize(("parameter", "expected"), NAMES.values(), ids=NAMES)
async def test_a_file_keeps_its_name(reading: Reading, parameter: str | bytes, expected: str) -> None:
    raw = parameter if isinstance(parameter, bytes) else parameter.encode()
    assert await reading.read_body(parts(named(b"name=f; " + raw))) == Received(files={"f": (expected, b"abc")})


FORM = parts(named('name="userId"', b"u1"), named('name="file"; filename="a.mp3"'))
NOT_A_FORM = "The body is not well-formed multipart/form-data."
CUT_SHORT = "The form is cut short: its closing boundary is missing."
NO_NAME = "A part of the form has no name."
BAD_DISPOSITION = "A part of the form has a malformed Content-Disposition header."
BAD_EXTENDED = "A part of the form has a malformed filename* parameter."

MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty_body": (b"", CUT_SHORT),
    "other_boundary": (FORM.replace(b"--b", b"--c"), NOT_A_FORM),
    "json": (b'{"userId": "u1"}', NOT_A_FORM),
    "text_before_the_form": (b"\r\ntext\r\n" + FORM, NOT_A_FORM),
    "no_closing_boundary": (FORM.removesuffix(b"--b--\r\n"), CUT_SHORT),
    "header_without_colon": (parts("Content-Disposition\r\n\r\nabc"), NOT_A_FORM),
    "header_without_name": (parts(": form-data\r\n\r\nabc"), NOT_A_FORM),
    "folded_header": (parts('Content-Disposition: form-data;\r\n name="a"\r\n\r\nabc'), NOT_A_FORM),
    "no_headers": (parts("\r\nabc"), NO_NAME),
    "no_disposition": (parts("Content-Type: text/plain\r\n\r\nabc"), NO_NAME),
    "no_name": (parts(named('filename="a"')), NO_NAME),
    "empty_name": (parts(named('name=""')), NO_NAME),
    "open_quote": (parts(named('name="a')), BAD_DISPOSITION),
    "text_after_a_quote": (parts(named('name="a"b')), BAD_DISPOSITION),
    "parameter_without_value": (parts(named("name=a; filename")), BAD_DISPOSITION),
    "extended_without_charset": (parts(named("name=a; filename*=b.mp3")), BAD_EXTENDED),
    "field_of_no_utf_8": (parts(named('name="userId"', b"\xff")), "userId must be valid UTF-8."),
}


@pytest.mark.parametrize(("body", "sentence"), MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_form_is_refused(reading: Reading, body: bytes, sentence: str) -> None:
    error = await reading.refusal(body)
    assert (type(error), error.message) == (Invalid, sentence)


BAD_BOUNDARY = "The Content-Type of a form needs a boundary of 1 to 70 characters."


@pytest.mark.parametrize(
    ("content_type", "sentence"),
    [
        ("", "Send the file as multipart/form-data."),
        ("audio/mpeg", "Send the file as multipart/form-data."),
        ("multipart/mixed; boundary=b", "Send the file as multipart/form-data."),
        ("multipart/form-data", BAD_BOUNDARY),
        ('multipart/form-data; boundary=""', BAD_BOUNDARY),
        (f"multipart/form-data; boundary={'b' * 71}", BAD_BOUNDARY),
    ],
)
async def test_another_content_type_is_refused(reading: Reading, content_type: str, sentence: str) -> None:
    error = await reading.refusal(FORM, content_type)
    assert (type(error), error.message) == (Invalid, sentence)


async def test_a_boundary_may_have_70_characters(reading: Reading) -> None:
    boundary = "b" * 70
    body = FORM.replace(b"--b", b"--" + boundary.encode())
    received = await reading.read_body(body, f"multipart/form-data; boundary={boundary}")
    assert received == Received({"userId": "u1"}, {"file": ("a.mp3", b"abc")})


async def test_a_body_cut_short_anywhere_is_refused(reading: Reading) -> None:
    whole = FORM.removesuffix(b"\r\n")  # the line end after the closing boundary may be missing
    for end in range(len(whole)):
        assert (await reading.refusal(whole[:end])).message == CUT_SHORT, whole[:end]
    assert (await reading.read_body(whole)).fields == {"userId": "u1"}


@pytest.mark.parametrize("spoilt", [b"", b"\x00", b'"', b"\\", b"\r", b"\n", b"-", b";", b"\xff"], ids=repr)
async def test_a_body_spoilt_anywhere_is_read_or_refused(reading: Reading, spoilt: bytes) -> None:
    for index in range(len(FORM)):
        body = FORM[:index] + spoilt + FORM[index + 1 :]
        with suppress(Invalid, TooLarge):
            await reading.read_body(body)
        assert reading.staged() == []


LIMITED: dict[str, tuple[dict[str, int], bytes, bytes, str]] = {
    "files": (
        {"files_limit": 1},
        parts(named("name=a; filename=a"), named('name=b; filename=""', b"")),
        parts(named("name=a; filename=a"), named('name=a; filename=""', b"x")),
        "The form has too many files: the limit is 1.",
    ),
    "fields": (
        {"fields_limit": 2},
        parts(named("name=a"), named('name=b; filename=""', b"")),
        parts(named("name=a"), named("name=a"), named("name=a")),
        "The form has too many fields: the limit is 2.",
    ),
    "empty_file_inputs": (
        {"fields_limit": 1},
        parts(named('name=a; filename=""', b"")),
        parts(named('name=a; filename=""', b""), named('name=a; filename=""', b"")),
        "The form has too many fields: the limit is 1.",
    ),
    "field_bytes": (
        {"field_limit": 10},
        parts(named("name=title", "строк".encode())),
        parts(named("name=title", "строк!".encode())),
        "title must be at most 10 bytes long.",
    ),
    "headers": (
        {},
        parts("X: y\r\n" * 15 + "Content-Disposition: form-data; name=a\r\n\r\n"),
        parts("X: y\r\n" * 16 + "Content-Disposition: form-data; name=a\r\n\r\n"),
        "A part of the form has more than 16 headers.",
    ),
    "header_bytes": (
        {},
        parts(f"X: {'y' * 8000}\r\nX: {'y' * 8300}\r\nContent-Disposition: form-data; name=a\r\n\r\n"),
        parts(f"X: {'y' * 8000}\r\nX: {'y' * 8400}\r\nContent-Disposition: form-data; name=a\r\n\r\n"),
        "A part of the form has more than 16 KB of headers.",
    ),
    "one_header_name": (
        {},
        parts(f"{'X' * 16_000}:\r\nContent-Disposition: form-data; name=a\r\n\r\n"),
        parts(f"{'X' * 17_000}:\r\nContent-Disposition: form-data; name=a\r\n\r\n"),
        "A part of the form has more than 16 KB of headers.",
    ),
}


@pytest.mark.parametrize(("limits", "within", "beyond", "sentence"), LIMITED.values(), ids=LIMITED)
async def test_a_limit_holds(
    reading: Reading, limits: dict[str, int], within: bytes, beyond: bytes, sentence: str
) -> None:
    reading.limits |= limits
    await reading.read_body(within)
    error = await reading.refusal(beyond)
    assert (type(error), error.message) == (Invalid, sentence)


async def test_a_file_may_have_just_its_limit(reading: Reading) -> None:
    files = [named(f"name={name}; filename=f", name.encode() * 100) for name in "ab"]
    assert await reading.read_body(parts(*files)) == Received(files={"a": ("f", b"a" * 100), "b": ("f", b"b" * 100)})
    error = await reading.refusal(parts(files[0], files[1] + b"!"))
    assert (type(error), error.message) == (TooLarge, "The file is too large: 0.1 MB, at most 0 MB are allowed.")


async def test_a_file_is_cut_off_while_it_arrives(reading: Reading) -> None:
    reading.limits["file_limit"] = MIB
    head = FORM.partition(b"abc")[0]
    size = 2 * MIB
    arrived = iter([head, *[b"x" * 64 * KIB] * (size // (64 * KIB))])
    with pytest.raises(TooLarge, match=r"^The file is too large: 2 MB, at most 1 MB are allowed\.$"):
        await reading.read(request_of(arrived, length=len(head) + size))
    assert len(list(arrived)) == 15
    assert reading.staged() == []


async def test_a_length_beyond_all_limits_is_refused_before_a_byte_is_read(reading: Reading) -> None:
    reading.limits["file_limit"] = 5 * MIB
    arrived = iter([FORM])
    with pytest.raises(TooLarge, match=r"^The file is too large: 64 MB, at most 5 MB are allowed\.$"):
        await reading.read(request_of(arrived, length=64 * MIB))
    assert list(arrived) == [FORM]


@pytest.mark.parametrize(
    ("start", "filler"),
    [(b"\r\n", b"\r\n"), (b"--b\r\nX:", b" "), (FORM.removesuffix(b"--\r\n"), b"\t"), (FORM, b"x")],
    ids=["before_the_form", "before_a_header", "after_a_boundary", "after_the_form"],
)
async def test_a_body_without_end_is_refused_though_no_part_grows(
    reading: Reading, start: bytes, filler: bytes
) -> None:
    reading.limits |= {"field_limit": 10, "fields_limit": 1, "files_limit": 1}
    with pytest.raises(TooLarge):
        await reading.read(request_of([start, *[filler * 4 * KIB] * 100]))
    assert reading.staged() == []


HOSTILE = {
    "backslashes": '"' + "\\" * 16_000,
    "escaped_quotes": '"' + '\\"' * 8_000,
    "spaces_before_a_quote": " " * 16_000 + '"',
    "spaces_within": "a" + " " * 16_000 + '"',
    "parameters": ";a=" * 5_000 + '"',
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
async def test_a_header_made_to_keep_a_pattern_busy_is_refused(reading: Reading, value: str) -> None:
    assert (await reading.refusal(parts(named(f"name={value}")))).message == BAD_DISPOSITION


async def read_and_fail(reading: Reading) -> None:
    async with read_form(request_of([FORM, b""]), reading.blobs.stage, file_limit=100) as form:
        assert list(form.files) == ["file"]
        assert len(reading.staged()) == 1
        raise RuntimeError("the caller fails")


async def test_files_go_when_the_caller_fails(reading: Reading) -> None:
    with pytest.raises(RuntimeError, match="the caller fails"):
        await read_and_fail(reading)
    assert reading.staged() == []


async def test_a_kept_file_stays_when_the_context_is_left(reading: Reading) -> None:
    async with read_form(request_of([FORM, b""]), reading.blobs.stage, file_limit=100) as form:
        await form.files["file"].blob.keep("tracks/one")
    assert [path.relative_to(reading.root).as_posix() for path in reading.staged()] == ["tracks/one"]


async def test_nothing_is_left_when_the_client_leaves(reading: Reading) -> None:
    seen: list[int] = []

    def leaving() -> Iterable[bytes]:
        yield FORM.partition(b"c\r\n--b--")[0]
        seen.append(len(reading.staged()))

    with pytest.raises(ClientDisconnect):
        await reading.read(request_of(leaving()))
    assert seen == [1]
    assert reading.staged() == []


async def test_nothing_is_left_when_the_request_is_cancelled(reading: Reading) -> None:
    waiting = asyncio.Event()
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", TYPE.encode())]}
    messages = iter([FORM.partition(b"c\r\n--b--")[0]])

    async def receive() -> Message:
        for chunk in messages:
            return {"type": "http.request", "body": chunk, "more_body": True}
        waiting.set()
        return await asyncio.Future()

    task = asyncio.create_task(reading.read(Request(scope, receive)))
    await waiting.wait()
    assert len(reading.staged()) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reading.staged() == []


async def test_a_large_file_takes_little_memory(reading: Reading) -> None:
    size, chunk = 32 * MIB, 64 * KIB

    def body() -> Iterable[bytes]:
        yield FORM.partition(b"abc")[0]
        yield from (bytes(chunk) for _ in range(size // chunk))
        yield b"\r\n--b--\r\n"
        yield b""

    tracemalloc.start()
    try:
        async with read_form(request_of(body()), reading.blobs.stage, file_limit=size) as form:
            assert form.files["file"].blob.size_bytes == size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * MIB
