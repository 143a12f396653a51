"""An S3-compatible store for the tests: moto's server in a process of its own, on a free port, in memory."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from pet.domain.ids import new_uuid7

ACCESS_KEY = "AKIAPETTESTSTESTS000"
SECRET_KEY = "a-secret-of-the-tests"
REGION = "eu-central-1"
PREFIX = "music/pet"
START_SECONDS = 30

_PROGRAM = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"
_RUNNING = re.compile(r"Running on http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running store, which takes any keys."""

    port: int

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, *, endpoint: str | None = None) -> dict[str, str]:
        """Return the variables by which it is reached, or by which something that stands before it is."""
        return {
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def make_bucket(self) -> Bucket:
        """Make a bucket of a new name."""
        session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
        client = session.client("s3", endpoint_url=self.endpoint)
        name = f"pet-{new_uuid7()}"
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return Bucket(name, client)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of one test, and what an operator's own tool sees in it."""

    name: str
    client: Any

    @property
    def url(self) -> str:
        """What PET_MEDIA_URL says of it; a prefix, so that nothing may rely on being alone in a bucket."""
        return f"s3://{self.name}/{PREFIX}"

    def keys(self) -> list[str]:
        """Return the keys of all objects under the prefix, sorted; all that lies elsewhere with its whole key."""
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return sorted(item["Key"].removeprefix(f"{PREFIX}/") for item in found)

    def unfinished(self) -> list[str]:
        """Return the keys of multipart uploads that are neither finished nor aborted, sorted."""
        found = self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return sorted(item["Key"].removeprefix(f"{PREFIX}/") for item in found)


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """Run a store until the context is left."""
    with tempfile.NamedTemporaryFile() as log:  # a pipe that nobody reads would fill up and stop the server
        server = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield S3Server(_port_of(server, Path(log.name)))
        finally:
            server.kill()
            server.wait()


def _port_of(server: subprocess.Popen[bytes], log: Path) -> int:
    give_up = time.monotonic() + START_SECONDS
    while not (match := _RUNNING.search(log.read_text())):
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < give_up, log.read_text()
        time.sleep(0.05)
    return int(match[1])
