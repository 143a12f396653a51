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
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import httpx

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
    """A running store, which takes any keys and writes a line into its log for every request."""

    port: int
    log: Path

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
        client = self._client("s3")
        name = f"pet-{new_uuid7()}"
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return Bucket(name, client, self.log)

    @contextmanager
    def guarded(self, policy: str) -> Iterator[dict[str, str]]:
        """Let nobody in but whom a policy (JSON) allows, by a right signature; give the variables with their keys."""
        users, name = self._client("iam"), f"pet-{new_uuid7()}"
        users.create_user(UserName=name)
        users.put_user_policy(UserName=name, PolicyName="media", PolicyDocument=policy)
        keys = users.create_access_key(UserName=name)["AccessKey"]
        self._check_after("0")
        try:
            yield {
                **self.environment(),
                "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            }
        finally:
            self._check_after("inf")

    def _check_after(self, calls: str) -> None:
        """Tell moto after how many calls it begins to check who calls."""
        url = f"{self.endpoint}/moto-api/reset-auth"
        httpx.post(url, content=calls, headers={"Content-Type": "text/plain"}).raise_for_status()

    def _client(self, service: str) -> Any:
        return client_of(service, self.endpoint)


@cache
def client_of(service: str, endpoint: str) -> Any:
    """Return an operator's client of a store; making one reads a hundred kilobytes of descriptions."""
    session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
    return session.client(service, endpoint_url=endpoint)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of one test, and what an operator's own tool sees in it."""

    name: str
    client: Any
    log: Path

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

    def requests(self) -> list[str]:
        """Return method and key of every request for an object so far: `PUT files/01/song.mp3`."""
        pattern = rf'"(?:\x1b\[\d+m)*(\w+) /{self.name}/{PREFIX}/([^ ?]+)'
        return [f"{method} {key}" for method, key in re.findall(pattern, self.log.read_text())]


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
            yield S3Server(_port_of(server, Path(log.name)), Path(log.name))
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
