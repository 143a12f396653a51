"""Health: whether the process lives, and whether it can do its work."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pet.domain.errors import Unavailable
from pet.storage.blobs import ObjectStoreBlobs
from pet.storage.sql.database import Database


def health_routes(database: Database, blobs: ObjectStoreBlobs) -> list[Route]:
    """Return `/health/live` and `/health/ready`."""

    async def live(request: Request) -> Response:
        """200 as long as the process answers at all: a supervisor restarts it when not."""
        del request
        return _report(200, {"status": "live"})

    async def ready(request: Request) -> Response:
        """200 when the database answers and media can be written, else 503: a proxy sends clients elsewhere."""
        del request
        checks = {"database": await _database_answers(database), "media": await _media_can_be_written(blobs)}
        words = {name: "up" if is_up else "down" for name, is_up in checks.items()}
        is_ready = all(checks.values())
        return _report(200 if is_ready else 503, {"status": "ready" if is_ready else "unavailable", "checks": words})

    return [Route("/health/live", live), Route("/health/ready", ready)]


async def _database_answers(database: Database) -> bool:
    try:
        return await database.row("SELECT 1 AS answer") is not None
    except Unavailable:
        return False


async def _media_can_be_written(blobs: ObjectStoreBlobs) -> bool:
    try:
        async with blobs.stage() as staged:
            await staged.write(b"ready?")
    except (Unavailable, OSError):
        return False
    return True


def _report(status: int, body: dict[str, object]) -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, media_type="application/json")
