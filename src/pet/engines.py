"""The engines, chosen by the settings' URLs and opened: everything behind the domain's protocols.

An engine that no setting names is not imported.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from pet.domain.accounts import Accounts
from pet.domain.audit import Audits
from pet.domain.broadcast import Broadcast
from pet.domain.delivery import Projections
from pet.domain.errors import Unavailable
from pet.domain.events import Event
from pet.domain.exports import Exports
from pet.domain.failures import Failures
from pet.domain.feed import Activities
from pet.domain.files import Files
from pet.domain.follows import Follows
from pet.domain.limits import RateLimits
from pet.domain.login_guard import FamiliarNetworks
from pet.domain.outbox import Outbox
from pet.domain.plays import Plays
from pet.domain.profiles import Profiles
from pet.domain.publishing import Exchange
from pet.domain.session_cache import SessionCache
from pet.domain.sessions import Sessions
from pet.domain.times import Clock
from pet.domain.waveforms import Waveforms
from pet.health import Answers, Check
from pet.security.keys import derive_key
from pet.settings import Settings
from pet.storage.blobs import OpenBlobs, open_blobs
from pet.storage.embedded.broadcast import EmbeddedBroadcast
from pet.storage.embedded.failures import EmbeddedFailures, UncountedFailures
from pet.storage.embedded.limits import EmbeddedRateLimits, UnlimitedRateLimits
from pet.storage.embedded.session_cache import EmbeddedSessionCache
from pet.storage.sql.accounts import SqlAccounts
from pet.storage.sql.audit import SqlAudits
from pet.storage.sql.database import Database, open_database
from pet.storage.sql.delivery import SqlOutbox
from pet.storage.sql.effects import SqlProjections
from pet.storage.sql.exports import SqlExports
from pet.storage.sql.familiar_networks import SqlFamiliarNetworks
from pet.storage.sql.feed import SqlActivities
from pet.storage.sql.files import SqlFiles
from pet.storage.sql.follows import SqlFollows
from pet.storage.sql.plays import SqlPlays
from pet.storage.sql.postgres import PostgresLimits
from pet.storage.sql.profiles import SqlProfiles
from pet.storage.sql.sessions import SqlSessions
from pet.storage.sql.waveforms import SqlWaveforms

FINGERPRINT_DIGITS = 12
"""Of the secret key, in the names of what is kept in Redis: two installations may use one server."""


@dataclass(frozen=True, slots=True)
class Documents:
    """Where profiles, media records, follows and activities are kept, with the outbox of their events."""

    profiles: Profiles
    files: Files
    follows: Follows
    activities: Activities
    plays: Plays
    waveforms: Waveforms
    projections: Projections
    audits: Audits
    outbox: Outbox


@dataclass(frozen=True, slots=True)
class Shared:
    """What several processes share; on one machine it is in the process."""

    limits: RateLimits
    failures: Failures
    session_cache: SessionCache
    broadcast: Broadcast[Event]


@dataclass(frozen=True, slots=True)
class Engines:
    """Every engine, open.

    `outboxes` are those of all stores, the documents' first. `exchange` is where other systems read the events, if
    anywhere. `checks` tell how each engine is.
    """

    accounts: Accounts
    sessions: Sessions
    exports: Exports
    networks: FamiliarNetworks
    documents: Documents
    shared: Shared
    blobs: OpenBlobs
    outboxes: Sequence[Outbox]
    exchange: Exchange | None
    checks: Sequence[Check]


@asynccontextmanager
async def open_engines(settings: Settings, clock: Clock) -> AsyncIterator[Engines]:
    """Open the engines that the settings name until the context is left.

    Raises:
        CannotOpen: an engine cannot be reached, or refuses.
        Unavailable: the embedded database or the media folder cannot be used.
    """
    async with AsyncExitStack() as stack:
        checks: list[Check] = []
        database = await _database(settings, stack, checks)
        blobs = await _blobs(settings, stack, checks)
        accounts_outbox = SqlOutbox(database, clock)
        documents = await _mongo_documents(settings, stack, checks, clock) or _sql_documents(
            database, accounts_outbox, clock
        )
        outboxes = tuple(dict.fromkeys((documents.outbox, accounts_outbox)))
        yield Engines(
            accounts=SqlAccounts(database),
            sessions=SqlSessions(database),
            exports=SqlExports(database),
            networks=SqlFamiliarNetworks(database),
            documents=documents,
            shared=await _shared(settings, stack, checks, outboxes, clock),
            blobs=blobs,
            outboxes=outboxes,
            exchange=await _exchange(settings, stack, checks),
            checks=checks,
        )


async def _database(settings: Settings, stack: AsyncExitStack, checks: list[Check]) -> Database:
    database = await stack.enter_async_context(open_database(settings.database_url, database_limits(settings)))
    checks.append(Check("database", _database_answers(database, settings.database_file)))
    return database


def database_limits(settings: Settings) -> PostgresLimits:
    """Return what this process may take of a PostgreSQL server; a file needs no limits."""
    return PostgresLimits(
        call_seconds=settings.engine_timeout,
        statement_seconds=settings.database_statement_timeout,
        connections=settings.database_pool_size,
    )


async def _blobs(settings: Settings, stack: AsyncExitStack, checks: list[Check]) -> OpenBlobs:
    spool, timeout_seconds = settings.data_dir / "spool", settings.engine_timeout
    blobs = await stack.enter_async_context(
        open_blobs(settings.media_url, spool=spool, timeout_seconds=timeout_seconds)
    )
    checks.append(Check("media", blobs.answers, has_room=blobs.has_room))
    return blobs


def _sql_documents(database: Database, outbox: Outbox, clock: Clock) -> Documents:
    """Keep the documents beside the accounts, in one outbox with them."""
    return Documents(
        profiles=SqlProfiles(database),
        files=SqlFiles(database),
        follows=SqlFollows(database),
        activities=SqlActivities(database),
        plays=SqlPlays(database),
        waveforms=SqlWaveforms(database),
        projections=SqlProjections(database, clock),
        audits=SqlAudits(database),
        outbox=outbox,
    )


async def _mongo_documents(
    settings: Settings, stack: AsyncExitStack, checks: list[Check], clock: Clock
) -> Documents | None:
    """Keep the documents in MongoDB, where a setting names one."""
    if settings.documents_url is None:
        return None
    from pet.storage.mongo import (  # noqa: PLC0415
        audit,
        connection,
        delivery,
        effects,
        feed,
        files,
        follows,
        plays,
        profiles,
        waveforms,
    )

    opening = connection.open_database(settings.documents_url, timeout_seconds=settings.engine_timeout)
    database = await stack.enter_async_context(opening)
    checks.append(Check("documents", database.answers))
    return Documents(
        profiles=profiles.MongoProfiles(database),
        files=files.MongoFiles(database),
        follows=follows.MongoFollows(database),
        activities=feed.MongoActivities(database),
        plays=plays.MongoPlays(database),
        waveforms=waveforms.MongoWaveforms(database),
        projections=effects.MongoProjections(database, clock),
        audits=audit.MongoAudits(database),
        outbox=delivery.MongoOutbox(database, clock),
    )


async def _shared(
    settings: Settings, stack: AsyncExitStack, checks: list[Check], outboxes: Sequence[Outbox], clock: Clock
) -> Shared:
    if settings.redis_url:
        return await _redis(settings, settings.redis_url, stack, checks, outboxes, clock)
    return _embedded(settings, stack, clock)


async def _redis(
    settings: Settings,
    url: str,
    stack: AsyncExitStack,
    checks: list[Check],
    outboxes: Sequence[Outbox],
    clock: Clock,
) -> Shared:
    from pet.storage.redis.broadcast import RedisBroadcast  # noqa: PLC0415
    from pet.storage.redis.client import open_redis, told  # noqa: PLC0415
    from pet.storage.redis.failures import RedisFailures  # noqa: PLC0415
    from pet.storage.redis.limits import RedisRateLimits  # noqa: PLC0415
    from pet.storage.redis.session_cache import RedisSessionCache  # noqa: PLC0415
    from pet.storage.redis.subscriber import RedisSubscriber  # noqa: PLC0415

    fingerprint = derive_key(settings.shared_secret, "redis names").hex()[:FINGERPRINT_DIGITS]
    opening = open_redis(url, fingerprint=fingerprint, timeout_seconds=settings.engine_timeout)
    server = await stack.enter_async_context(opening)
    checks.append(Check("redis", server.answers, is_required=False))
    sessions, broadcast = RedisSessionCache(server), RedisBroadcast(server, outboxes, clock)
    stack.push_async_callback(broadcast.close)
    await stack.enter_async_context(broadcast.catching_up())
    receivers = {sessions.channel: sessions.receive, broadcast.channel: broadcast.receive}
    async with told(url):
        await stack.enter_async_context(RedisSubscriber(server, receivers, broadcast.listens).listening())
    return Shared(
        limits=RedisRateLimits(server) if settings.rate_limits else UnlimitedRateLimits(),
        failures=RedisFailures(server) if settings.rate_limits else UncountedFailures(),
        session_cache=sessions,
        broadcast=broadcast,
    )


def _embedded(settings: Settings, stack: AsyncExitStack, clock: Clock) -> Shared:
    broadcast: EmbeddedBroadcast[Event] = EmbeddedBroadcast(clock)
    stack.push_async_callback(broadcast.close)
    return Shared(
        limits=EmbeddedRateLimits() if settings.rate_limits else UnlimitedRateLimits(),
        failures=EmbeddedFailures() if settings.rate_limits else UncountedFailures(),
        session_cache=EmbeddedSessionCache(),
        broadcast=broadcast,
    )


async def _exchange(settings: Settings, stack: AsyncExitStack, checks: list[Check]) -> Exchange | None:
    if not settings.amqp_url:
        return None
    from pet.storage.amqp.exchange import EXCHANGE, open_exchange  # noqa: PLC0415

    exchange = await stack.enter_async_context(
        open_exchange(settings.amqp_url, timeout_seconds=settings.engine_timeout, name=EXCHANGE)
    )
    checks.append(Check("events", exchange.answers, is_required=False))
    return exchange


def _database_answers(database: Database, file: Path | None) -> Answers:
    """Look whether the database answers, and an embedded one's file is there.

    An open connection goes on where the file has been removed, and what is written then is lost.
    """

    async def answers() -> bool:
        try:
            await database.row("SELECT 1 FROM account LIMIT 1")  # a table's: a constant would be answered from thin air
        except Unavailable:
            return False
        return file is None or await anyio.Path(file).exists()

    return answers
