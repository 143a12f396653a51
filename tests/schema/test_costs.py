"""What lists of plain values cost: points of waveforms, by the hundred."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import parse

from pet.schema.costs import Cost, costs_of
from pet.schema.root import build_schema

TRACK = "query ($points: Int) {{ track(fileId: 1) {{ title {} }} }}"


def cost_of(fields: str) -> Cost:
    """Return the cost of a track of which some fields are asked."""
    return costs_of(build_schema()._schema, parse(TRACK.format(fields)))[None]


@pytest.mark.parametrize(
    ("fields", "variables", "cost"),
    [
        ("", {}, 1),
        ("waveform", {}, 3),
        ("waveform(points: 1)", {}, 2),
        ("waveform(points: 100)", {}, 2),
        ("waveform(points: 101)", {}, 3),
        ("waveform(points: $points)", {"points": 1000}, 11),
        ("waveform(points: $points)", {}, 3),
        ("waveform(points: $points)", {"points": -5}, 2),
        ("waveform(points: 1000000000)", {}, 11),
        ("few: waveform(points: 1) many: waveform(points: 1000)", {}, 12),
    ],
)
def test_a_hundred_points_cost_as_much_as_an_object(fields: str, variables: dict[str, Any], cost: int) -> None:
    assert cost_of(fields).requested(variables) == cost


def test_what_was_not_there_was_not_paid_for() -> None:
    cost = cost_of("waveform few: waveform(points: 1)")
    assert cost.actual({"track": {"title": "", "waveform": None, "few": None}}) == 1
    assert cost.actual({"track": {"title": "", "waveform": [0.0] * 200, "few": [1.0]}}) == 4
    assert cost.actual({"track": None}) == 1
