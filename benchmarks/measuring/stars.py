"""A network in which few are followed by many, made of numbers alone: the same at every run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

SINCE_MS = 1_700_000_000_000
"""When the first one joined; one more joins each second."""

NAMES = ("anna", "bert", "cleo", "dana", "emil", "fred", "gina", "hugo", "iris", "jean")
"""How usernames begin; a tenth of all people are found by each."""

FEW = 10
"""Whom the one who follows few follows."""

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Stars:
    """How large it is. The first one has the most followers and tracks, the second half of both, the third a third.

    Two follow and have done nothing: `fan` many of them, from the first on, and `casual` ten.
    """

    follows: int
    tracks: int

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.follows:,} follows"

    @cached_property
    def people(self) -> int:
        """How many people there are, the two readers not counted."""
        return max(50, self.follows // 10)

    @cached_property
    def followers(self) -> list[int]:
        """How many followers each has."""
        return _shares(self.follows, self.people, most=self.people - 1)

    @cached_property
    def tracks_of(self) -> list[int]:
        """How many tracks each has."""
        return _shares(self.tracks, self.people, most=self.tracks)

    @property
    def fan(self) -> int:
        """The number of the one who follows many."""
        return self.people

    @property
    def casual(self) -> int:
        """The number of the one who follows few."""
        return self.people + 1

    @property
    def of_fan(self) -> int:
        """How many the fan follows."""
        return self.people // 2


def user_id(number: int) -> str:
    """Return the id of a user."""
    return f"{number:08x}-0000-7000-8000-000000000000"


def track_id(number: int, track: int) -> str:
    """Return the id of a user's track."""
    return f"{number:08x}-0000-7000-8000-{track + 1:012x}"


def username(number: int) -> str:
    """Return the name of a user."""
    return f"{NAMES[number % len(NAMES)]}{number}"


def newest_ms(size: Stars, number: int) -> int:
    """Return when someone's newest track was published, 0 without any."""
    count = size.tracks_of[number]
    return _published_ms(number, count - 1) if count else 0


def profiles(size: Stars) -> Iterator[Record]:
    """Give the profiles; what each has in SQL."""
    following = [sum(size.followers) // size.people] * size.people + [size.of_fan, FEW]
    for n in range(size.people + 2):
        at, is_author = SINCE_MS + n * 1000, n < size.people
        yield {
            "user_id": user_id(n),
            "object_id": f"{n:024x}",
            "username": username(n),
            "username_key": username(n),
            "role": "musician",
            "display_name": None,
            "genres": "[]",
            "instruments": "[]",
            "email_notifications": True,
            "show_online_status": True,
            "is_private": False,
            "tracks": size.tracks_of[n] if is_author else 0,
            "followers": size.followers[n] if is_author else 0,
            "following": following[n],
            "plays": 0,
            "created_ms": at,
            "updated_ms": at,
        }


def tracks(size: Stars) -> Iterator[Record]:
    """Give the records of the tracks; their bytes are nowhere."""
    for n, count in enumerate(size.tracks_of):
        for track in range(count):
            file_id, at = track_id(n, track), _published_ms(n, track)
            yield {
                "file_id": file_id,
                "object_id": f"{n:012x}{track:012x}",
                "user_id": user_id(n),
                "type": "track",
                "is_audio": True,
                "original_name": "song.mp3",
                "file_name": f"{file_id}.mp3",
                "mime_type": "audio/mpeg",
                "size_bytes": 4_000_000,
                "format": "mp3",
                "duration_seconds": 180.0,
                "title": f"Song {track}",
                "play_count": 0,
                "created_ms": at,
                "updated_ms": at,
            }


def activities(size: Stars) -> Iterator[Record]:
    """Give what feeds show: every track was published."""
    for n, count in enumerate(size.tracks_of):
        for track in range(count):
            yield {
                "object_id": f"{n:012x}{track:012x}",
                "actor_id": user_id(n),
                "action": "track_published",
                "track_id": track_id(n, track),
                "created_ms": _published_ms(n, track),
            }


def follows(size: Stars) -> Iterator[Record]:
    """Give the follows; each knows the newest activity of the followed one."""
    pairs = [(size.fan, n) for n in range(size.of_fan)] + [(size.casual, n) for n in range(FEW)]
    for number, (follower, followed) in enumerate(pairs):
        yield _follow(size, number, follower, followed)
    first = len(pairs)
    for followed, (count, end) in enumerate(zip(size.followers, accumulate(size.followers), strict=True)):
        for step in range(count):
            away = 1 + (followed * 7919 + step) % (size.people - 1)
            yield _follow(size, first + end - step, (followed + away) % size.people, followed)


def _follow(size: Stars, number: int, follower: int, followed: int) -> Record:
    return {
        "object_id": f"{number:024x}",
        "follower_id": user_id(follower),
        "following_id": user_id(followed),
        "state": "following",
        "created_ms": SINCE_MS + number,
        "newest_ms": newest_ms(size, followed),
    }


def _published_ms(number: int, track: int) -> int:
    return SINCE_MS + (number * 7919 % 100_000) * 1000 + track


def _shares(total: int, people: int, *, most: int) -> list[int]:
    """Cut a number into what each gets: the n-th gets a n-th of the first one's."""
    unit = total / sum(1 / n for n in range(1, people + 1))
    return [min(most, round(unit / n)) for n in range(1, people + 1)]
