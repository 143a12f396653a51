"""Multipart forms, read while they arrive: fields into memory, files into temporary objects (RFC 7578)."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from pet.body_sink import pour
from pet.dispositions import part_names
from pet.domain.errors import Invalid
from pet.domain.media import StagedBlob
from pet.domain.uploads import Upload, require_size

KIB = 1024
MAX_BOUNDARY = 70
"""RFC 2046, section 5.1.1."""
MAX_PART_HEADERS = 16
MAX_PART_HEADER_BYTES = 16 * KIB
"""The names and values of one part's headers together."""

_FRAME_BYTES = MAX_PART_HEADER_BYTES + KIB
"""What a part may take beside its content; a boundary and line ends stay far below 1 KiB."""

_SLICE_BYTES = 150
"""What a slice of a file takes in memory beside its content, which may be a single byte."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form that has arrived whole.

    Of fields, and of files, that share a name the last one stands. An empty file input, without a name and bytes, is no
    file.
    """

    fields: Mapping[str, str]
    files: Mapping[str, Upload]


@asynccontextmanager
async def read_form(
    request: Request,
    stage: Callable[[], AbstractAsyncContextManager[StagedBlob]],
    *,
    file_limit: int,
    files_limit: int = 1,
    field_limit: int = 64 * KIB,
    fields_limit: int = 32,
    announced: Callable[[Mapping[str, str]], int] | None = None,
) -> AsyncIterator[Form]:
    """Read a request's body to its end and give the form; fields and files may come in any order.

    Files go to staged objects as they arrive; in memory is never more of them than `pour` lets wait. Fields stay there,
    `field_limit * fields_limit` bytes at most. Staged objects live until the context is left.

    Args:
        request: its body must not have been read.
        stage: opens a temporary object for each file.
        file_limit: bytes of each file.
        files_limit: how many files.
        field_limit: bytes of each field's value.
        fields_limit: how many fields; empty file inputs count as such.
        announced: tells from the fields before the first file how many files are to come, so that a declared length
            that is too large for them is refused then and there.

    Raises:
        Invalid: the body is no form, is malformed or cut short, or has too many or too long parts.
        TooLarge: a file is larger than its limit; the rest is not read, and nothing is when the declared length tells.
        ClientDisconnect: the client left before the end.
    """
    boundary = _boundary(request.headers.get("content-type", ""))
    limits = _Limits(file_limit, files_limit, field_limit, fields_limit, announced)
    async with AsyncExitStack() as staged:
        reader = _Reader(
            boundary,
            limits,
            declared_bytes=_declared_bytes(request.headers.get("content-length", "")),
            stage=lambda: staged.enter_async_context(stage()),
        )
        await pour(request, reader)
        yield reader.form()


@dataclass(frozen=True, slots=True)
class _Limits:
    file_bytes: int
    files: int
    field_bytes: int
    fields: int
    announced: Callable[[Mapping[str, str]], int] | None = None

    def body_bytes(self, files: int) -> int:
        """Return what a form within the other limits can take, and one frame for what surrounds its parts."""
        frames = (files + self.fields + 1) * _FRAME_BYTES
        return files * self.file_bytes + self.fields * self.field_bytes + frames


