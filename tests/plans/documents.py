"""What MongoDB is asked for by requests, and a large network of documents around one person.

SecantusDB, which stands for MongoDB in tests, plans otherwise: it sorts all that a range of an index holds. So the
shape of each command is held against the declared indexes by MongoDB's rule, as in `tests/storage/mongo/`, and what it
gives or changes is counted: what an index bounds and puts in order touches no more than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pymongo import MongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent, CommandSucceededEvent

from pet.domain.times import to_milliseconds, utc_now
from pet.storage.mongo.names import beginnings_of
from tests.storage.mongo.test_plans import READ_WHOLE, indexes, is_served, searches

PEOPLE = 1_500
"""Everyone follows the one in the middle, who follows everyone; more than twice as many as a command may touch."""

TRACKS = 1_000
"""Of the one in the middle."""

Document = dict[str, Any]
Command = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One command of a request, and how many documents it gave or changed."""

    request: str
    command: Command
    touched: int

    def __str__(self) -> str:
        shown = {name: value for name, value in self.command.items() if name not in ("lsid", "$clusterTime", "$db")}
        return f"{self.request}: {self.touched} documents touched by {str(shown)[:600]}"

    @property
    def has_no_index(self) -> bool:
        """Whether it looks for something that no index bounds, or in an order that none has."""
        return any(
            collection not in READ_WHOLE
            and not _is_any_one(self.command)
            and not any(is_served(fields, where, sort) for fields in indexes(collection))
            for collection, where, sort in searches(self.command)
        )


def _is_any_one(command: Command) -> bool:
    """Tell whether a command asks for one document, whichever: only whether there are any."""
    return not command.get("filter", True) and command.get("limit") == 1


