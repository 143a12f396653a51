"""Health: whether the process lives, and whether it can do its work."""

from __future__ import annotations

from pathlib import Path

import anyio
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pet.domain.errors import Unavailable
from pet.storage.blobs import ObjectStoreBlobs
from pet.storage.sql.database import Database


def health_routes(database: Database, blobs: ObjectStoreBlobs, *, database_file: Path | None = None) -> list[Route]:
    """Return `/health/live` and `/health/ready`.

    Args:
        database_file: the file of an embedded database. An open connection goes on where the file has been removed, and
            what is written then is lost.
    """

    async def live(request: Request) -> Response:
        """200 as long as the process answers at all: a supervisor restarts it when not."""
        del request
        return _report(200, {"status": "live"})

    async def ready(request: Request) -> Response:
        """200 when the database answers and media can be written, else 503: a proxy sends clients elsewhere."""
        del request
        checks = {
            "database": await _database_answers(database, database_file),
            "media": await _media_can_be_written(blobs),
        }
        words = {name: "up" if is_up else "down" for name, is_up in checks.items()}
        is_ready = all(checks.values())
        return _report(200 if is_ready else 503, {"status": "ready" if is_ready else "unavailable", "checks": words})

    return [Route("/health/live", live), Route("/health/ready", ready)]


async def _database_answers(database: Database, file: Path | None) -> bool:
    try:
        await database.row("SELECT 1 FROM account LIMIT 1")  # a table's: a constant would be answered from thin air
    except Unavailable:
        return False
    return file is None or await anyio.Path(file).exists()


async def _media_can_be_written(blobs: ObjectStoreBlobs) -> bool:
    try:
        async with blobs.stage() as staged:
            await staged.write(b"ready?")
    except (Unavailable, OSError):
        return False
    return True


def _report(status: int, body: dict[str, object]) -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, media_type="application/json")
