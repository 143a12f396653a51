"""The way to a MongoDB database: its client, its indexes, and what an operator is told when it cannot be used."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pymongo
from beanie import Document, init_beanie
from pymongo import AsyncMongoClient, IndexModel, ReadPreference
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from pet.domain.errors import Unavailable
from pet.storage.mongo.database import COMMITTED, DURABLE, Database
from pet.storage.mongo.diagnosis import NEEDS_A_REPLICA_SET, reason_of, unreachable
from pet.storage.mongo.documents import DOCUMENTS
from pet.storage.mongo.names import name_everyone
from pet.storage.mongo.operations import Row
from pet.storage.opening import CannotOpen

MAX_CONNECTIONS = 50
"""Of one process, unless the URL says another number: more requests at once wait for their turn."""

HEARTBEAT_SECONDS = 0.5
"""How often the driver looks whether the servers are there: what died silently is known before its connections are."""

INDEX_SECONDS = 600.0
"""How long a new index of a large collection may take; an index of an empty one takes no time."""

COLLECTION_EXISTS = 48


@asynccontextmanager
async def open_database(url: str, *, timeout_seconds: float) -> AsyncIterator[Database]:
    """Open the database that a URL names until the context is left, and make the indexes that it lacks.

    Raises:
        CannotOpen: it cannot be reached, refuses, or is none that can be used.
    """
    async with connected(url, timeout_seconds=timeout_seconds) as client:
        async with told(client, url, timeout_seconds):
            for document in DOCUMENTS:
                await _ensure_indexes(document)
        collections = {document: document.get_pymongo_collection() for document in DOCUMENTS}
        database = Database.over(client, collections, timeout_seconds=timeout_seconds)
        try:
            await _upgrade(database)
            yield database
        finally:
            await database.settled()


async def _upgrade(database: Database) -> None:
    """Bring the documents that an earlier version has made to what this one needs.

    Raises:
        CannotOpen: the engine went away meanwhile, or takes too long.
    """
    try:
        await name_everyone(database)
    except Unavailable as error:
        raise _cannot("the profiles of an earlier version could not be counted; the next start goes on") from error


@asynccontextmanager
async def connected(url: str, *, timeout_seconds: float) -> AsyncIterator[AsyncMongoClient[Row]]:
    """Connect to what a URL names until the context is left, and let the models know their collections there.

    Nothing is changed there.

    Raises:
        CannotOpen: it cannot be reached, refuses, or is none that can be used.
    """
    try:
        client = _client(url, timeout_seconds)
    except (PyMongoError, ValueError) as error:
        raise _cannot(reason_of(error)) from error
    try:
        async with told(client, url, timeout_seconds):
            await _meet(client)
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def told(client: AsyncMongoClient[Row], url: str, timeout_seconds: float) -> AsyncIterator[None]:
    """Say in an operator's words what the driver raises.

    Raises:
        CannotOpen: it raises anything.
    """
    try:
        yield
    except ServerSelectionTimeoutError as error:
        raise _cannot(await unreachable(client, url, timeout_seconds)) from error
    except PyMongoError as error:
        raise _cannot(reason_of(error)) from error


def _client(url: str, timeout_seconds: float) -> AsyncMongoClient[Row]:
    """Return a client whose every wait is bounded: by default some last for ever, others for half a minute."""
    timeout_ms = round(timeout_seconds * 1000)
    given = {name.lower() for name in parse_qs(urlsplit(url).query)}
    own: dict[str, Any] = {} if "maxpoolsize" in given else {"maxPoolSize": MAX_CONNECTIONS}
    return AsyncMongoClient(
        url,
        timeoutMS=timeout_ms,
        serverSelectionTimeoutMS=timeout_ms,
        connectTimeoutMS=timeout_ms,
        socketTimeoutMS=timeout_ms,
        waitQueueTimeoutMS=timeout_ms,
        heartbeatFrequencyMS=round(HEARTBEAT_SECONDS * 1000),
        retryWrites=True,
        retryReads=True,
        appname="pet",
        **own,
    )


async def _meet(client: AsyncMongoClient[Row]) -> None:
    hello = await client.admin.command("hello")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise _cannot(NEEDS_A_REPLICA_SET)
    database: AsyncDatabase[Row] = client.get_default_database(
        read_preference=ReadPreference.PRIMARY, write_concern=DURABLE, read_concern=COMMITTED
    )
    await init_beanie(database=database, document_models=list(DOCUMENTS), skip_indexes=True)


async def _ensure_indexes(document: type[Document]) -> None:
    """Make the indexes that a collection lacks; several processes may do so at once.

    One that differs is never dropped: on a large collection that is an operator's decision.
    """
    collection = document.get_pymongo_collection()
    existing = await collection.index_information()
    if missing := lacking(document, existing):
        await _make(collection, missing)
    elif not existing:
        await _create(collection)


def lacking(document: type[Document], existing: Mapping[str, Any]) -> list[IndexModel]:
    """Return the declared indexes that are not among the existing ones of a collection.

    Raises:
        CannotOpen: one of the existing ones differs from what is declared.
    """
    found = {name: _traits(index) for name, index in existing.items()}
    missing: list[IndexModel] = []
    for index in (field.index for field in document.get_settings().indexes):
        name, wanted = index.document["name"], _traits(index.document)
        if name not in found:
            missing.append(index)
        rivals = [each for other, each in found.items() if other == name or each["fields"] == wanted["fields"]]
        if rivals and found.get(name) != wanted:
            raise _differs(name, document.get_collection_name())
    return missing


async def _make(collection: AsyncCollection[Row], missing: list[IndexModel]) -> None:
    try:
        with pymongo.timeout(INDEX_SECONDS):
            await collection.create_indexes(missing)
    except DuplicateKeyError as error:
        raise _cannot(f"the collection {collection.name} holds doubles, which a unique index forbids") from error


async def _create(collection: AsyncCollection[Row]) -> None:
    """Make a collection that has no index of its own, lest the first transaction that needs it has to."""
    try:
        await collection.database.create_collection(collection.name, check_exists=False)
    except OperationFailure as error:
        if error.code != COLLECTION_EXISTS:
            raise


def _traits(index: Any) -> dict[str, Any]:
    """Return what makes an index what it is, as MongoDB tells it and as we declare it."""
    given = {key: value for key, value in index.items() if key not in ("v", "ns", "name", "background", "unique")}
    key = given.pop("key")
    fields = [(field, int(order)) for field, order in (key.items() if hasattr(key, "items") else key)]
    return {**given, "fields": fields, "unique": bool(index.get("unique"))}


def _differs(name: str, collection: str) -> CannotOpen:
    return _cannot(
        f"the index {name} of the collection {collection} is not the one that this version needs. Drop the old one"
        f" (in mongosh: db.{collection}.getIndexes(), then dropIndex) and start again: it is made anew"
    )


def _cannot(reason: str) -> CannotOpen:
    return CannotOpen("document store", "PET_DOCUMENTS_URL", f"{reason}.")