@dataclass
class Ears(CommandListener):
    """All commands so far; `request` is what is asked for now, None while nobody listens."""

    request: str | None = None
    heard: list[Asked] = field(default_factory=list)
    _open: dict[int, Command] = field(default_factory=dict)
    _cursors: dict[int, Asked] = field(default_factory=dict)

    def started(self, event: CommandStartedEvent) -> None:
        """Keep a command until it is answered."""
        if self.request is not None:
            self._open[event.request_id] = dict(event.command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Keep how much it touched, once its last documents have come."""
        command = self._open.pop(event.request_id, None)
        if command is None or self.request is None:
            return
        asked = Asked(self.request, command, _touched(event.reply))
        if begun := self._cursors.pop(command.get("getMore", 0), None):
            asked = replace(begun, touched=begun.touched + asked.touched)
        if cursor := event.reply.get("cursor", {}).get("id"):
            self._cursors[cursor] = asked
        else:
            self.heard.append(asked)

    def failed(self, event: object) -> None:
        """Of no interest: a transaction that gives way is tried again."""


def _touched(reply: Mapping[str, Any]) -> int:
    """Return how many documents an answer holds or tells to have changed."""
    cursor = reply.get("cursor", {})
    return len(cursor.get("firstBatch", cursor.get("nextBatch", ()))) or int(reply.get("n", 0))


def gather_documents(url: str, centre: str) -> None:
    """Put the network around someone who has registered, in a database whose collections and indexes are there."""
    now = to_milliseconds(utc_now())
    with MongoClient[Document](url) as client:
        database = client.get_default_database()
        for collection, documents in _network(centre, now - 86_400_000).items():
            database[collection].insert_many(documents, ordered=False)
        stats = {"stats.followers": PEOPLE, "stats.following": PEOPLE, "stats.tracks": TRACKS}
        database.profiles.update_one({"_id": centre}, {"$set": stats})


def _network(centre: str, since: int) -> Mapping[str, list[Document]]:
    numbers = range(PEOPLE)
    people = [f"00000000-0000-7000-8000-{100_000_000_000 + n}" for n in numbers]
    ages = [since - n * 1000 for n in numbers]
    tracks = [(_id("d", n), centre, ages[n]) for n in range(TRACKS)]
    tracks += [(_id("e", n), people[n], ages[n]) for n in numbers]
    pairs = [(people[n], centre, ages[n]) for n in numbers] + [(centre, people[n], ages[n]) for n in numbers]
    pairs += [(people[n], people[n - 1], ages[n]) for n in numbers]
    return {
        "profiles": [_profile(n, people[n], ages[n]) for n in numbers],
        "files": [_file(*track) for track in tracks],
        "follows": [_follow(n, *pair) for n, pair in enumerate(pairs)],
        "activities": [_activity(n, *track) for n, track in enumerate(tracks)],
        "waveforms": [{"_id": file_id, "due_ms": None, "attempts": 1, "peaks": None} for file_id, _, _ in tracks],
        "plays": [{"_id": f"{people[n]} {n}", "listener": people[n - 1], "played_ms": ages[n]} for n in numbers],
        "play_ledger": [
            {"_id": f"{person} 1", "track_id": _id("e", n), "owner_id": person, "plays": 1}
            for n, person in enumerate(people)
        ],
        "profile_updates": [{"_id": person, "user_id": person, "updated_ms": 0} for person in people],
        "outbox": [_delivered(person, since) for person in people],
        "applied_events": [{"_id": person, "applied_ms": since, "is_purged": False, "locks": 0} for person in people],
        "blob_reservations": [{"_id": person, "reserved_ms": since + 86_400_000} for person in people],
    }


def _id(kind: str, number: int) -> str:
    return f"{kind:0>8}-0000-7000-8000-{number:012}"


def _profile(number: int, user_id: str, at: int) -> Document:
    nothing = dict.fromkeys(("display_name", "bio", "location", "avatar_file_id", "cover_file_id"))
    name = f"anna{number}"
    return {
        "_id": user_id,
        "object_id": f"a{number:023}",
        "username": name,
        "username_key": name,
        "role": "musician",
        "genres": [],
        "instruments": [],
        "social_links": {"youtube": None, "vk": None, "telegram": None},
        "preferences": {
            "email_notifications": True,
            "show_online_status": True,
            "private_profile": number % 9 == 0,
        },
        "stats": {"tracks": 1, "followers": 2, "following": 2, "plays": 0},
        "beginnings": beginnings_of(name, None),
        "created_ms": at,
        "updated_ms": at,
        "locks": 0,
        **nothing,
    }


def _file(file_id: str, user_id: str, at: int) -> Document:
    nothing = dict.fromkeys(
        ("bitrate_kbps", "width", "height", "title", "artist", "album", "track_id", "cover_file_id")
    )
    return {
        "_id": file_id,
        "object_id": file_id,
        "user_id": user_id,
        "type": "track",
        "is_audio": True,
        "original_name": "",
        "file_name": "",
        "mime_type": "",
        "size_bytes": 1,
        "format": "mp3",
        "duration_seconds": 1.5,
        "play_count": 0,
        "created_ms": at,
        "updated_ms": at,
        "locks": 0,
        **nothing,
    }


def _follow(number: int, follower_id: str, following_id: str, at: int) -> Document:
    return {
        "_id": f"{number:024}",
        "follower_id": follower_id,
        "following_id": following_id,
        "state": "following",
        "created_ms": at,
        "newest_ms": at,
    }


def _activity(number: int, file_id: str, user_id: str, at: int) -> Document:
    action = "track_published"
    return {"_id": f"{number:024}", "actor_id": user_id, "action": action, "track_id": file_id, "created_ms": at}


def _delivered(event_id: str, at: int) -> Document:
    nothing: Document = dict.fromkeys(("parked_ms", "claimed_by", "error"))
    return {
        "_id": event_id,
        "name": "user.updated",
        "user_id": event_id,
        "payload": {},
        "occurred_ms": at,
        "held_until_ms": at,
        "attempts": 0,
        "delivered_ms": at,
        "published_ms": at,
        **nothing,
    }
