"""Failures in a row that all processes share; while Redis is away each process counts alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pet.domain.failures import MEMORY_SECONDS, PAUSES_SECONDS, Failures, must_pause
from pet.storage.embedded.failures import EmbeddedFailures
from pet.storage.redis.client import RedisAway, RedisServer

BEGIN = """
local pause = redis.call('get', KEYS[2])
if pause then return {tonumber(pause), math.max(redis.call('ttl', KEYS[2]), 1)} end
local failed = redis.call('incrby', KEYS[1], 1)
redis.call('expire', KEYS[1], ARGV[1])
local next_pause = tonumber(ARGV[math.min(failed + 1, #ARGV)])
if next_pause > 0 then redis.call('set', KEYS[2], next_pause, 'ex', next_pause) end
return {0, 0}
"""
"""The first argument is the memory, the others the pauses. A pause is a key whose value and time to live it is."""

TAKE_BACK = """
redis.call('del', KEYS[2])
if tonumber(redis.call('get', KEYS[1]) or '0') > 0 then redis.call('decrby', KEYS[1], 1) end
"""


class RedisFailures:
    """Keeps two keys for whoever failed, which expire by themselves.

    An attempt whose answer was lost may be counted here as well as in the process.

    Args:
        pauses_seconds: the pause after the first, second, ... failure, in whole seconds; the last one holds for all
            that follow.
        memory_seconds: after so long without a failure a key is forgotten.
    """

    def __init__(
        self,
        server: RedisServer,
        *,
        pauses_seconds: Sequence[int] = PAUSES_SECONDS,
        memory_seconds: int = MEMORY_SECONDS,
    ) -> None:
        self._server = server
        self._alone: Failures = EmbeddedFailures(pauses_seconds=pauses_seconds, memory_seconds=memory_seconds)
        self._arguments = [memory_seconds, *pauses_seconds]
        self._begin = server.client.register_script(BEGIN)
        self._take_back = server.client.register_script(TAKE_BACK)

    async def begin(self, key: str) -> None:
        """Count an attempt as failed before it is made; RateLimited during a pause."""
        try:
            pause, left = await self._server.ask(lambda: self._begin(keys=self._keys(key), args=self._arguments))
        except RedisAway:
            await self._alone.begin(key)
            return
        if pause:
            raise must_pause(pause, left)

    async def take_back(self, key: str) -> None:
        """Count one failure less, and end its pause."""
        try:
            await self._server.ask(lambda: self._take_back(keys=self._keys(key)))
        except RedisAway:
            await self._alone.take_back(key)

    async def forget(self, key: str) -> None:
        """Begin anew."""
        await self._alone.forget(key)
        try:
            await self._server.ask(lambda: self._server.client.delete(*self._keys(key)))
        except RedisAway:
            return

    def _keys(self, key: str) -> list[str]:
        """Return the names of the count and of the pause: as short for a long key, and nobody's name in them."""
        name = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return [self._server.key("failures", name), self._server.key("failures", name, "pause")]
