"""What is the embedded cache's own: which sessions it keeps when it is full."""

from __future__ import annotations

from datetime import timedelta

from pet.domain.ids import SessionId, UserId
from pet.domain.session_cache import CachedSession
from pet.domain.times import utc_now
from pet.storage.embedded.session_cache import EmbeddedSessionCache


async def test_the_session_used_longest_ago_goes_first() -> None:
    cache = EmbeddedSessionCache(ttl_seconds=60, capacity=3)
    ids = [SessionId(name) for name in ("one", "two", "three", "four")]
    expires_at = utc_now() + timedelta(days=1)
    for session_id in ids[:3]:
        await cache.remember(CachedSession(session_id, UserId("ann"), "listener", expires_at))
    await cache.find(ids[0])
    await cache.remember(CachedSession(ids[3], UserId("ann"), "listener", expires_at))
    assert [await cache.find(session_id) is not None for session_id in ids] == [True, False, True, True]
