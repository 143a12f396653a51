"""`FamiliarNetworks` in SQL."""

from __future__ import annotations

from datetime import datetime

from pet.domain.errors import Service
from pet.domain.ids import UserId
from pet.domain.login_guard import FAMILIAR_FOR, MAX_FAMILIAR
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.storage.sql.database import Database, Statements

FORGOTTEN_AT_ONCE = 20


class SqlFamiliarNetworks:
    """Keeps networks in the table `familiar_network`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.AUTH)

    async def last_login(self, network: str) -> datetime | None:
        """See `FamiliarNetworks.last_login`."""
        row = await self._db.row("SELECT noted_ms FROM familiar_network WHERE network = ?", network)
        return from_milliseconds(row["noted_ms"]) if row else None

    async def note(self, user_id: UserId, network: str, now: datetime) -> None:
        """See `FamiliarNetworks.note`."""

        async def work(sql: Statements) -> None:
            # Removing the account comes before this, and it is gone, or waits until it is done.
            await sql.lock("account", "user_id", user_id)
            if not await sql.row("SELECT 1 AS found FROM account WHERE user_id = ? AND deleted_ms IS NULL", user_id):
                return
            forgotten = (
                "SELECT network FROM familiar_network WHERE noted_ms < ?"
                f" ORDER BY noted_ms LIMIT ?{sql.for_update_of_free}"
            )
            before = to_milliseconds(now - FAMILIAR_FOR)
            await sql.run(f"DELETE FROM familiar_network WHERE network IN ({forgotten})", before, FORGOTTEN_AT_ONCE)
            upsert = (
                "INSERT INTO familiar_network (network, user_id, noted_ms) VALUES (?, ?, ?)"
                " ON CONFLICT (network) DO UPDATE SET noted_ms = excluded.noted_ms"
            )
            await sql.run(upsert, network, user_id, to_milliseconds(now))
            kept = "SELECT network FROM familiar_network WHERE user_id = ? ORDER BY noted_ms DESC, network DESC LIMIT ?"
            surplus = f"DELETE FROM familiar_network WHERE user_id = ? AND network NOT IN ({kept})"
            await sql.run(surplus, user_id, user_id, MAX_FAMILIAR)

        await self._db.atomically(work)
