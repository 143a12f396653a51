"""Multipart forms, streamed: files go to temporary objects as they arrive (RFC 7578)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from pet.domain.errors import Invalid
from pet.domain.media import StagedBlob
from pet.domain.uploads import Upload, require_size

KIB = 1024


@dataclass(frozen=True, slots=True)
class Form:
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
) -> AsyncIterator[Form]:
    content_type, options = parse_options_header(request.headers.get("content-type"))
    if content_type != b"multipart/form-data" or b"boundary" not in options:
        raise Invalid("Send the file as multipart/form-data.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal():
        slack = fields_limit * field_limit
        if int(declared) > files_limit * file_limit + slack:
            require_size(int(declared), file_limit)
    events: list[tuple[str, bytes]] = []

    def on(name: str) -> Callable[..., None]:
        return lambda data=b"", start=0, end=0: events.append((name, bytes(data[start:end])))

    names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end", "headers_finished", "end")
    parser = MultipartParser(options[b"boundary"], {f"on_{name}": on(name) for name in names})  # type: ignore[arg-type]
    fields: dict[str, bytes] = {}
    files: dict[str, Upload] = {}
    ended = False
    header = value = b""
    disposition: dict[bytes, bytes] = {}
    name = ""
    blob: StagedBlob | None = None
    async with AsyncExitStack() as stack:
        async for chunk in request.stream():
            try:
                parser.write(chunk)
            except FormParserError as error:
                raise Invalid("The form is malformed.") from error
            for kind, data in events:
                if kind == "part_begin":
                    disposition, blob = {}, None
                elif kind == "header_field":
                    header += data
                elif kind == "header_value":
                    value += data
                elif kind == "header_end":
                    if header.lower() == b"content-disposition":
                        disposition = parse_options_header(value)[1]
                    header = value = b""
                elif kind == "headers_finished":
                    if b"name" not in disposition:
                        raise Invalid("A part of the form has no name.")
                    name = disposition[b"name"].decode("utf-8", "replace")
                    if b"filename" in disposition:
                        if len(files) >= files_limit:
                            raise Invalid("The form has too many files.")
                        blob = await stack.enter_async_context(stage())
                        files[name] = Upload(disposition[b"filename"].decode("utf-8", "replace"), blob)
                    elif len(fields) >= fields_limit:
                        raise Invalid("The form has too many fields.")
                    else:
                        fields[name] = b""
                elif kind == "part_data":
                    if blob is None:
                        fields[name] += data
                        if len(fields[name]) > field_limit:
                            raise Invalid(f"The field {name} is too long.", field=name)
                    else:
                        require_size(blob.size_bytes + len(data), file_limit)
                        await blob.write(data)
                elif kind == "end":
                    ended = True
            events.clear()
        if not ended:
            raise Invalid("The form ended too early.")
        kept = {key: upload for key, upload in files.items() if upload.original_name or upload.blob.size_bytes}
        yield Form({key: text.decode("utf-8", "replace") for key, text in fields.items()}, kept)
