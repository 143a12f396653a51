"""What `pet doctor` finds in servers: sound ones, dead ones, and ones of another version of the tables."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pet.doctor.engines import engine_findings
from pet.settings import Settings
from pet.storage.findings import Finding, Level
from tests.e2e.server import free_port
from tests.engines.postgres import PostgresServer
from tests.engines.s3 import Bucket

KEY = "k" * 32


def found(tmp_path: Path, **settings: Any) -> dict[str, list[Finding]]:
    """Return what is found, by subject."""

    async def look() -> list[Finding]:
        return [finding async for finding in engine_findings(Settings(data_dir=tmp_path, **settings))]

    findings: dict[str, list[Finding]] = {}
    for finding in asyncio.run(look()):
        findings.setdefault(finding.subject, []).append(finding)
    return findings


def sentences(findings: list[Finding]) -> str:
    return " ".join(f"{finding.level}: {finding.sentence}" for finding in findings)


async def test_a_sound_database_server(tmp_path: Path, postgres_url: str) -> None:
    findings = await asyncio.to_thread(found, tmp_path, database_url=postgres_url)
    assert sentences(findings["database"]).startswith("ok: PostgreSQL 18")
    assert "ok: Its clock agrees with this machine's." in sentences(findings["database"])
    assert sentences(findings["migrations"]) == "ok: The tables are of this version."


def test_a_database_that_was_never_migrated(tmp_path: Path, postgres_server: PostgresServer) -> None:
    name = f"empty_{free_port()}"
    asyncio.run(postgres_server.execute(f"CREATE DATABASE {name}"))
    findings = found(tmp_path, database_url=postgres_server.url(name))
    assert sentences(findings["migrations"]) == "failure: The tables are not of this version. Run: pet migrate"


def test_a_dead_database_keeps_nothing_else_from_being_looked_at(tmp_path: Path) -> None:
    findings = found(tmp_path, database_url=f"postgres://pet:hush@127.0.0.1:{free_port()}/pet", engine_timeout=0.5)
    [database] = findings["database"]
    assert (database.level, "PET_DATABASE_URL" in database.sentence, "hush" in database.sentence) == (
        Level.FAILURE,
        True,
        False,
    )
    assert findings["media"][0].level is Level.FINE


def test_a_sound_redis(tmp_path: Path, redis_url: str) -> None:
    findings = found(tmp_path, redis_url=redis_url, secret_key=KEY)
    assert sentences(findings["redis"]).startswith("ok: Redis 6")
    assert sentences(findings["redis"]).endswith("ok: Its clock agrees with this machine's.")


def test_a_dead_redis(tmp_path: Path) -> None:
    url = f"redis://:hush@127.0.0.1:{free_port()}/0"
    [redis] = found(tmp_path, redis_url=url, secret_key=KEY)["redis"]
    assert (redis.level, "PET_REDIS_URL" in redis.sentence, "hush" in redis.sentence) == (Level.FAILURE, True, False)


def test_a_sound_store(tmp_path: Path, s3_bucket: Bucket) -> None:
    assert sentences(found(tmp_path, media_url=s3_bucket.url)["media"]) == "ok: An object can be written and removed."
    assert s3_bucket.keys() == []


def test_a_bucket_that_is_not_there(tmp_path: Path, s3_bucket: Bucket) -> None:
    [media] = found(tmp_path, media_url="s3://no-such-bucket/media")["media"]
    assert (media.level, "PET_MEDIA_URL" in media.sentence) == (Level.FAILURE, True)


def test_a_sound_broker(tmp_path: Path, amqp_url: str) -> None:
    shown = sentences(found(tmp_path, amqp_url=amqp_url)["events"])
    assert shown.startswith("ok: RabbitMQ 3")
    assert shown.endswith("answers, and has the exchange pet.events.")


def test_a_dead_broker(tmp_path: Path) -> None:
    [events] = found(tmp_path, amqp_url=f"amqp://pet:hush@127.0.0.1:{free_port()}/")["events"]
    assert (events.level, "PET_AMQP_URL" in events.sentence, "hush" in events.sentence) == (Level.FAILURE, True, False)


@pytest.mark.parametrize("name", ["redis", "events", "documents"])
def test_what_no_setting_names_is_not_looked_for(tmp_path: Path, name: str) -> None:
    assert name not in found(tmp_path)
