"""The service as honest clients meet it: several processes, of which one answers, or nobody knows what was done."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

DOWN = "is temporarily unavailable. Please try again later."
NOBODY_THERE = (httpx.ConnectError, httpx.ConnectTimeout)
"""Nothing was sent, so nothing was done."""

TRIES = 200
PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status with what it says, and for GraphQL the code of a mistake."""

    status: int
    content: bytes
    data: dict[str, Any]
    code: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether it was done."""
        return self.status == 200 and self.code is None


@dataclass
class Network:
    """Sends requests to any of the processes, and counts those that were answered and those that broke.

    `surprises` are what no client should ever be told.
    """

    clients: list[httpx.AsyncClient]
    answered: int = 0
    broken: int = 0
    surprises: list[str] = field(default_factory=list)

    async def ask(self, chance: Random, method: str, path: str, **given: Any) -> Answer | None:
        """Ask any process that listens.

        Return None when the connection broke, or an engine was down: it may have been done or not.
        """
        for _ in range(TRIES):
            try:
                response = await chance.choice(self.clients).request(method, path, **given)
            except NOBODY_THERE:
                await asyncio.sleep(PAUSE_SECONDS)
            except httpx.TransportError:
                self.broken += 1
                return None
            else:
                return self._answer(f"{method} {path}", response)
        raise AssertionError("nobody listens any more")

    async def mutate(self, chance: Random, document: str, headers: dict[str, str], **variables: str) -> Answer | None:
        """Send a mutation of one field; the answer's data are that field's."""
        given = {"query": document, "variables": variables}
        answer = await self.ask(chance, "POST", "/graphql", json=given, headers=headers)
        if answer is None:
            return None
        for error in answer.data.get("errors", []):
            code = error["extensions"]["code"]
            if code == "UNAVAILABLE":
                self.broken += 1
                return None
            if code != "UNAUTHENTICATED":
                self.surprises.append(f"{document}: {error}")
            return Answer(answer.status, answer.content, {}, code)
        [payload] = answer.data["data"].values()
        mistakes = payload["userErrors"]
        return Answer(answer.status, answer.content, payload, mistakes[0]["code"] if mistakes else None)

    def _answer(self, request: str, response: httpx.Response) -> Answer | None:
        is_json = response.headers.get("content-type", "").startswith(("application/json", "application/graphql"))
        data: dict[str, Any] = response.json() if is_json else {}
        if response.status_code >= 500:
            if DOWN not in response.text:
                self.surprises.append(f"{request}: {response.status_code} {response.text}")
            self.broken += 1
            return None
        self.answered += 1
        return Answer(response.status_code, response.content, data)
