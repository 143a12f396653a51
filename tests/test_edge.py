"""The edge: whose address counts, request ids, bounds for bodies, and answers to what nobody foresaw."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest

from pet.domain.ids import parse_uuid
from pet.edge import client_address
from tests.conftest import Service, StartService

NETWORKS = [ip_network(text) for text in ("10.0.0.0/8", "192.0.2.1/32", "2001:db8:ffff::/48")]


def scope(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return {"type": "http", "headers": headers, "client": (peer, 50_000) if peer else None}


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param("203.0.113.9", [], "203.0.113.9", id="no_proxy"),
        pytest.param("203.0.113.9", ["198.51.100.1"], "203.0.113.9", id="a_stranger_is_not_believed"),
        pytest.param("10.0.0.1", ["198.51.100.1"], "198.51.100.1", id="a_trusted_proxy_is"),
        pytest.param("10.0.0.1", ["1.2.3.4, 198.51.100.1"], "198.51.100.1", id="what_lies_left_is_spoofed"),
        pytest.param("10.0.0.1", ["1.2.3.4", "198.51.100.1"], "198.51.100.1", id="lines_are_one_list"),
        pytest.param("10.0.0.1", ["198.51.100.1, 10.9.9.9, 192.0.2.1"], "198.51.100.1", id="a_chain_of_proxies"),
        pytest.param("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2", id="all_are_proxies"),
        pytest.param("10.0.0.1", [], "10.0.0.1", id="a_proxy_itself"),
        pytest.param("10.0.0.1", [""], "10.0.0.1", id="an_empty_header"),
        pytest.param("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1", id="nonsense_ends_the_search"),
        pytest.param("10.0.0.1", ["198.51.100.1:4711"], "10.0.0.1", id="an_address_with_a_port_is_nonsense"),
        pytest.param("10.0.0.1", [" 198.51.100.1 "], "198.51.100.1", id="spaces"),
        pytest.param("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64", id="ipv6_counts_by_its_64"),
        pytest.param("2001:db8:1:2::ffff", [], "2001:db8:1:2::/64", id="the_neighbour_in_the_same_64"),
        pytest.param("2001:DB8:1:3::1", [], "2001:db8:1:3::/64", id="another_64"),
        pytest.param("2001:db8:ffff::1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64", id="ipv6_proxy"),
        pytest.param("::ffff:203.0.113.9", [], "203.0.113.9", id="ipv4_on_a_socket_for_both"),
        pytest.param("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1", id="ipv4_proxy_on_a_socket_for_both"),
        pytest.param("10.0.0.1", ["::ffff:10.0.0.2"], "10.0.0.2", id="a_mapped_proxy_in_the_list"),
        pytest.param("fe80::1%eth0", [], "fe80::/64", id="link_local_with_a_zone"),
        pytest.param(None, ["198.51.100.1"], "unknown", id="no_address_at_all"),
        pytest.param("testclient", ["198.51.100.1"], "testclient", id="a_name"),
    ],
)
def test_limits_count_by_the_nearest_address_that_is_no_trusted_proxy(
    peer: str | None, forwarded: list[str], expected: str
) -> None:
    assert client_address(scope(peer, *forwarded), NETWORKS) == expected


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert client_address(scope("10.0.0.1", "198.51.100.1"), []) == "10.0.0.1"


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
