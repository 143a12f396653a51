"""The tables, declared once: migrations are made from this file by `make migration`.

A table's docstring becomes its comment in the database. No semicolon in it: the migrations split statements there.

Times are whole milliseconds since the Unix epoch, UTC (`..._ms`): exact, ordered and the same on every dialect. Ids are
text, of one form and length, so that every collation orders them as bytes. Lists of texts are JSON arrays. Every list
that a client can ask for has an index in its own order.
"""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

UUID = 36
OBJECT_ID = 24


class AccountRow(Model):
    """An account, the keys are the casefolded forms under which email and username are unique.

    One with a `deleted_ms` is gone, and keeps its names until all that belonged to it is gone too.
    """

    user_id = fields.CharField(max_length=UUID, primary_key=True)
    email = fields.CharField(max_length=254)
    email_key = fields.CharField(max_length=600, unique=True)
    username = fields.CharField(max_length=30)
    username_key = fields.CharField(max_length=30, unique=True)
    role = fields.CharField(max_length=16)
    password_hash = fields.CharField(max_length=255)
    created_ms = fields.BigIntField()
    deleted_ms = fields.BigIntField(null=True)

    class Meta:
        table = "account"


class SessionRow(Model):
    """A session, the hashes are those of the current refresh token's id and of the one before."""

    session_id = fields.CharField(max_length=UUID, primary_key=True)
    user_id = fields.CharField(max_length=UUID)
    token_hash = fields.CharField(max_length=64)
    previous_hash = fields.CharField(max_length=64, null=True)
    rotated_ms = fields.BigIntField()
    created_ms = fields.BigIntField()
    last_used_ms = fields.BigIntField()
    expires_ms = fields.BigIntField(db_index=True)
    user_agent = fields.CharField(max_length=200)

    class Meta:
        table = "session"
        indexes: ClassVar = [Index(fields=["user_id", "last_used_ms", "session_id"], name="session_by_user")]


class DataExportRow(Model):
    """An archive of all that is known of someone, `due_ms` is when something is to be done about it next.

    While it is made that is when nobody has it in hand any more, afterwards when it goes. `current_of` is the user
    whose archive it is, null when it is to be removed.
    """

    export_id = fields.CharField(max_length=UUID, primary_key=True)
    user_id = fields.CharField(max_length=UUID, db_index=True)
    current_of = fields.CharField(max_length=UUID, null=True, unique=True)
    state = fields.CharField(max_length=9)
    attempt = fields.IntField()
    due_ms = fields.BigIntField()
    done_bytes = fields.BigIntField()
    total_bytes = fields.BigIntField()
    size_bytes = fields.BigIntField()
    requested_ms = fields.BigIntField()
    ready_ms = fields.BigIntField(null=True)

    class Meta:
        table = "data_export"
        indexes: ClassVar = [Index(fields=["state", "due_ms", "export_id"], name="data_export_by_due")]


class FamiliarNetworkRow(Model):
    """A network from which someone has logged in, under a digest that tells of both."""

    network = fields.CharField(max_length=64, primary_key=True)
    user_id = fields.CharField(max_length=UUID)
    noted_ms = fields.BigIntField(db_index=True)

    class Meta:
        table = "familiar_network"
        indexes: ClassVar = [Index(fields=["user_id", "noted_ms", "network"], name="familiar_network_by_user")]


