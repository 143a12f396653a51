"""`Accounts` in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tortoise.exceptions import IntegrityError

from pet.domain.accounts import Account
from pet.domain.errors import Conflict, Service
from pet.domain.events import Event
from pet.domain.ids import SessionId, UserId
from pet.domain.texts import identity_key
from pet.domain.times import from_milliseconds, to_milliseconds
from pet.domain.viewers import Role
from pet.storage.coalescing import Coalescing
from pet.storage.sql.database import Database, Row, Statements
from pet.storage.sql.delivery import store_event

_OPEN = "SELECT * FROM account WHERE deleted_ms IS NULL"


class SqlAccounts:
    """Keeps accounts in the table `account`."""

    def __init__(self, database: Database) -> None:
        self._db = database.speaking_for(Service.AUTH)
        self._by_id = Coalescing[UserId, Account](self._read_by_id)

    async def add(self, account: Account, event: Event) -> None:
        """See `Accounts.add`."""

        async def work(sql: Statements) -> None:
            await sql.insert("account", _to_row(account))
            await store_event(sql, event)

        try:
            await self._db.atomically(work)
        except IntegrityError as error:
            if await self._is_taken("email_key", account.email):
                raise Conflict("Email already exists", field="email") from error
            if await self._is_taken("username_key", account.username):
                raise Conflict("Username already exists", field="username") from error
            raise

    async def find(self, user_id: UserId) -> Account | None:
        """See `Accounts.find`."""
        return await self._by_id.get(user_id)

    async def _read_by_id(self, user_ids: Sequence[UserId]) -> Mapping[UserId, Account]:
        rows = await self._db.rows(f"{_OPEN} AND user_id IN ?", [*user_ids])
        return {account.user_id: account for account in map(_entity, rows)}

    async def find_by_email(self, email: str) -> Account | None:
        """See `Accounts.find_by_email`."""
        return _found(await self._db.row(f"{_OPEN} AND email_key = ?", identity_key(email)))

    async def find_by_username(self, username: str) -> Account | None:
        """See `Accounts.find_by_username`."""
        return _found(await self._db.row(f"{_OPEN} AND username_key = ?", identity_key(username)))

    async def set_password(self, user_id: UserId, *, old_hash: str, new_hash: str) -> bool:
        """See `Accounts.set_password`."""

        async def work(sql: Statements) -> bool:
            update = "UPDATE account SET password_hash = ? WHERE user_id = ? AND password_hash = ?"
            return await sql.run(update, new_hash, user_id, old_hash) == 1

        return await self._db.atomically(work)

    async def change_password(
        self, user_id: UserId, *, old_hash: str, new_hash: str, keep: SessionId | None = None
    ) -> bool:
        """See `Accounts.change_password`."""

        async def work(sql: Statements) -> bool:
            update = "UPDATE account SET password_hash = ? WHERE user_id = ? AND password_hash = ?"
            if not await sql.run(update, new_hash, user_id, old_hash):
                return False
            await sql.run("DELETE FROM session WHERE user_id = ? AND session_id <> ?", user_id, keep or "")
            return True

        return await self._db.atomically(work)

    async def set_role(self, user_id: UserId, role: Role, event: Event) -> bool:
        """See `Accounts.set_role`."""

        async def work(sql: Statements) -> bool:
            update = "UPDATE account SET role = ? WHERE user_id = ? AND deleted_ms IS NULL"
            if not await sql.run(update, role.value, user_id):
                return False
            await store_event(sql, event)
            return True

        return await self._db.atomically(work)

    async def remove(self, user_id: UserId, event: Event) -> bool:
        """See `Accounts.remove`."""

        async def work(sql: Statements) -> bool:
            end = "UPDATE account SET deleted_ms = ?, password_hash = '' WHERE user_id = ? AND deleted_ms IS NULL"
            if not await sql.run(end, to_milliseconds(event.occurred_at), user_id):
                return False
            await sql.run("DELETE FROM session WHERE user_id = ?", user_id)
            await sql.run("DELETE FROM familiar_network WHERE user_id = ?", user_id)
            await store_event(sql, event)
            return True

        return await self._db.atomically(work)

    async def forget(self, user_id: UserId) -> None:
        """See `Accounts.forget`."""

        async def work(sql: Statements) -> None:
            # A login that was under way may have left a session behind.
            if await sql.run("DELETE FROM account WHERE user_id = ? AND deleted_ms IS NOT NULL", user_id):
                await sql.run("DELETE FROM session WHERE user_id = ?", user_id)

        await self._db.atomically(work)

    async def _is_taken(self, key: str, name: str) -> bool:
        """Tell whether a name is that of an account, or of one that is being deleted."""
        return await self._db.row(f"SELECT 1 AS found FROM account WHERE {key} = ?", identity_key(name)) is not None


def _to_row(account: Account) -> Row:
    return {
        "user_id": account.user_id,
        "email": account.email,
        "email_key": identity_key(account.email),
        "username": account.username,
        "username_key": identity_key(account.username),
        "role": account.role.value,
        "password_hash": account.password_hash,
        "created_ms": to_milliseconds(account.created_at),
    }


def _found(row: Row | None) -> Account | None:
    return _entity(row) if row else None


def _entity(row: Row) -> Account:
    return Account(
        user_id=UserId(row["user_id"]),
        email=row["email"],
        username=row["username"],
        role=Role(row["role"]),
        password_hash=row["password_hash"],
        created_at=from_milliseconds(row["created_ms"]),
    )
