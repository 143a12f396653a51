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
from pet.domain.broadcast import Broadcast
from pet.domain.delivery import Outbox, Projections
from pet.domain.errors import Unavailable
from pet.domain.events import Event
from pet.domain.feed import Activities
from pet.domain.files import Files
from pet.domain.follows import Follows
from pet.domain.limits import RateLimits
from pet.domain.plays import Plays
from pet.domain.profiles import Profiles
from pet.domain.session_cache import SessionCache
from pet.domain.sessions import Sessions
from pet.domain.times import Clock
from pet.health import Answers, Check
from pet.settings import Settings
from pet.storage.blobs import ObjectStoreBlobs, open_blobs
from pet.storage.embedded.broadcast import EmbeddedBroadcast
from pet.storage.embedded.limits import EmbeddedRateLimits, UnlimitedRateLimits
from pet.storage.embedded.session_cache import EmbeddedSessionCache
from pet.storage.sql.accounts import SqlAccounts
from pet.storage.sql.database import Database, open_database
from pet.storage.sql.delivery import SqlOutbox
from pet.storage.sql.effects import SqlProjections
from pet.storage.sql.feed import SqlActivities
from pet.storage.sql.files import SqlFiles
from pet.storage.sql.follows import SqlFollows
from pet.storage.sql.plays import SqlPlays
from pet.storage.sql.profiles import SqlProfiles
from pet.storage.sql.sessions import SqlSessions


@dataclass(frozen=True, slots=True)
class Documents:
    """Where profiles, media records, follows and activities are kept, with the outbox of their events."""

    profiles: Profiles
    files: Files
    follows: Follows
    activities: Activities
    plays: Plays
    projections: Projections
    outbox: Outbox


@dataclass(frozen=True, slots=True)
class Shared:
    """What several processes share; on one machine it is in the process."""

    limits: RateLimits
    session_cache: SessionCache
    broadcast: Broadcast[Event]


@dataclass(frozen=True, slots=True)
class Engines:
    """Every engine, open.

    `outboxes` are those of all stores, the documents' first. `checks` tell how each engine is.
    """

    accounts: Accounts
    sessions: Sessions
    documents: Documents
    shared: Shared
    blobs: ObjectStoreBlobs
    outboxes: Sequence[Outbox]
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
        blobs = _blobs(settings, checks)
        accounts_outbox = SqlOutbox(database, clock)
        documents = await _mongo_documents(settings, stack, checks, clock) or _sql_documents(
            database, accounts_outbox, clock
        )
        yield Engines(
            accounts=SqlAccounts(database),
            sessions=SqlSessions(database),
            documents=documents,
            shared=_embedded(settings, stack),
            blobs=blobs,
            outboxes=tuple(dict.fromkeys((documents.outbox, accounts_outbox))),
            checks=checks,
        )


async def _database(settings: Settings, stack: AsyncExitStack, checks: list[Check]) -> Database:
    database = await stack.enter_async_context(open_database(settings.database_url))
    checks.append(Check("database", _database_answers(database, settings.database_file)))
    return database


def _blobs(settings: Settings, checks: list[Check]) -> ObjectStoreBlobs:
    blobs = open_blobs(settings.media_url)
    checks.append(Check("media", _media_can_be_written(blobs)))
    return blobs


def _sql_documents(database: Database, outbox: Outbox, clock: Clock) -> Documents:
    """Keep the documents beside the accounts, in one outbox with them."""
    return Documents(
        profiles=SqlProfiles(database),
        files=SqlFiles(database),
        follows=SqlFollows(database),
        activities=SqlActivities(database),
        plays=SqlPlays(database),
        projections=SqlProjections(database, clock),
        outbox=outbox,
    )


async def _mongo_documents(
    settings: Settings, stack: AsyncExitStack, checks: list[Check], clock: Clock
) -> Documents | None:
    """Keep the documents in MongoDB, where a setting names one."""
    if settings.documents_url is None:
        return None
    from pet.storage.mongo import connection, delivery, effects, feed, files, follows, plays, profiles  # noqa: PLC0415

    opening = connection.open_database(settings.documents_url, timeout_seconds=settings.engine_timeout)
    database = await stack.enter_async_context(opening)
    checks.append(Check("documents", database.answers))
    return Documents(
        profiles=profiles.MongoProfiles(database),
        files=files.MongoFiles(database),
        follows=follows.MongoFollows(database),
        activities=feed.MongoActivities(database),
        plays=plays.MongoPlays(database),
        projections=effects.MongoProjections(database, clock),
        outbox=delivery.MongoOutbox(database, clock),
    )


def _embedded(settings: Settings, stack: AsyncExitStack) -> Shared:
    broadcast: EmbeddedBroadcast[Event] = EmbeddedBroadcast()
    stack.push_async_callback(broadcast.close)
    return Shared(
        limits=EmbeddedRateLimits() if settings.rate_limits else UnlimitedRateLimits(),
        session_cache=EmbeddedSessionCache(),
        broadcast=broadcast,
    )


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


def _media_can_be_written(blobs: ObjectStoreBlobs) -> Answers:
    async def answers() -> bool:
        try:
            async with blobs.stage() as staged:
                await staged.write(b"ready?")
        except (Unavailable, OSError):
            return False
        return True

    return answers
