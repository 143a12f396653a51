"""What each event causes: in counters, activities, profiles, follows and waveforms.

`effects_of` is a pure function, so the whole of the network's bookkeeping can be read in one table and tested without a
store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import singledispatch

from pet.domain.events import (
    Event,
    FileDeleted,
    FollowCreated,
    FollowDeleted,
    TrackDeleted,
    TrackPlayed,
    TrackUploaded,
    UserCreated,
    UserUpdated,
)
from pet.domain.ids import FileId, UserId
from pet.domain.stats import Stats
from pet.domain.viewers import Role


@dataclass(frozen=True, slots=True)
class CreateProfile:
    """Make the profile of a new user, unless it is there, or was purged already.

    It is too early as long as another profile has the username: that of an account which is gone, for no two accounts
    have the same.
    """

    user_id: UserId
    username: str
    role: Role
    at: datetime


@dataclass(frozen=True, slots=True)
class SetRole:
    """Show a role that an operator gave. It is too early for a profile that is neither there nor purged."""

    user_id: UserId
    role: Role


@dataclass(frozen=True, slots=True)
class AddStats:
    """Add to a profile's counters; a profile that is gone counts nothing."""

    user_id: UserId
    delta: Stats


@dataclass(frozen=True, slots=True)
class AddPlay:
    """Add one to a track's plays; a track that is gone counts nothing."""

    file_id: FileId


@dataclass(frozen=True, slots=True)
class AnnounceTrack:
    """Add `track_published` to the activities of the track's owner."""

    user_id: UserId
    file_id: FileId
    at: datetime


@dataclass(frozen=True, slots=True)
class AnnounceProfile:
    """Add `profile_updated`, in the place of what the hour before it told; nothing where the hour after it has told.

    The end is the same in whatever order updates arrive. A profile that is gone tells nothing.
    """

    user_id: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class RetractTrack:
    """Take a track out of every feed."""

    file_id: FileId


@dataclass(frozen=True, slots=True)
class WantWaveform:
    """Note that a track wants a waveform, which is made in the background; a track that is gone wants none."""

    file_id: FileId
    at: datetime


@dataclass(frozen=True, slots=True)
class AbandonBytes:
    """Note that bytes are nobody's any more, so that a sweep removes them if nobody does so before."""

    blob_key: str


Effect = (
    CreateProfile
    | SetRole
    | AddStats
    | AddPlay
    | AnnounceTrack
    | AnnounceProfile
    | WantWaveform
    | RetractTrack
    | AbandonBytes
)


@singledispatch
def effects_of(event: Event) -> Sequence[Effect]:
    """Return what an event causes, in order; nothing, where the event only tells what its change has done already.

    What has no bound is done in steps: by `Projections.purge`, and by `accept_requests` when a profile becomes public.
    """
    del event
    return ()


@effects_of.register
def _(event: UserCreated) -> Sequence[Effect]:
    return (CreateProfile(event.user_id, event.username, Role(event.role), event.occurred_at),)


@effects_of.register
def _(event: UserUpdated) -> Sequence[Effect]:
    effects: list[Effect] = []
    if event.role is not None:
        effects.append(SetRole(event.user_id, Role(event.role)))
    if event.is_news:
        effects.append(AnnounceProfile(event.user_id, event.occurred_at))
    return effects


@effects_of.register
def _(event: TrackUploaded) -> Sequence[Effect]:
    published = AnnounceTrack(event.user_id, event.file_id, event.occurred_at)
    wanted = WantWaveform(event.file_id, event.occurred_at)
    return (AddStats(event.user_id, Stats(tracks=1)), published, wanted)


@effects_of.register
def _(event: TrackDeleted) -> Sequence[Effect]:
    return (AddStats(event.user_id, Stats(tracks=-1)), RetractTrack(event.file_id), AbandonBytes(event.blob_key))


@effects_of.register
def _(event: FileDeleted) -> Sequence[Effect]:
    return (AbandonBytes(event.blob_key),)


@effects_of.register
def _(event: FollowCreated) -> Sequence[Effect]:
    return (AddStats(event.user_id, Stats(following=1)), AddStats(event.following_id, Stats(followers=1)))


@effects_of.register
def _(event: FollowDeleted) -> Sequence[Effect]:
    return (AddStats(event.user_id, Stats(following=-1)), AddStats(event.following_id, Stats(followers=-1)))


@effects_of.register
def _(event: TrackPlayed) -> Sequence[Effect]:
    return (AddStats(event.user_id, Stats(plays=1)), AddPlay(event.file_id))
