"""A network of people who follow each other and have tracks, made of numbers alone: the same at every run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

SINCE_MS = 1_700_000_000_000
"""When the first one joined; one more joins each second."""

Rows = Iterator[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Network:
    """How large it is: everyone has so many tracks and follows the so many who joined next, in a ring."""

    profiles: int
    tracks_each: int = 0
    follows_each: int = 0

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.profiles:,} profiles, {self.tracks_each:,} tracks and {self.follows_each:,} follows each"


def user_id(number: int) -> str:
    """Return the id of a user, a UUID version 7."""
    return _uuid7(SINCE_MS + number * 1000, f"user {number}")


def track_id(number: int, track: int) -> str:
    """Return the id of a user's track."""
    return _uuid7(SINCE_MS + number * 1000 + track + 1, f"track {number} {track}")


def username(number: int) -> str:
    """Return the name of a user."""
    return f"user{number}"


def profiles(size: Network) -> Rows:
    """Give the profiles, as complete as profiles get."""
    for n in range(size.profiles):
        at = SINCE_MS + n * 1000
        followers = following = min(size.follows_each, size.profiles - 1)
        bio = f"I am number {n}, and this is what I have to say about my music."
        yield (
            *(user_id(n), _object_id("profile", n), username(n), username(n), "musician" if n % 3 else "listener"),
            *(f"User Number {n}", bio, "Berlin, Kreuzberg"),
            *('["rock", "jazz", "electronic"]', '["guitar", "piano"]'),
            *(f"https://youtube.com/@user{n}", None, f"@user{n}", True, True, False),
            *(size.tracks_each, followers, following, n * 7 % 1000, at, at + 500),
        )


def accounts(size: Network) -> Rows:
    """Give the accounts, into which nobody can log in."""
    for n in range(size.profiles):
        email = f"user{n}@example.com"
        role = "musician" if n % 3 else "listener"
        yield (user_id(n), email, email, username(n), username(n), role, "none", SINCE_MS + n * 1000)


def tracks(size: Network) -> Rows:
    """Give the records of the tracks; their bytes are nowhere."""
    for n in range(size.profiles):
        for track in range(size.tracks_each):
            at, file_id = SINCE_MS + n * 1000 + track + 1, track_id(n, track)
            yield (
                *(file_id, _object_id(f"track {n}", track), user_id(n), "track", True, f"song {track}.mp3"),
                *(f"{file_id}.mp3", "audio/mpeg", 4_000_000 + track, "mp3", 181.5, 192, f"Song {track}"),
                *(f"User Number {n}", "The First Album", (n + track) % 50, at, at),
            )


def activities(size: Network) -> Rows:
    """Give what feeds show: every track was published."""
    for n in range(size.profiles):
        for track in range(size.tracks_each):
            at = SINCE_MS + n * 1000 + track + 1
            yield (_object_id(f"activity {n}", track), user_id(n), "track_published", track_id(n, track), at)


def follows(size: Network) -> Rows:
    """Give the follows; each knows the newest activity of the followed one."""
    for n in range(size.profiles):
        for step in range(1, min(size.follows_each, size.profiles - 1) + 1):
            other = (n + step) % size.profiles
            newest = SINCE_MS + other * 1000 + size.tracks_each if size.tracks_each else 0
            at = SINCE_MS + (n + step) * 1000
            yield (_object_id(f"follow {n}", step), user_id(n), user_id(other), "following", at, newest)


TABLES: Sequence[tuple[str, str, Callable[[Network], Rows]]] = (
    ("account", "user_id email email_key username username_key role password_hash created_ms", accounts),
    (
        "profile",
        (
            "user_id object_id username username_key role display_name bio location genres instruments youtube vk"
            " telegram email_notifications show_online_status is_private tracks followers following plays"
            " created_ms updated_ms"
        ),
        profiles,
    ),
    (
        "file",
        (
            "file_id object_id user_id type is_audio original_name file_name mime_type size_bytes format"
            " duration_seconds bitrate_kbps title artist album play_count created_ms updated_ms"
        ),
        tracks,
    ),
    ("activity", "object_id actor_id action track_id created_ms", activities),
    ("follow", "object_id follower_id following_id state created_ms newest_ms", follows),
)
"""Each table, the columns that are filled, and what fills them."""


def _uuid7(milliseconds: int, seed: str) -> str:
    digits = blake2b(seed.encode(), digest_size=10).hexdigest()
    time = f"{milliseconds:012x}"
    return f"{time[:8]}-{time[8:]}-7{digits[:3]}-8{digits[3:6]}-{digits[6:18]}"


def _object_id(kind: str, number: int) -> str:
    return blake2b(f"{kind} {number}".encode(), digest_size=12).hexdigest()
