"""What is done with collections of MongoDB: rows of plain values, with conditions and changes as MongoDB has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from beanie import Document
from pymongo import ReturnDocument, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError

from pet.domain.texts import storable_text

Row = dict[str, Any]
Filter = Mapping[str, Any]
Change = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Sort = Mapping[str, int]
Collections = Mapping[type[Document], AsyncCollection[Row]]

DUPLICATE_KEY = 11_000


class Operations:
    """Runs operations on collections: each by itself, or all of them in one session."""

    def __init__(self, collections: Collections, session: AsyncClientSession | None = None) -> None:
        self._collections = collections
        self._session = session

    async def rows(
        self,
        of: type[Document],
        where: Filter,
        *,
        fields: Mapping[str, int] | None = None,
        sort: Sort | None = None,
        limit: int = 0,
    ) -> list[Row]:
        """Return documents; `limit` 0 stands for all."""
        cursor = self._collections[of].find(
            _storable(where), fields, sort=sort, limit=limit, batch_size=limit, session=self._session
        )
        return await cursor.to_list()

    async def row(self, of: type[Document], where: Filter, *, fields: Mapping[str, int] | None = None) -> Row | None:
        """Return one document, or None."""
        return await self._collections[of].find_one(_storable(where), fields, session=self._session)

    async def aggregate(self, of: type[Document], pipeline: Sequence[Filter], *, batch: int | None = None) -> list[Row]:
        """Return what a pipeline gives; up to `batch` rows come in one round trip."""
        options: dict[str, Any] = {"batchSize": batch + 1} if batch else {}  # one more, or the cursor stays open
        cursor = await self._collections[of].aggregate(_storable(pipeline), session=self._session, **options)
        return await cursor.to_list()

    async def count(self, of: type[Document], where: Filter) -> int:
        """Return how many documents there are."""
        return await self._collections[of].count_documents(_storable(where), session=self._session)

    async def insert(self, of: type[Document], row: Row) -> None:
        """Insert one document.

        Raises:
            DuplicateKeyError: a unique index refuses it.
        """
        await self._collections[of].insert_one(_storable(row), session=self._session)

    async def insert_all(self, of: type[Document], rows: Sequence[Row]) -> None:
        """Insert documents, in their order.

        Raises:
            DuplicateKeyError: a unique index refuses one of them.
        """
        with _doubles_told():
            await self._collections[of].insert_many(_storable(rows), session=self._session)

    async def insert_new(self, of: type[Document], row: Row) -> bool:
        """Insert one document unless its `_id` is there; tell whether it was inserted.

        A refused insert would break off the transaction.
        """
        rest = {key: value for key, value in row.items() if key != "_id"}
        return await self.replace(of, {"_id": row["_id"]}, {"$setOnInsert": rest}, upsert=True) is None

    async def replace(self, of: type[Document], where: Filter, change: Change, *, upsert: bool = False) -> Row | None:
        """Change one document; return it as it was before, None when there was none."""
        return await self._collections[of].find_one_and_update(
            _storable(where),
            _storable(change),
            upsert=upsert,
            return_document=ReturnDocument.BEFORE,
            session=self._session,
        )

    async def update(self, of: type[Document], where: Filter, change: Change) -> bool:
        """Change one document; tell whether it was there."""
        result = await self._collections[of].update_one(_storable(where), _storable(change), session=self._session)
        return result.matched_count == 1

    async def update_all(self, of: type[Document], where: Filter, change: Change) -> int:
        """Change every document that meets a condition; return how many there were."""
        result = await self._collections[of].update_many(_storable(where), _storable(change), session=self._session)
        return result.matched_count

    async def change_each(self, of: type[Document], changes: Mapping[str, Change], *, upsert: bool = False) -> None:
        """Change documents in one round trip, each in its own way.

        Args:
            changes: by `_id`, in the order in which they are made.

        Raises:
            DuplicateKeyError: another transaction has made one of them at the same time, or a unique index refuses it.
        """
        updates = [UpdateOne({"_id": key}, _storable(change), upsert=upsert) for key, change in changes.items()]
        with _doubles_told():
            await self._collections[of].bulk_write(updates, session=self._session)

    async def take(self, of: type[Document], where: Filter) -> Row | None:
        """Delete one document and return it, None when there was none."""
        return await self._collections[of].find_one_and_delete(_storable(where), session=self._session)

    async def delete(self, of: type[Document], where: Filter) -> int:
        """Delete every document that meets a condition; return how many there were."""
        return (await self._collections[of].delete_many(_storable(where), session=self._session)).deleted_count


@contextmanager
def _doubles_told() -> Iterator[None]:
    """Raise for many documents what is raised for one: DuplicateKeyError where a unique index refuses any."""
    try:
        yield
    except BulkWriteError as error:
        if all(each["code"] == DUPLICATE_KEY for each in error.details["writeErrors"]):
            raise DuplicateKeyError("one of the documents is there already") from error
        raise


def _storable(value: Any) -> Any:
    """Replace what no text in MongoDB can hold, at any depth: what is stored or sought is free of it anyway.

    An id of a request may still hold it, and is then nobody's.
    """
    match value:
        case str():
            return storable_text(value)
        case Mapping():
            return {key: _storable(each) for key, each in value.items()}
        case list() | tuple():
            return [_storable(each) for each in value]
    return value
