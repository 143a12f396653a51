"""Calls of an S3-compatible store: each within a deadline, each failure in the domain's words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from obstore.exceptions import BaseError

from pet.domain.errors import NotFound, Service, Unavailable

T = TypeVar("T")


class StoreError(Exception):
    """What a store said, or what happened on the way to it: a code of S3, a status, or a few words.

    Never the library's whole text: a store answers a wrong signature with all that was signed, tokens included.
    """


@contextmanager
def translated() -> Iterator[None]:
    """Translate what obstore raises.

    Raises:
        NotFound: there is no such object.
        Unavailable: anything else; a bucket that is gone is not an object that is not there.
    """
    try:
        yield
    except (BaseError, OSError) as error:
        reason = reason_of(error)
        if isinstance(error, FileNotFoundError) and reason != "NoSuchBucket":
            raise NotFound("File not found") from StoreError(reason)
        raise Unavailable(Service.MEDIA) from StoreError(reason)


def reason_of(error: Exception) -> str:
    """Return the code that the store gave, else the status, else what the connection met with."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = str(error)
    patterns = (
        r"<Code>(\w{1,60})</Code>",
        r"status code: (\d{3})",
        r"(redirect without LOCATION|Unable to parse url)",
        r"kind: (Connect|Timeout|Interrupted|Request|Decode)",
    )
    found = (re.search(pattern, text) for pattern in patterns)
    return next((match[1] for match in found if match), type(error).__name__)


async def bounded(work: Awaitable[T], seconds: float) -> T:
    """Wait for a call, which is cancelled when its time is over.

    Raises:
        NotFound, Unavailable: see `translated`.
    """
    with translated():
        async with asyncio.timeout(seconds):
            return await work


async def unbroken(going_on: asyncio.Future[T], seconds: float) -> T:
    """Wait for a call that must not be broken off in the middle: it goes on when its time is over.

    So it does when the caller is cancelled.

    Raises:
        NotFound, Unavailable: see `translated`.
    """
    going_on.add_done_callback(_seen)
    with translated():
        done, _ = await asyncio.wait({going_on}, timeout=seconds)
        if not done:
            raise TimeoutError
        return going_on.result()


async def next_of(stream: AsyncIterator[T]) -> T | None:
    """Return what comes next of a stream, None at its end."""
    try:
        return await anext(stream)
    except StopAsyncIteration:
        return None


def _seen(call: asyncio.Future[T]) -> None:
    """Look at a failure that nobody may be waiting for any more, which asyncio would complain about."""
    if not call.cancelled():
        call.exception()
