"""The edge: request ids, bounds for bodies, and answers to what nobody foresaw."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pet.domain.ids import parse_uuid
from tests.conftest import Service, StartService


async def test_every_answer_has_a_request_id_of_its_own(service: Service) -> None:
    ids = [(await service.client.get(path)).headers["x-request-id"] for path in ("/users", "/users", "/nothing")]
    assert len({parse_uuid(text) for text in ids} - {None}) == 3


async def test_a_request_id_of_a_clients_is_not_taken(service: Service) -> None:
    response = await service.client.get("/users", headers={"X-Request-Id": "mine"})
    assert response.headers["x-request-id"] != "mine"


def json_of(size: int) -> bytes:
    body = b'{"refreshToken": "' + b"a" * (size - 20) + b'"}'
    assert len(body) == size
    return body


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Send a body without its length."""
    for start in range(0, len(body), 4096):
        yield body[start : start + 4096]


@pytest.mark.parametrize("is_declared", [True, False], ids=["with its length", "in pieces"])
@pytest.mark.parametrize("surplus", [0, 1])
async def test_a_body_is_bounded(start_service: StartService, surplus: int, *, is_declared: bool) -> None:
    service: Service = await start_service(max_body=20_000)
    body = json_of(20_000 + surplus)
    headers = {"Content-Type": "application/json"}
    content = body if is_declared else in_pieces(body)
    response = await service.client.post("/auth/logout", content=content, headers=headers)
    if surplus:
        too_large = {"success": False, "error": "The body is too large: at most 19 KB are allowed."}
        assert (response.status_code, response.json()) == (413, too_large)
    else:
        assert response.status_code == 401


async def test_nobody_sends_a_large_body_as_a_form_to_a_route_that_takes_none(service: Service) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while taken < 100:
            taken += 1
            yield b"x" * 65_536

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = await service.client.post("/auth/login", content=endless(), headers=headers)
    refused = {"success": False, "error": "Send the body as application/json."}
    assert (response.status_code, response.json()) == (415, refused)
    assert taken == 1
