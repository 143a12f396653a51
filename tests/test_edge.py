"""The edge: request ids, bounds for bodies, and answers to what nobody foresaw."""

from __future__ import annotations

import pytest

from pet.domain.ids import parse_uuid
from pet.edge import MAX_BODY_BYTES
from tests.conftest import Service


async def test_every_answer_has_a_request_id_of_its_own(service: Service) -> None:
    ids = [(await service.client.get(path)).headers["x-request-id"] for path in ("/users", "/users", "/nothing")]
    assert len({parse_uuid(text) for text in ids} - {None}) == 3


async def test_a_request_id_of_a_clients_is_not_taken(service: Service) -> None:
    response = await service.client.get("/users", headers={"X-Request-Id": "mine"})
    assert response.headers["x-request-id"] != "mine"


@pytest.mark.parametrize("surplus", [0, 1])
async def test_a_body_is_bounded(service: Service, surplus: int) -> None:
    body = b'{"refreshToken": "' + b"a" * (MAX_BODY_BYTES + surplus - 20) + b'"}'
    assert len(body) == MAX_BODY_BYTES + surplus
    headers = {"Content-Type": "application/json"}
    response = await service.client.post("/auth/logout", content=body, headers=headers)
    if surplus:
        too_large = {"success": False, "error": "The body is too large: at most 1024 KB are allowed."}
        assert (response.status_code, response.json()) == (413, too_large)
    else:
        assert response.status_code == 401
