"""Health: whether the process lives, and whether it can do its work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Literal, TypedDict

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pet.openapi.operations import Described, Placed, Report, Token
from pet.openapi.schemas import about

Answers = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Check:
    """How to find out whether an engine answers; without one that is not required the service goes on.

    Where `has_room` says no, the engine answers, but takes nothing more.
    """

    name: str
    answers: Answers
    is_required: bool = True
    has_room: Answers | None = None

    async def word(self) -> str:
        """Return `up`, `full` or `down`."""
        if not await self.answers():
            return "down"
        return "up" if self.has_room is None or await self.has_room() else "full"


Word = Annotated[Literal["up", "down"], about("Whether it answers.", "up")]


class Life(TypedDict):
    """The process answers."""

    status: Literal["live"]


class Readiness(TypedDict):
    """What the process needs, engine by engine."""

    status: Annotated[
        Literal["ready", "degraded", "unavailable"], about("`degraded`: something is down that can be done without.")
    ]
    checks: Annotated[dict[str, Word], about("Each engine by its name.", {"database": "up"})]


OPERATIONS = (
    Placed(
        "GET",
        "/health/live",
        "isLive",
        "Operations",
        Described("Ask whether the process lives", token=Token.IGNORED, answer=(Report("It does.", Life),)),
    ),
    Placed(
        "GET",
        "/health/ready",
        "isReady",
        "Operations",
        Described(
            "Ask whether the process can do its work",
            token=Token.IGNORED,
            answer=(
                Report("It can.", Readiness),
                Report("It cannot: send clients elsewhere.", Readiness, status=HTTPStatus.SERVICE_UNAVAILABLE),
            ),
        ),
    ),
)


def health_routes(checks: Sequence[Check]) -> list[Route]:
    """Return `/health/live` and `/health/ready`."""

    async def live(request: Request) -> Response:
        """200 as long as the process answers at all: a supervisor restarts it when not."""
        del request
        return _report(200, {"status": "live"})

    async def ready(request: Request) -> Response:
        """200 when all that is required answers, else 503: a proxy sends clients elsewhere.

        `degraded`, still 200, says that something is down without which the service goes on, or that a disk is full:
        all that was written can still be read.
        """
        del request
        found = await asyncio.gather(*(check.word() for check in checks))
        words = {check.name: word for check, word in zip(checks, found, strict=True)}
        is_ready = all(words[check.name] != "down" for check in checks if check.is_required)
        status = ("ready" if set(found) <= {"up"} else "degraded") if is_ready else "unavailable"
        return _report(200 if is_ready else 503, {"status": status, "checks": words})

    return [Route("/health/live", live), Route("/health/ready", ready)]


def _report(status: int, body: dict[str, object]) -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, media_type="application/json")