class ProfileRow(Model):
    """A profile with its counters."""

    user_id = fields.CharField(max_length=UUID, primary_key=True)
    object_id = fields.CharField(max_length=OBJECT_ID, unique=True)
    username = fields.CharField(max_length=30)
    username_key = fields.CharField(max_length=30, unique=True)
    role = fields.CharField(max_length=16)
    display_name = fields.CharField(max_length=100, null=True)
    bio = fields.TextField(null=True)
    location = fields.CharField(max_length=100, null=True)
    genres = fields.TextField()
    instruments = fields.TextField()
    youtube = fields.CharField(max_length=200, null=True)
    vk = fields.CharField(max_length=200, null=True)
    telegram = fields.CharField(max_length=200, null=True)
    email_notifications = fields.BooleanField()
    show_online_status = fields.BooleanField()
    is_private = fields.BooleanField()
    avatar_file_id = fields.CharField(max_length=UUID, null=True)
    cover_file_id = fields.CharField(max_length=UUID, null=True)
    tracks = fields.BigIntField(default=0)
    followers = fields.BigIntField(default=0)
    following = fields.BigIntField(default=0)
    plays = fields.BigIntField(default=0)
    created_ms = fields.BigIntField()
    updated_ms = fields.BigIntField()

    class Meta:
        table = "profile"
        indexes: ClassVar = [Index(fields=["created_ms", "user_id"], name="profile_by_age")]


class ProfileNameRow(Model):
    """A beginning by which a profile is found, in UTF-8, because bytes are equal or not whatever the collation."""

    id = fields.BigIntField(primary_key=True)
    beginning = fields.BinaryField()
    created_ms = fields.BigIntField()
    user_id = fields.CharField(max_length=UUID, db_index=True)

    class Meta:
        table = "profile_name"
        indexes: ClassVar = [Index(fields=["beginning", "created_ms", "user_id"], name="profile_name_by_age")]


class PeopleCountRow(Model):
    """How many people a beginning finds, in parts that are added up, the empty beginning is that of everyone."""

    id = fields.BigIntField(primary_key=True)
    beginning = fields.BinaryField()
    part = fields.IntField()
    people = fields.BigIntField()

    class Meta:
        table = "people_count"
        unique_together = (("beginning", "part"),)


class FileRow(Model):
    """The record of a stored file."""

    file_id = fields.CharField(max_length=UUID, primary_key=True)
    object_id = fields.CharField(max_length=OBJECT_ID, unique=True)
    user_id = fields.CharField(max_length=UUID)
    type = fields.CharField(max_length=8)
    is_audio = fields.BooleanField()
    original_name = fields.CharField(max_length=255)
    file_name = fields.CharField(max_length=64)
    mime_type = fields.CharField(max_length=64)
    size_bytes = fields.BigIntField()
    format = fields.CharField(max_length=8)
    duration_seconds = fields.FloatField(null=True)
    bitrate_kbps = fields.IntField(null=True)
    width = fields.IntField(null=True)
    height = fields.IntField(null=True)
    title = fields.CharField(max_length=200, null=True)
    artist = fields.CharField(max_length=200, null=True)
    album = fields.CharField(max_length=200, null=True)
    play_count = fields.BigIntField(default=0)
    track_id = fields.CharField(max_length=UUID, null=True)
    cover_file_id = fields.CharField(max_length=UUID, null=True)
    created_ms = fields.BigIntField()
    updated_ms = fields.BigIntField()

    class Meta:
        table = "file"
        indexes: ClassVar = [
            Index(fields=["user_id", "type", "created_ms", "file_id"], name="file_by_type"),
            Index(fields=["user_id", "is_audio", "created_ms", "file_id"], name="file_by_sound"),
        ]


class BlobReservationRow(Model):
    """A key under which bytes are about to be kept."""

    blob_key = fields.CharField(max_length=128, primary_key=True)
    reserved_ms = fields.BigIntField(db_index=True)

    class Meta:
        table = "blob_reservation"


class WaveformRow(Model):
    """A waveform, or the note that a track wants one: `due_ms` is then when, and null once it is made or given up."""

    file_id = fields.CharField(max_length=UUID, primary_key=True)
    due_ms = fields.BigIntField(null=True, db_index=True)
    attempts = fields.IntField(default=0)
    peaks = fields.BinaryField(null=True)

    class Meta:
        table = "waveform"


