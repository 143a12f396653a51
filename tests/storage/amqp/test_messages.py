"""The public form of events: each field is for others or is not, and the documentation shows what really goes out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from pet.domain.events import (
    KINDS,
    AvatarDeleted,
    AvatarUploaded,
    CoverUploaded,
    Event,
    FileDeleted,
    FollowCreated,
    FollowDeleted,
    FollowRequested,
    TrackDeleted,
    TrackPlayed,
    TrackUploaded,
    UserCreated,
    UserDeleted,
    UserUpdated,
)
from pet.domain.ids import EventId, FileId, UserId
from pet.storage.amqp.messages import FORMS, INTERNAL_FIELDS, body_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "events.md"

ANN, BOB = UserId("019a0b6e-7a10-7c3e-9f57-2d1c0a5b7e01"), UserId("019a0b6e-7a10-7c3e-9f57-2d1c0a5b7e02")
SONG, IMAGE = FileId("019a0b70-11d4-7b21-8c0e-6f3a9d2e4b11"), FileId("019a0b70-11d4-7b21-8c0e-6f3a9d2e4b12")
COMMON = {"event_id", "user_id", "occurred_at"}


def sample(kind: Callable[..., Event], **own: object) -> Event:
    """Return an event of a fixed id and time, ann's."""
    return kind(
        event_id=EventId("019a0b71-5e0c-7d48-a1f3-0c9b8e7d6f50"),
        user_id=ANN,
        occurred_at=datetime(2026, 5, 1, 12, 0, 0, 250000, tzinfo=UTC),
        **own,
    )


SAMPLES = [
    sample(UserCreated, username="ann", role="musician"),
    sample(UserUpdated, is_news=True, went_public=False, role=None),
    sample(UserDeleted),
    sample(TrackUploaded, file_id=SONG),
    sample(TrackDeleted, file_id=SONG, blob_key="tracks/1"),
    sample(TrackPlayed, file_id=SONG),
    sample(AvatarUploaded, file_id=IMAGE),
    sample(AvatarDeleted, file_id=IMAGE, blob_key="images/1"),
    sample(CoverUploaded, file_id=IMAGE, track_id=SONG),
    sample(FileDeleted, file_id=IMAGE, blob_key="images/2"),
    sample(FollowRequested, following_id=BOB),
    sample(FollowCreated, following_id=BOB),
    sample(FollowDeleted, following_id=BOB),
]


def documented() -> dict[str, str]:
    """Return the example of each event in the documentation."""
    return dict(re.findall(r"^### `([a-z.]+)`$.*?^```json\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE))


def test_every_event_has_a_form_and_no_form_is_left_over() -> None:
    assert set(FORMS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_field_of_an_event_is_for_others_or_said_to_be_internal(kind: type[Event]) -> None:
    own = {field.name for field in dataclasses.fields(kind)} - COMMON
    assert own - INTERNAL_FIELDS == set(FORMS[kind.name].fields)


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.name)
def test_the_documentation_shows_what_goes_out(event: Event) -> None:
    shown = orjson.loads(documented()[event.name])
    sent = orjson.loads(body_of(event))
    assert list(shown.items()) == list(sent.items())


def test_every_event_is_documented_and_nothing_else() -> None:
    assert list(documented()) == [event.name for event in SAMPLES]
    assert set(documented()) == set(KINDS)


def test_nothing_internal_goes_out() -> None:
    assert not [event.name for event in SAMPLES if b"blob" in body_of(event) or b"images/" in body_of(event)]
