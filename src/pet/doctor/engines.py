"""Every engine that the settings name: reachable, of a version that serves, complete, in time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pet.domain.errors import Unavailable
from pet.engines import database_limits
from pet.settings import Settings
from pet.storage.findings import Finding, failure, fine
from pet.storage.opening import CannotOpen

Examine = Callable[[Settings], AsyncIterator[Finding]]


async def engine_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Examine each engine; one that fails keeps none of the others from being looked at."""
    for subject, examine in _examinations(settings):
        try:
            async for finding in examine(settings):
                yield finding
        except CannotOpen as error:
            yield failure(subject, str(error))
        except Unavailable as error:
            yield failure(subject, f"It cannot be used: {error.__cause__ or error}")


def _examinations(settings: Settings) -> Sequence[tuple[str, Examine]]:
    examinations: list[tuple[str, Examine]] = [("database", _database), ("media", _media)]
    if settings.documents_url:
        examinations.append(("documents", _documents))
    if settings.redis_url:
        examinations.append(("redis", _redis))
    if settings.amqp_url:
        examinations.append(("events", _events))
    return examinations


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    from pet.storage.sql.examination import database_findings  # noqa: PLC0415

    if settings.database_file and not settings.database_file.exists():
        yield fine("database", f"The first start makes {settings.database_file}.")
        return
    async for finding in database_findings(settings.database_url, database_limits(settings)):
        yield finding


async def _documents(settings: Settings) -> AsyncIterator[Finding]:
    from pet.storage.mongo.examination import documents_findings  # noqa: PLC0415

    url = settings.documents_url or ""
    async for finding in documents_findings(url, timeout_seconds=settings.engine_timeout):
        yield finding


async def _media(settings: Settings) -> AsyncIterator[Finding]:
    from pet.storage.blobs import open_blobs  # noqa: PLC0415

    if settings.media_folder and not settings.media_folder.exists():
        yield fine("media", f"The first start makes {settings.media_folder}.")
        return
    with TemporaryDirectory() as spool:
        opening = open_blobs(settings.media_url, spool=Path(spool), timeout_seconds=settings.engine_timeout)
        async with opening as blobs:
            if await blobs.answers() and await blobs.has_room():
                yield fine("media", "An object can be written and removed.")
            else:
                yield failure("media", "No object can be written. Look at the store, its rights and its free space.")


async def _redis(settings: Settings) -> AsyncIterator[Finding]:
    from pet.storage.redis.examination import redis_findings  # noqa: PLC0415

    async for finding in redis_findings(settings.redis_url or "", timeout_seconds=settings.engine_timeout):
        yield finding


async def _events(settings: Settings) -> AsyncIterator[Finding]:
    from pet.storage.amqp.examination import broker_findings  # noqa: PLC0415

    async for finding in broker_findings(settings.amqp_url or "", timeout_seconds=settings.engine_timeout):
        yield finding