class _PartHeaders:
    """Collects the headers of one part after the other; only Content-Disposition is kept."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.disposition = b""
        self._count = 0
        self._size_bytes = 0

    def begin(self) -> None:
        self._name, self._value = bytearray(), bytearray()
        self._count += 1
        if self._count > MAX_PART_HEADERS:
            raise Invalid(f"A part of the form has more than {MAX_PART_HEADERS} headers.")

    def add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._grow(end - start)
        self._name += data[start:end]

    def add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._grow(end - start)
        self._value += data[start:end]

    def end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self.disposition = bytes(self._value)

    def _grow(self, size_bytes: int) -> None:
        self._size_bytes += size_bytes
        if self._size_bytes > MAX_PART_HEADER_BYTES:
            raise Invalid(f"A part of the form has more than {MAX_PART_HEADER_BYTES // KIB} KB of headers.")


@dataclass(slots=True)
class _Part:
    """A part whose content is arriving. `file_name` is None for a field and empty for an input without a file."""

    name: str
    file_name: str | None
    size_bytes: int = 0
    value: bytearray = field(default_factory=bytearray)
    upload: Upload | None = None

    @property
    def is_empty_input(self) -> bool:
        return self.file_name == "" and self.size_bytes == 0


class _Reader:
    """Follows the parser through one body, as its `Sink`.

    The parser calls back at once while writing to disk takes awaiting: slices of files wait in `_pending` until they
    are stored.
    """

    def __init__(
        self, boundary: bytes, limits: _Limits, *, declared_bytes: int, stage: Callable[[], Awaitable[StagedBlob]]
    ) -> None:
        self._limits = limits
        self._body_limit = limits.body_bytes(limits.files)
        self._declared_bytes = declared_bytes
        self._received_bytes = 0
        self._stage = stage
        self._fields: dict[str, str] = {}
        self._field_count = 0
        self._files: dict[str, Upload] = {}
        self._file_count = 0
        self._headers = _PartHeaders()
        self._pending: deque[tuple[_Part, bytes]] = deque()
        self._pending_bytes = 0
        self._has_begun = False
        self._is_complete = False
        self._parser = self._parser_for(boundary)
        self._require_body_size(declared_bytes)

    def take(self, chunk: bytes) -> int:
        """Parse the next bytes of the body; return what waits of files, in bytes of memory."""
        self._received_bytes += len(chunk)
        self._require_body_size(self._received_bytes)
        if not self._has_begun:
            # After a line end the parser skips text up to a hyphen, but within one chunk alone: what it takes for a
            # form would depend on how the network cuts the body.
            chunk = chunk.lstrip(b"\r\n")
            self._has_begun = bool(chunk)
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise Invalid("The body is not well-formed multipart/form-data.") from error
        return self._pending_bytes

    async def store(self) -> None:
        """Write what waits of files by now."""
        for _ in range(len(self._pending)):
            part, content = self._pending.popleft()
            if part.upload is None:
                part.upload = Upload(part.file_name or "", await self._stage())
                self._files[part.name] = part.upload
            await part.upload.blob.write(content)
            self._pending_bytes -= len(content) + _SLICE_BYTES

    def form(self) -> Form:
        """Return what has arrived; Invalid before the closing boundary."""
        if not self._is_complete:
            raise Invalid("The form is cut short: its closing boundary is missing.")
        return Form(self._fields, self._files)

    def _parser_for(self, boundary: bytes) -> MultipartParser:
        headers = self._headers
        return MultipartParser(
            boundary,
            {
                "on_part_begin": headers.reset,
                "on_header_begin": headers.begin,
                "on_header_field": headers.add_to_name,
                "on_header_value": headers.add_to_value,
                "on_header_end": headers.end,
                "on_headers_finished": self._begin_part,
                "on_part_data": self._add,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
            # Ours take their place: they hold for all headers of a part together, and say what is wrong.
            max_header_count=sys.maxsize,
            max_header_size=sys.maxsize,
        )

    def _begin_part(self) -> None:
        self._part = _Part(*part_names(self._headers.disposition))
        if self._part.file_name is None:
            self._count_field()
        elif self._part.file_name:
            self._begin_file()

    def _add(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.is_empty_input:
            self._begin_file()
        part.size_bytes += end - start
        if part.file_name is None:
            self._add_to_field(data[start:end])
        else:
            self._add_to_file(data[start:end])

    def _end_part(self) -> None:
        part = self._part
        if part.is_empty_input:
            self._count_field()
        elif part.file_name is None and part.name != "_charset_":  # RFC 7578, section 4.6: everything is UTF-8 here
            self._fields[part.name] = _field_text(part)

    def _end(self) -> None:
        self._is_complete = True

    def _count_field(self) -> None:
        self._field_count += 1
        if self._field_count > self._limits.fields:
            raise Invalid(f"The form has too many fields: the limit is {self._limits.fields}.")

    def _begin_file(self) -> None:
        self._file_count += 1
        if self._file_count > self._limits.files:
            raise Invalid(f"The form has too many files: the limit is {self._limits.files}.")
        if self._limits.announced and self._file_count == 1:
            expected = min(max(self._limits.announced(self._fields), 1), self._limits.files)
            self._body_limit = self._limits.body_bytes(expected)
            self._require_body_size(self._declared_bytes)
        self._wait_with(b"")  # a file without bytes is one, too

    def _add_to_field(self, content: bytes) -> None:
        part = self._part
        if part.size_bytes > self._limits.field_bytes:
            raise Invalid(f"{part.name:.100} must be at most {self._limits.field_bytes} bytes long.", field=part.name)
        part.value += content

    def _add_to_file(self, content: bytes) -> None:
        if self._part.size_bytes > self._limits.file_bytes:
            # The file's end is not awaited; the form's declared length is the nearest to its size that is known.
            require_size(max(self._part.size_bytes, self._declared_bytes), self._limits.file_bytes)
        self._wait_with(content)

    def _wait_with(self, content: bytes) -> None:
        self._pending.append((self._part, content))
        self._pending_bytes += len(content) + _SLICE_BYTES

    def _require_body_size(self, size_bytes: int) -> None:
        if size_bytes > self._body_limit:
            require_size(size_bytes, self._limits.file_bytes)


def _boundary(content_type: str) -> bytes:
    media_type, parameters = parse_options_header(content_type)
    if media_type != b"multipart/form-data":
        raise Invalid("Send the file as multipart/form-data.")
    boundary = parameters.get(b"boundary", b"")
    if not 1 <= len(boundary) <= MAX_BOUNDARY:
        raise Invalid(f"The Content-Type of a form needs a boundary of 1 to {MAX_BOUNDARY} characters.")
    return boundary


def _declared_bytes(content_length: str) -> int:
    """Return the declared length, 0 when there is none."""
    return int(content_length) if content_length.isdecimal() else 0


def _field_text(part: _Part) -> str:
    try:
        return part.value.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"{part.name:.100} must be valid UTF-8.", field=part.name) from error