class FollowRow(Model):
    """A follow, or a request to follow, no activity of the followed one is newer than `newest_ms`."""

    object_id = fields.CharField(max_length=OBJECT_ID, primary_key=True)
    follower_id = fields.CharField(max_length=UUID)
    following_id = fields.CharField(max_length=UUID)
    state = fields.CharField(max_length=9)  # one per pair: a block keeps follows and requests out
    created_ms = fields.BigIntField()
    newest_ms = fields.BigIntField(db_default=0)

    class Meta:
        table = "follow"
        unique_together = (("follower_id", "following_id"),)
        indexes: ClassVar = [
            Index(fields=["follower_id", "state", "created_ms", "object_id"], name="follow_by_follower"),
            Index(fields=["following_id", "state", "created_ms", "object_id"], name="follow_by_following"),
            Index(fields=["follower_id", "state", "newest_ms", "object_id"], name="follow_by_news"),
        ]


class RisingRow(Model):
    """Someone with many followers who has news of which not all of their follows know yet, and how far that is."""

    actor_id = fields.CharField(max_length=UUID, primary_key=True)
    newest_ms = fields.BigIntField()
    after_ms = fields.BigIntField()
    after_id = fields.CharField(max_length=OBJECT_ID)

    class Meta:
        table = "rising"


class ActivityRow(Model):
    """Something that someone did, as feeds show it."""

    object_id = fields.CharField(max_length=OBJECT_ID, primary_key=True)
    actor_id = fields.CharField(max_length=UUID)
    action = fields.CharField(max_length=16)
    track_id = fields.CharField(max_length=UUID, null=True, db_index=True)
    created_ms = fields.BigIntField()

    class Meta:
        table = "activity"
        indexes: ClassVar = [Index(fields=["actor_id", "created_ms", "object_id"], name="activity_by_actor")]


class ProfileUpdateRow(Model):
    """When a profile was updated, which of the updates of an hour is told depends on all of them."""

    id = fields.BigIntField(primary_key=True)
    user_id = fields.CharField(max_length=UUID)
    updated_ms = fields.BigIntField(db_index=True)

    class Meta:
        table = "profile_update"
        unique_together = (("user_id", "updated_ms"),)


class PlayRow(Model):
    """When a listener's play of a track last counted."""

    id = fields.BigIntField(primary_key=True)
    track_id = fields.CharField(max_length=UUID)
    listener = fields.CharField(max_length=UUID)
    played_ms = fields.BigIntField(db_index=True)

    class Meta:
        table = "play"
        unique_together = (("track_id", "listener"),)
        indexes: ClassVar = [Index(fields=["listener", "id"], name="play_by_listener")]


class PlayLedgerRow(Model):
    """How many plays of a track counted on a day (UTC), kept when the track is deleted."""

    id = fields.BigIntField(primary_key=True)
    track_id = fields.CharField(max_length=UUID)
    owner_id = fields.CharField(max_length=UUID, db_index=True)
    day = fields.IntField()
    plays = fields.BigIntField()

    class Meta:
        table = "play_ledger"
        unique_together = (("track_id", "day"),)


class OutboxRow(Model):
    """An event, stored with its change, null times say what still has to be done with it."""

    event_id = fields.CharField(max_length=UUID, primary_key=True)
    name = fields.CharField(max_length=32)
    user_id = fields.CharField(max_length=UUID)
    payload = fields.TextField()
    occurred_ms = fields.BigIntField()
    delivered_ms = fields.BigIntField(null=True)
    published_ms = fields.BigIntField(null=True)
    parked_ms = fields.BigIntField(null=True)
    held_until_ms = fields.BigIntField(db_default=0)
    attempts = fields.IntField(db_default=0)
    error = fields.CharField(max_length=500, null=True)

    class Meta:
        table = "outbox"
        indexes: ClassVar = [
            Index(fields=["delivered_ms", "event_id"], name="outbox_by_delivery"),
            Index(fields=["published_ms", "event_id"], name="outbox_by_publishing"),
            Index(fields=["user_id", "delivered_ms", "event_id"], name="outbox_by_user"),
        ]


class AppliedEventRow(Model):
    """An event whose effects are done: the mark that makes a second delivery harmless."""

    event_id = fields.CharField(max_length=UUID, primary_key=True)
    applied_ms = fields.BigIntField(db_index=True)

    class Meta:
        table = "applied_event"
