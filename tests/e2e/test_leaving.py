"""Leaving for good, and taking one's data along, with real processes that are killed in the middle of it."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path
from typing import TypeVar
from zipfile import ZipFile

import httpx
import pytest

from tests.conftest import PASSWORD, Person, RunningService
from tests.e2e.server import DEADLINE, PET, Server, environment_of, free_port, kept_files, serve
from tests.media_factory import jpeg, mp3, png, wav
from tests.setups import POSTGRES, Prepare

pytestmark = pytest.mark.slow

T = TypeVar("T")

DELETE = "mutation M($password: String!) { deleteAccount(password: $password) { success } }"
EXPORT = "mutation { exportMyData { dataExport { state } userErrors { code } } }"
MINE = "{ me { dataExport { state progress url } } }"
TRACKS = 6
HISTORY = {"outbox", "applied_event", "tortoise_migrations"}
"""Tables that keep for a week what happened, by ids."""


async def settle_in(service: RunningService, name: str, friend: Person) -> Person:
    """Register someone who has done everything."""
    person = await service.register(name)
    song = mp3(0.3, title="Night Train", artwork=jpeg())
    uploads = [await service.upload("track", song, by=person, name="song.mp3") for _ in range(TRACKS)]
    uploads.append(await service.upload("avatar", png(), by=person, name="me.png"))
    assert {upload.status_code for upload in uploads} == {200}
    for one, other in ((person, friend), (friend, person)):
        followed = await service.client.post(
            f"/social/follow/{other.user_id}", json={"followerId": one.user_id}, headers=one.headers
        )
        assert followed.status_code == 200
    await service.client.put(f"/users/{person.user_id}/profile", json={"bio": "Here"}, headers=person.headers)
    return person


async def until(look: Callable[[], Awaitable[T]], *, pause: float = 0.1) -> T:
    """Look again and again until there is something to see, and return that."""
    async with asyncio.timeout(2 * DEADLINE):
        while not (seen := await look()):  # noqa: ASYNC110 - another process is looked at
            await asyncio.sleep(pause)
    return seen


async def require_gone(service: RunningService, person: Person) -> None:
    """Wait until everything of someone is gone: only then is the name free."""

    async def is_free() -> bool:
        return (await service.client.post("/auth/register", json=again(person))).status_code == 200

    await until(is_free, pause=1.0)
    assert (await service.client.get(f"/users/{person.user_id}/profile")).status_code == 404


def again(person: Person) -> dict[str, str]:
    return {"username": person.username, "email": person.email, "password": PASSWORD}


async def require_clean_audit(**settings: str) -> None:
    """Check that every counter is what it counts."""
    process = await asyncio.create_subprocess_exec(
        PET, "audit", env=environment_of(settings), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert b" 0 of them drifted" in output


def rows_about(user_id: str, database: Path) -> dict[str, int]:
    """Return in how many rows of each table someone is mentioned."""
    with closing(sqlite3.connect(database)) as file:
        names = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = {name: file.execute(f"SELECT * FROM {name}").fetchall() for name in names}  # noqa: S608
    counted = {name: sum(user_id in map(str, row) for row in rows) for name, rows in tables.items()}
    return {name: count for name, count in counted.items() if count and name not in HISTORY}


async def delete_and_kill(server: Server, person: Person, after_seconds: float) -> None:
    """Let someone leave, and kill the process at some moment of it."""

    async def leave() -> None:
        with suppress(httpx.TransportError):
            await server.service.graphql(DELETE, {"password": PASSWORD}, by=person)

    leaving = asyncio.create_task(leave())
    await asyncio.sleep(after_seconds)  # the moment is the point: it must not matter
    await server.stop(signal.SIGKILL)
    await leaving


async def test_a_deletion_killed_at_any_moment_leaves_nothing_or_all(tmp_path: Path) -> None:
    moments, port = random.Random(7), free_port()
    gone: list[Person] = []
    leaving: Person | None = None
    friend: Person | None = None
    for number in range(4):
        async with serve(tmp_path, port=port) as server:
            friend = friend or await server.service.register("friend")
            if leaving is not None:
                own = await server.client.post("/auth/login", json={"email": leaving.email, "password": PASSWORD})
                if own.status_code == 200:  # it was killed before anything was changed
                    await server.service.graphql(DELETE, {"password": PASSWORD}, by=leaving)
                await require_gone(server.service, leaving)
                gone.append(leaving)
            if number == 3:
                assert await server.stop() == 0
                break
            leaving = await settle_in(server.service, f"ann{number}", friend)
            await delete_and_kill(server, leaving, moments.uniform(0.05, 0.5))
    assert [rows_about(person.user_id, tmp_path / "pet.sqlite3") for person in gone] == [{}] * 3
    assert kept_files(tmp_path / "media") == []
    await require_clean_audit(data_dir=str(tmp_path))


@pytest.mark.parametrize("prepare", [POSTGRES], indirect=True)
async def test_a_deletion_whose_process_is_killed_is_finished_by_another_one(prepare: Prepare, tmp_path: Path) -> None:
    shared = prepare(tmp_path) | {"media_url": str(tmp_path / "media"), "secret_key": "x" * 32}
    async with serve(tmp_path / "first", **shared) as first, serve(tmp_path / "second", **shared) as second:
        friend = await first.service.register("friend")
        ann = await settle_in(first.service, "ann", friend)
        await delete_and_kill(first, ann, 0.3)
        given = {"email": ann.email, "password": PASSWORD}
        if (await second.client.post("/auth/login", json=given)).status_code == 200:
            await second.service.graphql(DELETE, {"password": PASSWORD}, by=ann)
        await require_gone(second.service, ann)
        assert await second.stop() == 0
    async with serve(tmp_path / "second", **shared):  # removes at once the bytes that the first one had only noted
        assert kept_files(tmp_path / "media") == []
    await require_clean_audit(data_dir=str(tmp_path / "second"), **shared)


async def test_an_archive_whose_making_is_killed_is_made_after_the_restart(tmp_path: Path) -> None:
    port, media = free_port(), tmp_path / "media"
    song = wav(60.0)
    async with serve(tmp_path, port=port) as server:
        ann = await server.service.register("ann")
        for _ in range(4):
            assert (await server.service.upload("track", song, by=ann, name="song.wav")).status_code == 200
        assert (await server.service.graphql(EXPORT, by=ann))["data"]["exportMyData"]["userErrors"] == []

        async def has_begun() -> bool:
            return any((media / "staging").iterdir())

        await until(has_begun, pause=0.001)
        await server.stop(signal.SIGKILL)
    with closing(sqlite3.connect(tmp_path / "pet.sqlite3")) as file, file:
        [(state, attempt)] = file.execute("SELECT state, attempt FROM data_export")
        file.execute("UPDATE data_export SET due_ms = 0")  # the half minute is over that the dead process had
    assert (state, attempt) == ("preparing", 1)
    async with serve(tmp_path, port=port) as server:

        async def url() -> str:
            return (await server.service.graphql(MINE, by=ann))["data"]["me"]["dataExport"]["url"] or ""

        content = (await server.client.get(await until(url))).content
        assert await server.stop() == 0
    with ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        files = json.loads(archive.read("files.json"))
        assert [archive.read(each["path"]) for each in files] == [song] * 4
    assert len(kept_files(media)) == 5
