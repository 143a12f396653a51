"""Whose address counts: proxies that are believed, and what strangers make up."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pet.forwarding import client_address

NETWORKS = [ip_network(text) for text in ("10.0.0.0/8", "192.0.2.1/32", "2001:db8:ffff::/48")]


def scope(peer: str | None, *forwarded: str, header: str = "x-forwarded-for") -> dict[str, Any]:
    headers = [(header.encode(), line.encode("latin-1")) for line in forwarded]
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


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param("203.0.113.9", ["for=198.51.100.1"], "203.0.113.9", id="a_stranger_is_not_believed"),
        pytest.param("10.0.0.1", ["for=198.51.100.1"], "198.51.100.1", id="a_trusted_proxy_is"),
        pytest.param("10.0.0.1", ["For=198.51.100.1;proto=https;by=10.0.0.1"], "198.51.100.1", id="names_in_any_case"),
        pytest.param("10.0.0.1", ["proto=https ; for=198.51.100.1"], "198.51.100.1", id="in_any_order_with_spaces"),
        pytest.param("10.0.0.1", ['for="198.51.100.1:4711"'], "198.51.100.1", id="a_port"),
        pytest.param("10.0.0.1", ['for="[2001:db8:1:2::3]:4711"'], "2001:db8:1:2::/64", id="ipv6_with_a_port"),
        pytest.param("10.0.0.1", ['for="[2001:db8:1:2::3]"'], "2001:db8:1:2::/64", id="ipv6"),
        pytest.param("10.0.0.1", ['for="[::ffff:198.51.100.1]"'], "198.51.100.1", id="mapped_ipv4"),
        pytest.param("10.0.0.1", ['for="198\\.51.100.1"'], "198.51.100.1", id="an_escaped_character"),
        pytest.param("10.0.0.1", ["for=1.2.3.4, for=198.51.100.1"], "198.51.100.1", id="what_lies_left_is_spoofed"),
        pytest.param("10.0.0.1", ["for=1.2.3.4", "for=198.51.100.1"], "198.51.100.1", id="lines_are_one_list"),
        pytest.param("10.0.0.1", ["for=198.51.100.1,for=10.9.9.9"], "198.51.100.1", id="a_chain_of_proxies"),
        pytest.param("10.0.0.1", ["for=198.51.100.1, for=unknown"], "10.0.0.1", id="unknown_ends_the_search"),
        pytest.param("10.0.0.1", ["for=198.51.100.1, for=_hidden"], "10.0.0.1", id="a_hidden_name_does"),
        pytest.param("10.0.0.1", ["for=198.51.100.1, proto=https"], "10.0.0.1", id="an_element_without_for_does"),
        pytest.param("10.0.0.1", ["for=198.51.100.1;for=1.2.3.4"], "10.0.0.1", id="two_in_one_element_do"),
        pytest.param("10.0.0.1", ['for=1.2.3.4;a="x,for=5.6.7.8"'], "1.2.3.4", id="a_comma_in_quotation_marks"),
        pytest.param("10.0.0.1", ['for=1.2.3.4;a="', "for=198.51.100.1"], "198.51.100.1", id="an_open_quotation"),
        pytest.param("10.0.0.1", ['for=1.2.3.4;a=", for=198.51.100.1'], "10.0.0.1", id="it_swallows_its_own_line"),
        pytest.param(
            "10.0.0.1", ['for=1.2.3.4;a=", for="[2001:db8::1]"'], "10.0.0.1", id="and_cannot_be_closed_by_the_proxy"
        ),
        pytest.param("10.0.0.1", ["for=2001:db8::1"], "10.0.0.1", id="ipv6_without_quotation_marks"),
        pytest.param("10.0.0.1", ["for=198.51.100.1" + " " * 60_000 + "@"], "10.0.0.1", id="a_line_without_end"),
        pytest.param("10.0.0.1", ["", "=", ";;;", ",,,", "\x00", "for", "for="], "10.0.0.1", id="nonsense"),
        pytest.param("10.0.0.1", [""], "10.0.0.1", id="an_empty_header"),
    ],
)
def test_the_standard_s_header_is_read_like_the_older_one(peer: str, forwarded: list[str], expected: str) -> None:
    assert client_address(scope(peer, *forwarded, header="forwarded"), NETWORKS) == expected


@pytest.mark.parametrize(
    ("older", "standard", "expected"),
    [
        pytest.param("198.51.100.1", "for=198.51.100.1", "198.51.100.1", id="they_agree"),
        pytest.param("198.51.100.1", "for=1.2.3.4", "10.0.0.1", id="they_differ"),
        pytest.param(
            "1.2.3.4, 198.51.100.1", "for=5.6.7.8, for=198.51.100.1", "198.51.100.1", id="they_differ_far_off"
        ),
        pytest.param("198.51.100.1", "for=unknown", "10.0.0.1", id="one_cannot_be_read"),
    ],
)
def test_where_the_two_headers_differ_neither_is_believed(older: str, standard: str, expected: str) -> None:
    both = scope("10.0.0.1", older)
    both["headers"] += scope("10.0.0.1", standard, header="forwarded")["headers"]
    assert client_address(both, NETWORKS) == expected


@given(some.text(some.sampled_from('for=1.2;,[]:"\\ abc'), max_size=60))
def test_whatever_a_client_writes_before_it_a_proxy_s_element_is_taken_or_none(written: str) -> None:
    line = f"{written}, for=198.51.100.1"
    assert client_address(scope("10.0.0.1", line, header="forwarded"), NETWORKS) in {"198.51.100.1", "10.0.0.1"}
    line = f'{written}, for="[2001:db8:1:2::3]:4711"'
    assert client_address(scope("10.0.0.1", line, header="forwarded"), NETWORKS) in {"2001:db8:1:2::/64", "10.0.0.1"}
