"""Failures anywhere: calls that raise and values that no type takes, the same ones whoever asks and however often.

What strikes is decided by the call itself and a seed. Calls that batch what is asked for are never struck as such: what
is asked for together is not for a test to decide. What they return is twisted, item by item.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from zlib import crc32

from graphql import GraphQLError

from pet.context import Context
from pet.domain.errors import Forbidden, NotFound, Service, Unavailable
from pet.domain.files import MediaFile
from pet.domain.paging import Page
from pet.domain.viewers import Client
from pet.domain.visibility import ProfileView
from pet.services import Services
from tests.compiler.network import LATER, Identity

ERRORS: Sequence[Callable[[], Exception]] = (
    partial(NotFound, "Struck: it is gone.", field="fileId"),
    partial(Forbidden, "Struck: it is somebody else's."),
    partial(Unavailable, Service.MEDIA),
    partial(ValueError, "struck by a failure of ours"),
    partial(GraphQLError, "Struck by a failure with extensions.", extensions={"hint": "none"}),
)

PROFILE_TWISTS: Sequence[Mapping[str, Any]] = (
    {"username": None},
    {"username": None, "display_name": None},
    {"username": 12},
    {"display_name": ValueError("returned, not raised")},
    {"display_name": True},
    {"bio": 7.5},
    {"bio": ["a list"]},
    {"genres": '[null, "jazz"]'},
    {"genres": "null"},
    {"genres": None},
    {"instruments": "[1, 2.5]"},
    {"instruments": '{"not": "a list"}'},
    {"role": "conductor"},
    {"is_private": 1},
    {"created_ms": None},
    {"created_ms": 10**18},
    {"updated_ms": True},
    {"updated_ms": LATER.replace(tzinfo=None)},
    {"updated_ms": LATER.replace(microsecond=999_999)},
    {"youtube": 1 + 2j},
    {"avatar_file_id": 5},
    {"tracks": 2**31},
    {"followers": -(2**31) - 1, "following": 2**40},
    {"followers": 1.0},
    {"following": "7"},
    {"plays": None},
    {"plays": 1.5},
)
FILE_TWISTS: Sequence[Mapping[str, Any]] = (
    {"original_name": None, "title": None},
    {"mime_type": 1 + 2j},
    {"size_bytes": True},
    {"size_bytes": -(2**31) - 1},
    {"duration_seconds": float("nan")},
    {"duration_seconds": float("inf")},
    {"duration_seconds": 3},
    {"duration_seconds": "long"},
    {"bitrate_kbps": "128"},
    {"play_count": None},
    {"created_at": None},
    {"format": b"mp3"},
    {"artist": KeyError("returned, not raised")},
)

STRUCK_SERVICES = ("links", "profiles", "accounts", "follows", "feed", "audit", "exports")
BATCHES = frozenset({"get_many", "pages", "states"})
LOADERS = ("profile", "file", "waveform", "newest_cover", "audio_count", "files", "follows")


@dataclass(frozen=True, slots=True)
class Faults:
    """Says what fails: about `percent` of all calls, and as many profiles and files."""

    seed: int
    percent: int

    def draw(self, *what: object) -> int | None:
        """Return a number where this is struck, else None; always the same one."""
        number = crc32(f"{self.seed} {what!r}".encode())
        return number // 100 if number % 100 < self.percent else None

    def context(self, services: Services, client: Client, identity: Identity) -> Context:
        """Return a new context in which things fail."""
        parts: dict[str, Any] = {name: _Struck(getattr(services, name), name, self) for name in STRUCK_SERVICES}
        parts |= {name: _Twisted(getattr(services, name), self) for name in ("visibility", "files")}
        context = Context(replace(services, **parts), client, identity)
        if not isinstance(identity, Exception):
            for name in LOADERS:
                setattr(context.loaders, name, _Struck(getattr(context.loaders, name), name, self))
        return context


class _Struck:
    """Stands for a service or a loader, some of whose calls raise."""

    def __init__(self, target: Any, name: str, faults: Faults) -> None:
        self._target = target
        self._name = name
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name == "sessions":
            return _Struck(found, name, self._faults)
        if not callable(found) or name in BATCHES or name == "prime":
            return found

        def call(*args: Any, **options: Any) -> Any:
            drawn = self._faults.draw(self._name, name, args, options)
            if drawn is not None:
                make = ERRORS[drawn % len(ERRORS)]
                raise make()
            return found(*args, **options)

        return call


class _Twisted:
    """Stands for a service, some of whose profiles and files have values that they cannot have."""

    def __init__(self, target: Any, faults: Faults) -> None:
        self._target = target
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **options: Any) -> Any:
            return self._twist(await found(*args, **options))

        return call

    def _twist(self, value: Any) -> Any:
        match value:
            case ProfileView():
                return self._view(value)
            case MediaFile():
                return replace(value, **self._twists(FILE_TWISTS, value.file_id))
            case Page():
                return replace(value, items=self._twist(value.items))
            case Mapping():
                return {key: self._twist(item) for key, item in value.items()}
            case list() | tuple():
                return [self._twist(item) for item in value]
        return value

    def _view(self, view: ProfileView) -> ProfileView:
        twisted = self._twists(PROFILE_TWISTS, view.user_id)
        return replace(view, profile=view.profile._replace(**twisted))

    def _twists(self, twists: Sequence[Mapping[str, Any]], *what: object) -> Mapping[str, Any]:
        drawn = self._faults.draw(*what)
        found = {} if drawn is None else twists[drawn % len(twists)]
        return {name: _fresh(value) for name, value in found.items()}


def _fresh(value: Any) -> Any:
    """Copy an exception, lest it gathers the traces of all whom it meets."""
    return copy(value) if isinstance(value, Exception) else value
