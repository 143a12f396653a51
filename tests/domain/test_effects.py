"""What each event causes: the whole bookkeeping of the network as one table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pet.domain.effects import (
    AbandonBytes,
    AddPlay,
    AddStats,
    AnnounceProfile,
    AnnounceTrack,
    CreateProfile,
    Effect,
    RetractTrack,
    SetRole,
    WantWaveform,
    effects_of,
)
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
    Plain,
    TrackDeleted,
    TrackPlayed,
    TrackUploaded,
    UnknownEvent,
    UserCreated,
    UserDeleted,
    UserUpdated,
    payload_of,
    restore,
)
from pet.domain.ids import EventId, FileId, UserId
from pet.domain.stats import Stats
from pet.domain.viewers import Role

ANN, BOB, SONG = UserId("ann"), UserId("bob"), FileId("song")
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)

TABLE: list[tuple[Event, list[Effect]]] = [
    (
        UserCreated(user_id=ANN, occurred_at=AT, username="ann", role="musician"),
        [CreateProfile(ANN, "ann", Role.MUSICIAN, AT)],
    ),
    (UserUpdated(user_id=ANN, occurred_at=AT), []),
    (UserUpdated(user_id=ANN, occurred_at=AT, is_news=True), [AnnounceProfile(ANN, AT)]),
    (UserUpdated(user_id=ANN, occurred_at=AT, went_public=True), []),
    (UserUpdated(user_id=ANN, occurred_at=AT, role="admin"), [SetRole(ANN, Role.ADMIN)]),
    (UserDeleted(user_id=ANN, occurred_at=AT), []),
    (
        TrackUploaded(user_id=ANN, occurred_at=AT, file_id=SONG),
        [AddStats(ANN, Stats(tracks=1)), AnnounceTrack(ANN, SONG, AT), WantWaveform(SONG, AT)],
    ),
    (
        TrackDeleted(user_id=ANN, occurred_at=AT, file_id=SONG, blob_key="k"),
        [AddStats(ANN, Stats(tracks=-1)), RetractTrack(SONG), AbandonBytes("k")],
    ),
    (AvatarUploaded(user_id=ANN, occurred_at=AT, file_id=SONG), []),
    (AvatarDeleted(user_id=ANN, occurred_at=AT, file_id=SONG, blob_key="k"), [AbandonBytes("k")]),
    (CoverUploaded(user_id=ANN, occurred_at=AT, file_id=SONG, track_id=None), []),
    (FileDeleted(user_id=ANN, occurred_at=AT, file_id=SONG, blob_key="k"), [AbandonBytes("k")]),
    (FollowRequested(user_id=ANN, occurred_at=AT, following_id=BOB), []),
    (
        FollowCreated(user_id=ANN, occurred_at=AT, following_id=BOB),
        [AddStats(ANN, Stats(following=1)), AddStats(BOB, Stats(followers=1))],
    ),
    (
        FollowDeleted(user_id=ANN, occurred_at=AT, following_id=BOB),
        [AddStats(ANN, Stats(following=-1)), AddStats(BOB, Stats(followers=-1))],
    ),
    (
        TrackPlayed(user_id=ANN, occurred_at=AT, file_id=SONG),
        [AddStats(ANN, Stats(plays=1)), AddPlay(SONG)],
    ),
]
IDS = [f"{number}-{event.name}" for number, (event, _) in enumerate(TABLE)]


@pytest.mark.parametrize(("event", "effects"), TABLE, ids=IDS)
def test_each_event_causes_this(event: Event, effects: list[Effect]) -> None:
    assert list(effects_of(event)) == effects


def test_every_kind_of_event_is_in_the_table() -> None:
    assert {type(event) for event, _ in TABLE} == set(KINDS.values())


def test_an_update_of_everything_causes_everything() -> None:
    event = UserUpdated(user_id=ANN, occurred_at=AT, is_news=True, went_public=True, role="admin")
    assert list(effects_of(event)) == [SetRole(ANN, Role.ADMIN), AnnounceProfile(ANN, AT)]


@pytest.mark.parametrize("event", [event for event, _ in TABLE], ids=IDS)
def test_an_event_comes_back_whole_from_what_a_store_keeps(event: Event) -> None:
    kept = payload_of(event)
    assert not {"event_id", "user_id", "occurred_at"} & set(kept)
    again = restore(event.name, kept, event_id=event.event_id, user_id=event.user_id, occurred_at=event.occurred_at)
    assert again == event


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("user.vanished", {}),
        ("follow.created", {}),
        ("follow.created", {"following_id": "bob", "mood": "happy"}),
    ],
)
def test_what_this_version_does_not_know_is_an_unknown_event(name: str, payload: dict[str, Plain]) -> None:
    event = restore(name, payload, event_id="1", user_id=ANN, occurred_at=AT)
    assert isinstance(event, UnknownEvent)
    assert (event.stored_name, event.payload, event.user_id, event.event_id) == (name, repr(payload), ANN, "1")


def test_a_field_that_a_newer_version_added_with_a_default_may_be_absent() -> None:
    event = restore("user.updated", {"is_news": True}, event_id="1", user_id=ANN, occurred_at=AT)
    assert event == UserUpdated(user_id=ANN, occurred_at=AT, is_news=True, event_id=EventId("1"))


def test_the_names_are_those_of_the_design() -> None:
    assert set(KINDS) == {
        "user.created",
        "user.updated",
        "user.deleted",
        "media.track.uploaded",
        "media.track.deleted",
        "media.avatar.uploaded",
        "media.avatar.deleted",
        "media.cover.uploaded",
        "media.file.deleted",
        "follow.requested",
        "follow.created",
        "follow.deleted",
        "track.played",
    }
