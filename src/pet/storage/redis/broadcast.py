"""The broadcast between processes: by Redis at once, by the outboxes when something was not heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime

import orjson

from pet.domain.broadcast import Subscription
from pet.domain.events import Event, UnknownEvent, payload_of, restore
from pet.domain.outbox import Outbox
from pet.domain.tasks import ended
from pet.domain.times import Clock, from_milliseconds, to_milliseconds
from pet.storage.embedded.broadcast import EmbeddedBroadcast
from pet.storage.redis.catch_up import CatchUp, SeenEvents
from pet.storage.redis.client import RedisAway, RedisServer

MAX_MESSAGE_BYTES = 65_536
"""Ours have some hundreds."""

LISTENING_PAUSE_SECONDS = 2.0
"""Between two looks at the outboxes while Redis works. A process that dies, or loses Redis, between the delivery of an
event and its publishing leaves it there for all others to find."""

AWAY_PAUSE_SECONDS = 1.0

log = logging.getLogger("pet.redis")


class RedisBroadcast:
    """Hands events to the subscriptions of all processes, to each at most once.

    Subscriptions of this process get its events at once, without a way through Redis.

    Args:
        outboxes: of every store, as a process reads what it has not heard; they date events by the same clock.
    """

    def __init__(self, server: RedisServer, outboxes: Sequence[Outbox], clock: Clock) -> None:
        self.channel = server.channel("events")
        self._server = server
        self._seen = SeenEvents()
        self._catch_up = CatchUp(outboxes, clock)
        self._local: EmbeddedBroadcast[Event] = EmbeddedBroadcast(self._catch_up.complete_until)
        self._is_listening = False
        self._woken = asyncio.Event()
        self._is_closed = False

    async def publish(self, message: Event) -> None:
        """Hand an event to all subscriptions; those of other processes get it by Redis, or catch up."""
        if self._is_closed:
            return
        await self._hand_over(message)
        encoded = _encoded(message)
        if len(encoded) <= MAX_MESSAGE_BYTES:
            with suppress(RedisAway):
                await self._server.ask(lambda: self._server.client.publish(self.channel, encoded))

    def complete_until(self) -> datetime:
        """See `Broadcast.complete_until`: the last look at the outboxes has handed over all that was not heard."""
        return self._local.complete_until()

    def subscribe(self) -> AbstractAsyncContextManager[Subscription[Event]]:
        """Open a subscription until the context is left; its iterator raises SlowSubscriber when it falls behind."""
        return self._local.subscribe()

    async def close(self) -> None:
        """End every subscription, and every later one at once."""
        self._is_closed = True
        await self._local.close()

    async def receive(self, message: bytes) -> None:
        """Hand over what another process has published; what is no event of ours, or of a newer version, is ignored."""
        try:
            event = _decoded(message)
        except (ValueError, KeyError, TypeError, OverflowError, OSError) as error:
            log.debug("ignored a message on the channel of events", extra={"reason": repr(error)})
        else:
            await self._hand_over(event)

    def listens(self, is_listening: bool) -> None:
        """Take note that messages arrive from now on, or do not any more: in either case something was missed."""
        self._is_listening = is_listening
        self._woken.set()

    @asynccontextmanager
    async def catching_up(self) -> AsyncIterator[None]:
        """Read from the outboxes what was not heard, until the context is left."""
        async for event in self._catch_up.turn():
            self._seen.add(event.event_id)  # it was there before anybody could listen
        task = asyncio.create_task(self._keep_up())
        try:
            yield
        finally:
            await ended(task)

    async def _keep_up(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LISTENING_PAUSE_SECONDS if self._is_listening else AWAY_PAUSE_SECONDS):
                    await self._woken.wait()
            self._woken.clear()
            try:
                async for event in self._catch_up.turn():
                    await self._hand_over(event)
                    await asyncio.sleep(0)  # lets subscribers read before their queues are full
            except Exception:
                log.exception("catching up failed and will be tried again")

    async def _hand_over(self, event: Event) -> None:
        if self._seen.add(event.event_id):
            await self._local.publish(event)


def _encoded(event: Event) -> bytes:
    return orjson.dumps(
        {
            "name": event.name,
            "event_id": event.event_id,
            "user_id": event.user_id,
            "occurred_ms": to_milliseconds(event.occurred_at),
            "payload": payload_of(event),
        }
    )


def _decoded(message: bytes) -> Event:
    if len(message) > MAX_MESSAGE_BYTES:
        raise ValueError(len(message))
    fields = orjson.loads(message)
    name, event_id, user_id = (_text(fields[key]) for key in ("name", "event_id", "user_id"))
    if not isinstance(fields["payload"], dict):
        raise TypeError(fields["payload"])
    event = restore(
        name,
        fields["payload"],
        event_id=event_id,
        user_id=user_id,
        occurred_at=from_milliseconds(fields["occurred_ms"]),
    )
    if isinstance(event, UnknownEvent):
        raise KeyError(name)
    return event


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
