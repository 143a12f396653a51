"""Loaders: what one request asks for piece by piece is read in batches, each thing once.

They live on the request's context, so nothing that one viewer may see is ever remembered for another.
"""

from __future__ import annotations

from asyncio import shield
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from strawberry.dataloader import DataLoader

from pet.domain.files import FileList, MediaFile
from pet.domain.follows import Follow, FollowList
from pet.domain.ids import FileId, UserId
from pet.domain.paging import Page, Position
from pet.domain.viewers import Viewer
from pet.domain.visibility import ProfileView
from pet.domain.waveforms import Waveform
from pet.services import Services

BATCH = 100

K = TypeVar("K")
V = TypeVar("V")
Which = TypeVar("Which")
Slice = tuple[UserId, Which, Position | None, int]
ReadPages = Callable[..., Awaitable[Mapping[UserId, Page[V]]]]


class _SharedLoader(DataLoader[K, V]):
    """A loader of which several fields may await the same thing.

    graphql-core cancels the fields beside one that fails: what they await must not be cancelled for all others.
    """

    def load(self, key: K) -> Awaitable[V]:
        """Return what is loaded for a key."""
        return shield(super().load(key))


def _by_key(read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> DataLoader[K, V | None]:
    """Load single things by key; a thing that is not there is None."""

    async def load(keys: list[K]) -> list[V | None]:
        found = await read(keys)
        return [found.get(key) for key in keys]

    return _SharedLoader(load, max_batch_size=BATCH)


class PageLoader(Generic[Which, V]):
    """Loads the same page of many users' lists in one read."""

    def __init__(self, read: ReadPages[V]) -> None:
        self._read = read
        # Pages are batched and not kept: a list that is streamed would otherwise end up in memory as a whole.
        self._loader: DataLoader[Slice[Which], Page[V]] = DataLoader(self._load, max_batch_size=BATCH, cache=False)

    async def load(self, user_id: UserId, which: Which, *, after: Position | None, limit: int) -> Page[V]:
        """Return a page of one user's list, newest first."""
        return await self._loader.load((user_id, which, after, limit))

    async def _load(self, slices: list[Slice[Which]]) -> list[Page[V]]:
        alike: dict[tuple[Which, Position | None, int], list[UserId]] = defaultdict(list)
        for user_id, which, after, limit in slices:
            alike[(which, after, limit)].append(user_id)
        found: dict[Slice[Which], Page[V]] = {}
        for (which, after, limit), user_ids in alike.items():
            pages = await self._read(user_ids, which, after=after, limit=limit)
            found.update({(user_id, which, after, limit): page for user_id, page in pages.items()})
        return [found[wanted] for wanted in slices]


class Loaders:
    """One request's loaders, each named for what it loads."""

    def __init__(self, services: Services, viewer: Viewer | None) -> None:
        async def views(user_ids: Sequence[UserId]) -> Mapping[UserId, ProfileView]:
            return await services.visibility.by_ids(viewer, user_ids)

        self.profile: DataLoader[UserId, ProfileView | None] = _by_key(views)
        self.file: DataLoader[FileId, MediaFile | None] = _by_key(services.files.get_many)
        self.waveform: DataLoader[FileId, Waveform | None] = _by_key(services.waveforms.get_many)
        self.newest_cover: DataLoader[UserId, MediaFile | None] = _by_key(services.files.newest_covers)
        self.audio_count: DataLoader[UserId, int | None] = _by_key(services.files.count_audio)
        self.files: PageLoader[FileList, MediaFile] = PageLoader(services.files.pages)
        self.follows: PageLoader[FollowList, Follow] = PageLoader(services.follows.pages)
