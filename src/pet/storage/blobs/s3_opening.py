"""Opening an S3-compatible store: what it is reached by, and a trial of it, with a sentence for all that can be wrong.

Endpoint, region and keys come from the variables that every tool for S3 reads (`AWS_ENDPOINT_URL`, `AWS_REGION`,
`AWS_ACCESS_KEY_ID` ...); obstore reads them by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from pet.domain.errors import DomainError
from pet.domain.ids import new_uuid7
from pet.storage.blobs.keys import STAGING
from pet.storage.blobs.s3 import S3Blobs
from pet.storage.blobs.s3_calls import next_of, reason_of
from pet.storage.opening import CannotOpen
from pet.storage.presence import present

LONGEST_STREAM = timedelta(days=1)
"""obstore bounds a whole request, body included. Calls have deadlines of their own, and streams are bounded by their
progress, so this bound must not be the first."""

CREDENTIALS = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where one is used, AWS_SESSION_TOKEN"

WRONG_CREDENTIALS = {
    "401", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired",
}  # fmt: skip

NO_BUCKET = {"404", "NoSuchBucket"}
NO_PERMISSION = {"403", "AccessDenied"}
NO_ANSWER = {"Connect", "Decode", "Interrupted", "Request", "Timeout", "no answer in time"}
WRONG_REGION = {"301", "AuthorizationHeaderMalformed", "PermanentRedirect", "redirect without LOCATION"}


@asynccontextmanager
async def open_s3(url: str, *, spool: Path, timeout_seconds: float) -> AsyncIterator[S3Blobs]:
    """Open the bucket that `s3://bucket/prefix` names, and try it, until the context is left.

    Args:
        spool: a folder for parts of uploads; what crashes left there is removed.
        timeout_seconds: how long one call may take.

    Raises:
        CannotOpen: the bucket cannot be used.
        Unavailable: the spool cannot be made.
    """
    where = urlsplit(url)
    bucket, prefix = where.netloc, where.path.strip("/")
    make_store = partial(_store, bucket, prefix, timeout_seconds)
    try:
        blobs = S3Blobs(make_store, spool=spool, timeout_seconds=timeout_seconds)
    except (BaseError, ValueError):
        raise _cannot_open(f"one of the AWS_ variables is missing or cannot be used: check {CREDENTIALS}.") from None
    await _try(blobs, bucket)
    async with present(spool, partial(_tidy, spool)):
        try:
            yield blobs
        finally:
            await blobs.close()


def _store(bucket: str, prefix: str, timeout_seconds: float, headers: dict[str, str]) -> S3Store:
    seconds = timedelta(seconds=timeout_seconds)
    return S3Store(
        bucket,
        prefix=prefix or None,
        disable_bulk_delete=True,  # not every store has it, and what is removed here is mostly one object
        client_options={
            "timeout": LONGEST_STREAM,
            "read_timeout": seconds,
            "connect_timeout": seconds,
            "allow_http": True,  # where the endpoint says so: an operator who writes http:// means it
            "default_headers": headers,
        },
        # A busy store answers 503 and expects to be asked again; the deadline of the call ends that.
        retry_config={
            "max_retries": 3,
            "retry_timeout": LONGEST_STREAM,
            "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": seconds, "base": 2},
        },
    )


async def _try(blobs: S3Blobs, bucket: str) -> None:
    """Sign, write, measure, list and remove, all within the deadline of one call."""
    trial = f"{STAGING}/{new_uuid7()}"
    endpoint = ""
    try:
        async with asyncio.timeout(blobs.timeout_seconds):
            signed = urlsplit(await obstore.sign_async(blobs.store, "GET", trial, timedelta(seconds=1)))
            endpoint = f"{signed.scheme}://{signed.netloc}"
            await obstore.put_async(blobs.store, trial, b"")
            await obstore.head_async(blobs.store, trial)
            await next_of(obstore.list(blobs.store, prefix=STAGING))
            await obstore.delete_async(blobs.store, trial)
    except (BaseError, OSError, DomainError) as error:
        # From nothing: the library's text may hold what was signed.
        raise _cannot_open(_advice(reason_of(error), endpoint, bucket)) from None


def _advice(reason: str, endpoint: str, bucket: str) -> str:
    """Say what is wrong and what to do, for an operator."""
    if reason == "Unable to parse url":
        return "AWS_ENDPOINT_URL is no URL: begin it with http:// or https://, or leave the variable out."
    if not endpoint:
        return f"no credentials were found: set {CREDENTIALS}."
    sentences = (
        (WRONG_CREDENTIALS, f"{endpoint} does not accept the credentials ({reason}): check {CREDENTIALS}."),
        (WRONG_REGION, f"the bucket {bucket} is in another region: set AWS_REGION to the bucket's own."),
        (NO_BUCKET, f"{endpoint} has no bucket {bucket}: make it, or correct the name."),
        (NO_PERMISSION, f"the credentials may not write, read, list and delete in {bucket}: correct the policy."),
        (NO_ANSWER, f"nothing at {endpoint} answers as a store does: check AWS_ENDPOINT_URL and that the store is up."),
    )
    found = (sentence for reasons, sentence in sentences if reason in reasons)
    return next(found, f"{endpoint} refuses a trial with {reason}.")


def _cannot_open(reason: str) -> CannotOpen:
    return CannotOpen("media store", "PET_MEDIA_URL", reason)


async def _tidy(spool: Path, is_alone: bool) -> None:
    """Remove what a crash left of uploads on this machine; another process here may have some in flight."""
    if is_alone:
        async for left in anyio.Path(spool).iterdir():
            if not left.name.startswith("."):
                await left.unlink(missing_ok=True)
