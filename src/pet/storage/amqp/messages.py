"""The public form of events: what other systems read. `docs/events.md` describes it, and a test compares the two.

It is not the form in which events are stored: a field goes out when it is named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import orjson
from aio_pika import DeliveryMode, Message

from pet.domain import events
from pet.domain.events import Event


class Form(NamedTuple):
    """The public name of each field of an event that is for other systems.

    A further field needs no new version. One that goes, or changes its meaning, does.
    """

    fields: Mapping[str, str]
    version: int = 1


_FILE = {"file_id": "fileId"}
_FOLLOW = {"following_id": "followingId"}

FORMS: Mapping[str, Form] = {
    events.UserCreated.name: Form({"username": "username", "role": "role"}),
    events.UserUpdated.name: Form({"is_news": "isNews", "went_public": "wentPublic", "role": "role"}),
    events.UserDeleted.name: Form({}),
    events.TrackUploaded.name: Form(_FILE),
    events.TrackDeleted.name: Form(_FILE),
    events.TrackPlayed.name: Form(_FILE),
    events.AvatarUploaded.name: Form(_FILE),
    events.AvatarDeleted.name: Form(_FILE),
    events.CoverUploaded.name: Form({**_FILE, "track_id": "trackId"}),
    events.FileDeleted.name: Form(_FILE),
    events.FollowRequested.name: Form(_FOLLOW),
    events.FollowCreated.name: Form(_FOLLOW),
    events.FollowDeleted.name: Form(_FOLLOW),
}

INTERNAL_FIELDS = frozenset({"blob_key"})
"""Fields of events that stay inside: they tell how this version keeps things."""


def body_of(event: Event) -> bytes:
    """Return an event as JSON in UTF-8."""
    form = FORMS[event.name]
    return orjson.dumps(
        {
            "eventId": event.event_id,
            "name": event.name,
            "version": form.version,
            "time": _shown(event.occurred_at),
            "userId": event.user_id,
            **{public: getattr(event, field) for field, public in form.fields.items()},
        }
    )


def message_of(event: Event) -> Message:
    """Return an event as a persistent message; its id is the event's, its type the event's name."""
    return Message(
        body_of(event),
        content_type="application/json",
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=event.event_id,
        timestamp=event.occurred_at,
        type=event.name,
        app_id="pet",
    )


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
