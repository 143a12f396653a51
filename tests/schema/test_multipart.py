"""Uploads by the GraphQL multipart request specification: whatever has not its form is a 400 that keeps nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson

from pet.domain.media import MIB
from tests.conftest import Person, Service
from tests.media_factory import png
from tests.schema.operations import run, send_form
from tests.setups import kept_objects

QUERY = "mutation ($file: Upload!) { uploadAvatar(file: $file) { image { mimeType } userErrors { code } } }"
LIST = "mutation ($files: [Upload!]!) { uploadAvatar(file: $files) { image { mimeType } } }"
OPERATIONS: dict[str, Any] = {"query": QUERY, "variables": {"file": None}}
PLACES = {"0": ["variables.file"]}
FILE = {"0": ("a.png", png())}


def code_of(response: httpx.Response) -> str:
    """Return the code of the one error of a refused request."""
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    (error,) = response.json()["errors"]
    code: str = error["extensions"]["code"]
    return code


async def avatar_url(service: Service) -> object:
    """Return the URL of the avatar of `ann`."""
    return (await run(service, "ProfilePage", {"by": {"username": "ann"}}))["avatarUrl"]


async def test_a_well_formed_upload_is_kept(service: Service, ann: Person) -> None:
    response = await send_form(service, OPERATIONS, PLACES, FILE, by=ann)
    assert response.json() == {"data": {"uploadAvatar": {"image": {"mimeType": "image/png"}, "userErrors": []}}}
    assert await avatar_url(service) is not None


MALFORMED: dict[str, tuple[object, object]] = {
    "operations_null": ("null", PLACES),
    "operations_number": ("1", PLACES),
    "operations_list": ([OPERATIONS], PLACES),
    "operations_broken": ("{", PLACES),
    "operations_not_a_number": ('{"query": "{ __typename }", "variables": {"file": NaN}}', PLACES),
    "operations_deep": ("[" * 50_000 + "]" * 50_000, PLACES),
    "query_missing": ({"variables": {"file": None}}, PLACES),
    "variables_missing": ({"query": QUERY}, PLACES),
    "variables_text": ({"query": QUERY, "variables": "x"}, PLACES),
    "map_broken": (OPERATIONS, "{"),
    "map_number": (OPERATIONS, "1"),
    "map_list": (OPERATIONS, ["variables.file"]),
    "paths_null": (OPERATIONS, {"0": None}),
    "paths_text": (OPERATIONS, {"0": "variables.file"}),
    "paths_numbers": (OPERATIONS, {"0": [1]}),
    "path_empty": (OPERATIONS, {"0": [""]}),
    "path_unknown": (OPERATIONS, {"0": ["variables.other"]}),
    "path_too_deep": (OPERATIONS, {"0": ["variables.file.x"]}),
    "path_too_short": (OPERATIONS, {"0": ["variables"]}),
    "path_to_the_query": (OPERATIONS, {"0": ["query"]}),
    "path_to_the_operation_name": ({**OPERATIONS, "operationName": None}, {"0": ["operationName"]}),
    "path_to_what_is_not_null": ({"query": QUERY, "variables": {"file": "x"}}, PLACES),
    "path_to_an_object": ({"query": QUERY, "variables": {"file": {}}}, PLACES),
    "index_no_number": ({"query": LIST, "variables": {"files": [None]}}, {"0": ["variables.files.x"]}),
    "index_negative": ({"query": LIST, "variables": {"files": [None]}}, {"0": ["variables.files.-1"]}),
    "index_too_large": ({"query": LIST, "variables": {"files": [None]}}, {"0": ["variables.files.1"]}),
    "index_huge": ({"query": LIST, "variables": {"files": [None]}}, {"0": ["variables.files." + "9" * 5000]}),
    "twice_in_one_place": (OPERATIONS, {"0": ["variables.file", "variables.file"]}),
    "file_missing": (OPERATIONS, {"1": ["variables.file"]}),
}


async def test_what_is_malformed_is_refused_and_keeps_nothing(service: Service, ann: Person) -> None:
    for name, (operations, places) in MALFORMED.items():
        response = await send_form(service, operations, places, FILE, by=ann)
        assert (response.status_code, code_of(response)) == (400, "INVALID"), name
    assert await avatar_url(service) is None


async def test_a_file_without_a_place_leaves_its_variable_null(service: Service, ann: Person) -> None:
    response = await send_form(service, OPERATIONS, {}, FILE, by=ann)
    assert (response.status_code, code_of(response)) == (200, "INVALID")
    assert "data" not in response.json()
    assert await avatar_url(service) is None


async def test_a_form_without_its_fields_is_refused(service: Service, ann: Person) -> None:
    for field in ("nothing", "operations", "map"):
        files = {field: (None, b"{}"), "0": ("a.png", png())}
        response = await service.client.post("/graphql", files=files, headers=ann.headers)
        assert (response.status_code, code_of(response)) == (400, "INVALID")


async def test_a_third_file_is_refused(service: Service, ann: Person) -> None:
    files = {str(number): ("a.png", png()) for number in range(3)}
    response = await send_form(service, OPERATIONS, PLACES, files, by=ann)
    assert (response.status_code, code_of(response)) == (400, "INVALID")
    assert await avatar_url(service) is None


async def test_a_body_that_is_no_form_is_refused(service: Service, ann: Person) -> None:
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=x", "multipart/form-data; boundary="):
        headers = {**ann.headers, "content-type": content_type}
        response = await service.client.post("/graphql", content=b"--y\r\n\r\nz", headers=headers)
        assert (response.status_code, code_of(response)) == (400, "INVALID")


async def test_without_a_good_token_not_a_byte_of_the_body_is_read(service: Service, ann: Person) -> None:
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(b"--x\r\n")
        yield read[-1]

    for authorization in (None, "Bearer x", f"Basic {ann.access_token}"):
        headers = {"content-type": "multipart/form-data; boundary=x"}
        if authorization:
            headers["authorization"] = authorization
        response = await service.client.post("/graphql", content=body(), headers=headers)
        assert (response.status_code, code_of(response)) == (401, "UNAUTHENTICATED")
        assert response.headers["www-authenticate"] == "Bearer"
    assert read == []


async def test_a_declared_length_too_large_for_the_files_in_map_is_refused_before_they_come(
    service: Service, ann: Person
) -> None:
    parts = {"operations": orjson.dumps(OPERATIONS).decode(), "map": orjson.dumps({"0": ["variables.file"]}).decode()}
    fields = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in parts.items()
    ]
    opening = '--b\r\nContent-Disposition: form-data; name="0"; filename="a.png"\r\n\r\n'
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for chunk in ["".join(fields).encode(), opening.encode() + bytes(1000), *[bytes(64 * 1024)] * 1600]:
            sent += 1
            yield chunk

    headers = {
        **ann.headers,
        "content-type": "multipart/form-data; boundary=b",
        "content-length": str(150 * MIB),
    }
    response = await service.client.post("/graphql", content=body(), headers=headers)
    assert (response.status_code, code_of(response), sent) == (413, "TOO_LARGE", 2)
    assert response.json()["errors"][0]["message"] == "The file is too large: 150 MB, at most 100 MB are allowed."
    assert kept_objects(service.settings) == []


async def test_no_temporary_object_is_left(service: Service, ann: Person) -> None:
    await send_form(service, OPERATIONS, {}, FILE, by=ann)
    await send_form(service, OPERATIONS, PLACES, {"0": ("a.png", b"no picture")}, by=ann)
    assert kept_objects(service.settings) == []
