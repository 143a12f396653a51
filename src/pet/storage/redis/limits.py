"""Rate limits that all processes share, with the `limits` library; while Redis is away each process counts alone."""

from __future__ import annotations

import hashlib
import math
import time

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter

from pet.domain.errors import LimitState, RateLimited
from pet.domain.limits import WINDOW_SECONDS, Bucket, RateLimits
from pet.storage.embedded.limits import EmbeddedRateLimits
from pet.storage.redis.client import RedisAway, RedisServer

UNCOUNT = """
local counted = tonumber(redis.call('get', KEYS[1]) or '0')
local given_back = math.min(counted, tonumber(ARGV[1]))
if given_back > 0 then redis.call('decrby', KEYS[1], given_back) end
return counted - given_back
"""
"""The library cannot count down. A key that has expired meanwhile must not come back: it would never expire again."""


class RedisRateLimits:
    """Fixed windows that start with a caller's first attempt.

    An attempt whose answer was lost may be counted here as well as in the process. What is refunded when Redis has gone
    or come back in between may stay counted, or be given back, until the window ends.

    Args:
        window_seconds: the length of a window.
    """

    def __init__(self, server: RedisServer, *, window_seconds: int = WINDOW_SECONDS) -> None:
        self._server = server
        self._window_seconds = window_seconds
        self._alone: RateLimits = EmbeddedRateLimits(window_seconds=window_seconds)
        self._storage = RedisStorage(
            "redis://",  # not used beside a client's own connections
            implementation="redispy",
            key_prefix=server.key("limits"),
            connection_pool=server.client.connection_pool,  # type: ignore[arg-type] # documented, and typed as a number
        )
        self._limiter = FixedWindowRateLimiter(self._storage)
        self._uncount = server.client.register_script(UNCOUNT)

    async def spend(self, bucket: Bucket, key: str, *, amount: int = 1) -> LimitState:
        """Count one attempt, or work that weighs `amount`; RateLimited when not so much was left."""
        try:
            return await self._server.ask(lambda: self._spend(bucket, key, amount=amount))
        except RedisAway:
            return await self._alone.spend(bucket, key, amount=amount)

    async def check(self, bucket: Bucket, key: str) -> None:
        """Count nothing; RateLimited when the budget is spent."""
        try:
            await self._server.ask(lambda: self._check(bucket, key))
        except RedisAway:
            await self._alone.check(bucket, key)

    async def refund(self, bucket: Bucket, key: str, *, amount: int = 1) -> None:
        """Give back; never goes below zero."""
        try:
            await self._server.ask(lambda: self._give_back(bucket, key, amount=amount))
        except RedisAway:
            await self._alone.refund(bucket, key, amount=amount)

    async def _spend(self, bucket: Bucket, key: str, *, amount: int) -> LimitState:
        if not await self._limiter.hit(self._item(bucket), _name(key), cost=amount):
            await self._give_back(bucket, key, amount=amount)
            raise RateLimited(await self._state(bucket, key))
        return await self._state(bucket, key)

    async def _check(self, bucket: Bucket, key: str) -> None:
        if not await self._limiter.test(self._item(bucket), _name(key)):
            raise RateLimited(await self._state(bucket, key))

    async def _give_back(self, bucket: Bucket, key: str, *, amount: int) -> None:
        counter = self._storage.bridge.prefixed_key(self._item(bucket).key_for(_name(key)))
        await self._uncount(keys=[counter], args=[amount])

    def _item(self, bucket: Bucket) -> RateLimitItem:
        return RateLimitItemPerSecond(bucket.amount, self._window_seconds, namespace=bucket.name)

    async def _state(self, bucket: Bucket, key: str) -> LimitState:
        stats = await self._limiter.get_window_stats(self._item(bucket), _name(key))
        return LimitState(
            bucket=bucket.name,
            limit=bucket.amount,
            window_seconds=self._window_seconds,
            remaining=stats.remaining,
            reset_seconds=max(1, math.ceil(stats.reset_time - time.time())),
        )


def _name(key: str) -> str:
    """Return a caller's name in keys: as short for a long key, and no address to read in Redis."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
