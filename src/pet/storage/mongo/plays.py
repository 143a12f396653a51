"""`Plays` in MongoDB."""

from __future__ import annotations

from datetime import datetime, timedelta

from pet.domain.errors import Service
from pet.domain.events import Event
from pet.domain.ids import FileId, UserId
from pet.domain.times import to_milliseconds
from pet.storage.mongo.database import Database
from pet.storage.mongo.delivery import store_event
from pet.storage.mongo.documents import PlayDocument, PlayLedgerDocument
from pet.storage.mongo.operations import Operations

DAY_MS = 24 * 60 * 60 * 1000


class MongoPlays:
    """Keeps, in `plays`, when each listener's play of each track last counted, and in `play_ledger` every count."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.MEDIA)

    async def record(self, file_id: FileId, listener: str, event: Event, *, window: timedelta) -> bool:
        """See `Plays.record`."""
        key = {"_id": f"{file_id} {listener}"}
        now, oldest = to_milliseconds(event.occurred_at), to_milliseconds(event.occurred_at - window)

        async def work(mongo: Operations) -> bool:
            last = await mongo.row(PlayDocument, key)
            if last and last["played_ms"] > oldest:
                return False
            await mongo.replace(PlayDocument, key, {"$set": {"listener": listener, "played_ms": now}}, upsert=True)
            count = {"$inc": {"plays": 1}, "$setOnInsert": {"track_id": file_id, "owner_id": event.user_id}}
            await mongo.replace(PlayLedgerDocument, {"_id": f"{file_id} {now // DAY_MS}"}, count, upsert=True)
            await store_event(mongo, event)
            return True

        return await self._db.atomically(work)

    async def trim(self, *, before: datetime) -> None:
        """See `Plays.trim`."""
        await self._db.delete_in_steps(PlayDocument, {"played_ms": {"$lt": to_milliseconds(before)}})

    async def purge(self, user_id: UserId) -> None:
        """See `Plays.purge`."""
        await self._db.delete_in_steps(PlayDocument, {"listener": user_id})
        await self._db.delete_in_steps(PlayLedgerDocument, {"owner_id": user_id})
