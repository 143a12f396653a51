"""What `pet doctor` looks at in a MongoDB database; it changes nothing there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC

from pymongo import AsyncMongoClient

from pet.domain.times import utc_now
from pet.storage.findings import Finding, clock_finding, fine, warning
from pet.storage.mongo.connection import connected, lacking, told
from pet.storage.mongo.documents import DOCUMENTS
from pet.storage.mongo.operations import Row

OLDEST_MONGODB = 6
"""The oldest major version that PET is written for."""


async def documents_findings(url: str, *, timeout_seconds: float) -> AsyncIterator[Finding]:
    """Look at the version, the replica set, the indexes and the clock of a database.

    Raises:
        CannotOpen: it cannot be reached, refuses, is no replica set, or has an index that differs.
    """
    async with connected(url, timeout_seconds=timeout_seconds) as client, told(client, url, timeout_seconds):
        yield await _version(client)
        yield await _clock(client)
        yield await _indexes()


async def _version(client: AsyncMongoClient[Row]) -> Finding:
    version = str((await client.admin.command("buildInfo"))["version"])
    hello = await client.admin.command("hello")
    place = f"in the replica set {hello['setName']}" if "setName" in hello else "in a sharded cluster"
    shown = f"MongoDB {version} answers, {place}."
    if int(version.partition(".")[0]) < OLDEST_MONGODB:
        return warning("documents", f"{shown} It is older than version {OLDEST_MONGODB}: upgrade it.")
    return fine("documents", shown)


async def _clock(client: AsyncMongoClient[Row]) -> Finding:
    asked = utc_now()
    hello = await client.admin.command("hello")
    theirs = hello["localTime"].replace(tzinfo=UTC)
    return clock_finding("documents", theirs, asked=asked, answered=utc_now())


async def _indexes() -> Finding:
    missing = [
        index.document["name"]
        for document in DOCUMENTS
        for index in lacking(document, await document.get_pymongo_collection().index_information())
    ]
    if missing:
        return fine("documents", f"The next start makes {len(missing)} indexes: {', '.join(missing)}.")
    return fine("documents", "Every index is as this version declares it.")
