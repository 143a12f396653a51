"""Loaders: what one request asks for piece by piece is read in batches, each thing once.

They live on the request's context, so nothing that one viewer may see is ever remembered for another.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Generic, TypeVar

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
Read = Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]
ReadPages = Callable[..., Awaitable[Mapping[UserId, Page[V]]]]


class Loader(Generic[K, V]):
    """Loads single things by key: all that are asked for in one turn of the event loop in one read.

    A thing that is not there is None. An error goes to everyone whose key was in the read. graphql-core cancels the
    fields beside one that fails: others who wait for the same thing get it all the same.

    Args:
        read: returns what there is of up to `BATCH` keys.
        keeps: whether a thing is remembered, and not read again.
    """

    def __init__(self, read: Read[K, V], *, keeps: bool = True) -> None:
        self._read = read
        self._keeps = keeps
        self._loaded: dict[K, V | None] = {}
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._wanted: list[K] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def load(self, key: K) -> asyncio.Future[V | None]:
        """Return the thing of a key, in a future of the caller's own."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[V | None] = loop.create_future()
        if key in self._loaded:
            future.set_result(self._loaded[key])
        elif key in self._waiting:
            self._waiting[key].append(future)
        else:
            self._waiting[key] = [future]
            if not self._wanted:
                loop.call_soon(self._begin)
            self._wanted.append(key)
        return future

    def load_many(self, keys: Iterable[K]) -> Awaitable[list[V | None]]:
        """Return the things of several keys, in their order."""
        return asyncio.gather(*map(self.load, keys))

    def prime(self, found: Mapping[K, V]) -> None:
        """Remember things that were read in another way, but those that are remembered already."""
        self._loaded = {**found, **self._loaded}

    def _begin(self) -> None:
        wanted, self._wanted = self._wanted, []
        for start in range(0, len(wanted), BATCH):
            task = asyncio.create_task(self._serve(wanted[start : start + BATCH]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, keys: Sequence[K]) -> None:
        try:
            found = await self._read(keys)
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            for future in self._waiting_for(keys):
                future.set_exception(error)
            return
        except BaseException:
            for future in self._waiting_for(keys):
                future.cancel()
            raise
        for key in keys:
            value = found.get(key)
            if self._keeps:
                self._loaded[key] = value
            for future in self._waiting_for([key]):
                future.set_result(value)

    def _waiting_for(self, keys: Sequence[K]) -> list[asyncio.Future[V | None]]:
        return [future for key in keys for future in self._waiting.pop(key) if not future.done()]


class PageLoader(Generic[Which, V]):
    """Loads the same page of many users' lists in one read."""

    def __init__(self, read: ReadPages[V]) -> None:
        self._read = read
        # Pages are batched and not kept: a list that is streamed would otherwise end up in memory as a whole.
        self._loader: Loader[Slice[Which], Page[V]] = Loader(self._load, keeps=False)

    async def load(self, user_id: UserId, which: Which, *, after: Position | None, limit: int) -> Page[V]:
        """Return a page of one user's list, newest first."""
        page = await self._loader.load((user_id, which, after, limit))
        return page or Page(items=[], has_next=False)

    async def _load(self, slices: Sequence[Slice[Which]]) -> Mapping[Slice[Which], Page[V]]:
        alike: dict[tuple[Which, Position | None, int], list[UserId]] = defaultdict(list)
        for user_id, which, after, limit in slices:
            alike[(which, after, limit)].append(user_id)
        found: dict[Slice[Which], Page[V]] = {}
        for (which, after, limit), user_ids in alike.items():
            pages = await self._read(user_ids, which, after=after, limit=limit)
            found.update({(user_id, which, after, limit): page for user_id, page in pages.items()})
        return found


class Loaders:
    """One request's loaders, each named for what it loads, and made when it is first needed: most requests need one."""

    def __init__(self, services: Services, viewer: Viewer | None) -> None:
        self._services = services
        self._viewer = viewer

    @cached_property
    def profile(self) -> Loader[UserId, ProfileView]:
        """People as the viewer may see them."""
        return Loader(partial(self._services.visibility.by_ids, self._viewer))

    @cached_property
    def file(self) -> Loader[FileId, MediaFile]:
        """Records of files."""
        return Loader(self._services.files.get_many)

    @cached_property
    def waveform(self) -> Loader[FileId, Waveform]:
        """Waveforms, by their files."""
        return Loader(self._services.waveforms.get_many)

    @cached_property
    def newest_cover(self) -> Loader[UserId, MediaFile]:
        """What serves all tracks of someone that have no cover of their own."""
        return Loader(self._services.files.newest_covers)

    @cached_property
    def audio_count(self) -> Loader[UserId, int]:
        """How many files of someone are audio."""
        return Loader(self._services.files.count_audio)

    @cached_property
    def files(self) -> PageLoader[FileList, MediaFile]:
        """Pages of someone's files."""
        return PageLoader(self._services.files.pages)

    @cached_property
    def follows(self) -> PageLoader[FollowList, Follow]:
        """Pages of someone's follows."""
        return PageLoader(self._services.follows.pages)
