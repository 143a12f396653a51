"""What `pet doctor` looks at in a SQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pet.domain.times import from_milliseconds, utc_now
from pet.storage.findings import Finding, clock_finding, failure, fine, warning
from pet.storage.sql.database import Database, is_migrated, open_database

OLDEST_POSTGRES = 130_000
"""`server_version_num` of PostgreSQL 13, the oldest that is still in use widely and has all that is used here."""


async def database_findings(url: str) -> AsyncIterator[Finding]:
    """Look at the version, the tables, the clock and the file of a database.

    Raises:
        CannotOpen, Unavailable: it cannot be reached, or refuses.
    """
    is_current = await is_migrated(url)
    async with open_database(url) as database:
        yield await (_sqlite(database) if url.startswith("sqlite:") else _postgres(database))
        if is_current:
            yield fine("migrations", "The tables are of this version.")
        else:
            yield failure("migrations", "The tables are not of this version. Run: pet migrate")
        if not url.startswith("sqlite:"):
            yield await _clock(database)


async def _sqlite(database: Database) -> Finding:
    version = await database.row("SELECT sqlite_version() AS version")
    found = await database.row("PRAGMA quick_check(1)")
    words = str(found["quick_check"]) if found else "no answer"
    if words != "ok":
        return failure("database", f"The file is damaged ({words}). Restore a backup.")
    return fine("database", f"SQLite {version['version'] if version else ''}, and the file is sound.")


async def _postgres(database: Database) -> Finding:
    number = await database.row("SELECT current_setting('server_version_num')::int AS number")
    words = await database.row("SELECT current_setting('server_version') AS words")
    shown = f"PostgreSQL {words['words'] if words else ''} answers."
    if number and number["number"] < OLDEST_POSTGRES:
        return warning("database", f"{shown} It is older than version 13: upgrade it.")
    return fine("database", shown)


async def _clock(database: Database) -> Finding:
    asked = utc_now()
    row = await database.row("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms")
    theirs = from_milliseconds(row["now_ms"] if row else 0)
    return clock_finding("database", theirs, asked=asked, answered=utc_now())
