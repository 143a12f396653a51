"""What `pet doctor` looks at in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from redis.exceptions import NoPermissionError

from pet.domain.times import from_milliseconds, utc_now
from pet.storage.findings import Finding, clock_finding, fine, warning
from pet.storage.redis.client import RedisServer, open_redis, told

DOCTOR = "doctor"
"""Stands for an installation in the names of keys."""

_MAY_NOT_LOOK = "It answers, but its user may not ask for more: allow +info and +time to have it looked into."


async def redis_findings(url: str, *, timeout_seconds: float) -> AsyncIterator[Finding]:
    """Look whether Redis answers and takes keys, at its version, its memory and its clock.

    Raises:
        CannotOpen: it cannot be reached, or refuses.
    """
    async with open_redis(url, fingerprint=DOCTOR, timeout_seconds=timeout_seconds) as server, told(url):
        await server.client.delete(server.epoch_key)
        try:
            yield await _version(server)
            yield await _clock(server)
        except NoPermissionError:
            yield fine("redis", _MAY_NOT_LOOK)


async def _version(server: RedisServer) -> Finding:
    info = await server.client.info()
    shown = f"Redis {info['redis_version']} answers and takes keys."
    if int(info.get("maxmemory", 0)) and info.get("maxmemory_policy") == "noeviction":
        return warning("redis", f"{shown} When its memory is full it refuses: set maxmemory-policy to volatile-ttl.")
    return fine("redis", shown)


async def _clock(server: RedisServer) -> Finding:
    asked = utc_now()
    seconds, microseconds = await server.client.time()
    theirs = from_milliseconds(seconds * 1000) + timedelta(microseconds=microseconds)
    return clock_finding("redis", theirs, asked=asked, answered=utc_now())
