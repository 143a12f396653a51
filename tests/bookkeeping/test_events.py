"""`pet events`, as an operator uses it after something went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pet.domain.delivery import MAX_ATTEMPTS
from pet.domain.stats import Stats
from tests.bookkeeping.conftest import failing_follow, within
from tests.test_cli import pet, require_sentence


def test_with_nothing_to_tell_the_list_says_so(data_dir: Path) -> None:
    result = pet("events", "list", data_dir=data_dir)
    assert (result.exit_code, result.stdout) == (0, "0 events wait for their delivery, 0 are parked.\n")


def test_a_failed_event_is_listed_with_its_error_and_its_next_try(data_dir: Path) -> None:
    event = within(data_dir, failing_follow)
    lines = pet("events", "list", data_dir=data_dir).stdout.splitlines()
    assert lines[0].startswith(f"{event.event_id}  follow.created            next try 20")
    assert lines[0].endswith("  ValueError: a bug of ours")
    assert lines[1] == "1 events wait for their delivery, 0 are parked."


def test_a_parked_event_is_shown_whole_and_delivered_when_it_is_retried(data_dir: Path) -> None:
    event = within(data_dir, lambda parts: failing_follow(parts, times=MAX_ATTEMPTS))
    assert "  parked  ValueError: a bug of ours\n" in pet("events", "list", data_dir=data_dir).stdout
    shown = dict(
        line.split(None, 1) for line in pet("events", "show", event.event_id, data_dir=data_dir).stdout.splitlines()
    )
    assert (shown["event"], shown["name"], shown["user"]) == (event.event_id, "follow.created", event.user_id)
    assert (shown["attempts"], shown["error"], shown["delivered"]) == ("6", "ValueError: a bug of ours", "-")
    retried = pet("events", "retry", event.event_id, data_dir=data_dir)
    assert retried.stdout == "1 events are tried again; 1 were delivered.\n"
    assert pet("events", "list", data_dir=data_dir).stdout == "0 events wait for their delivery, 0 are parked.\n"
    profile = within(data_dir, lambda parts: parts.services.profiles.find_by_username("ann"))
    assert profile is not None
    assert profile.stats == Stats(followers=1)


def test_all_parked_events_are_retried_at_once(data_dir: Path) -> None:
    within(data_dir, lambda parts: failing_follow(parts, times=MAX_ATTEMPTS))
    result = pet("events", "retry", "--all", data_dir=data_dir)
    assert (result.exit_code, result.stdout) == (0, "1 events are tried again; 1 were delivered.\n")


@pytest.mark.parametrize("arguments", [("retry",), ("retry", "some-id", "--all")])
def test_retry_wants_one_event_or_all(data_dir: Path, arguments: tuple[str, ...]) -> None:
    result = pet("events", *arguments, data_dir=data_dir)
    assert (result.exit_code, "Give the id of an event, or --all." in result.stderr) == (2, True)


def test_an_event_that_is_not_there(data_dir: Path) -> None:
    require_sentence(
        pet("events", "show", "nothing", data_dir=data_dir),
        "There is no event with the id nothing. Delivered ones are forgotten after some days.",
    )
    require_sentence(
        pet("events", "retry", "nothing", data_dir=data_dir),
        "No undelivered event has the id nothing. `pet events list` shows what failed.",
    )
