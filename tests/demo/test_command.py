"""`pet demo` as a newcomer runs it: beside a running service, twice, after a kill."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pet.app import Parts
from pet.cli import main
from pet.demo.command import password_of
from pet.demo.people import MIRA, PEOPLE
from pet.domain.events import UserCreated
from pet.domain.ids import UserId, new_uuid7
from pet.domain.viewers import Role
from pet.settings import Settings
from tests.e2e.server import PET, serve

PEOPLE_AND_TRACKS = (
    """{ profiles(first: 50) { totalCount edges { node { username tracks(first: 1) { totalCount } } } } }"""
)


async def demo(data_dir: Path, port: int) -> str:
    """Run the command to its end, with tracks of half a second; return what it said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PET_")}
    environment |= {"PET_DATA_DIR": str(data_dir), "PET_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        PET,
        "demo",
        "--seconds=0.5",
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert (process.returncode, error.decode()) == (0, "")
    return out.decode()


@pytest.mark.slow
async def test_the_demo_fills_a_running_service_once_and_tells_how_to_use_it(tmp_path: Path) -> None:
    async with serve(tmp_path / "data", rate_limits="on") as server:
        port = server.service.settings.port
        first = await demo(tmp_path / "data", port)
        second = await demo(tmp_path / "data", port)
        assert "The demo is there." in first
        assert "The demo was there already; nothing was changed." in second
        assert first.partition("\n\n")[2] == second.partition("\n\n")[2]

        answer = await server.service.graphql(PEOPLE_AND_TRACKS)
        edges = answer["data"]["profiles"]["edges"]
        assert {edge["node"]["username"]: edge["node"]["tracks"]["totalCount"] for edge in edges} == {
            person.username: sum(len(album.songs) for album in person.albums) for person in PEOPLE
        }

        told = re.search(r"email (\S+), password (\S+)\n", first)
        assert told is not None
        login = await server.client.post("/auth/login", json={"email": told[1], "password": told[2]})
        assert (login.status_code, login.json()["user"]["username"]) == (200, MIRA.username)

        download = re.search(r"curl -o track\.wav http://localhost:\d+(/\S+)\n", first)
        assert download is not None
        track = await server.client.get(download[1])
        assert (track.status_code, track.headers["content-type"], track.content[:4]) == (200, "audio/wav", b"RIFF")
        assert f"listen    http://localhost:{port}/ " in first


@pytest.mark.slow
async def test_the_demo_completes_an_account_whose_event_a_kill_left_undelivered(parts: Parts, tmp_path: Path) -> None:
    services = parts.services
    made = await services.accounts.create(
        email="template@example.com", username="template", password="a long password", role=Role.MUSICIAN
    )
    user_id = UserId(new_uuid7())
    bare = type(made)(user_id, MIRA.email, MIRA.username, Role.MUSICIAN, made.password_hash, made.created_at)
    event = UserCreated(user_id=user_id, occurred_at=made.created_at, username=MIRA.username, role=Role.MUSICIAN.value)
    await parts.engines.accounts.add(bare, event)
    assert await services.profiles.find_by_username(MIRA.username) is None

    await demo(tmp_path / "data", 3000)
    profile = await services.profiles.find_by_username(MIRA.username)
    assert profile is not None
    assert (profile.user_id, profile.display_name, profile.stats.tracks) == (user_id, "Mira Solberg", 3)


def test_the_password_is_each_installations_own_and_stays(tmp_path: Path) -> None:
    here, there = (Settings(data_dir=tmp_path / name) for name in ("here", "there"))
    assert password_of(here) == password_of(here)
    assert password_of(here) != password_of(there)
    assert re.fullmatch(r"[a-z2-7]{16}", password_of(here))


def test_a_length_that_is_no_length_is_refused_before_anything_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PET_DATA_DIR", str(tmp_path / "data"))
    result = CliRunner().invoke(main, ["demo", "--seconds=0"])
    assert result.exit_code == 2
    assert "0.0 is not in the range x>=0.5" in result.output
    assert not (tmp_path / "data").exists()
