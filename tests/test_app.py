"""The application as a whole: what a start finishes for the process before it, and what other origins may see."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from pet import upkeep
from pet.app import EXPOSED_HEADERS, Overrides, create_app
from pet.domain.delivery import OUTAGE_PAUSE
from pet.domain.effects import Effect
from pet.domain.errors import Service, Unavailable
from pet.domain.events import Event
from pet.domain.times import utc_now
from pet.domain.uploads import ABANDONED_AFTER
from pet.settings import Settings
from pet.storage.presence import present
from pet.storage.sql.effects import SqlProjections
from pet.storage.sql.files import SqlFiles
from tests import media_factory
from tests.conftest import Person, RunningService
from tests.e2e.server import DEADLINE, kept_files


class Killed(BaseException):
    """Ends a request where a kill would: nothing that tidies up after errors sees it."""


class Clock:
    """A clock that a test can put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@pytest.fixture
def settings(tmp_path: Path, migrated_database: Path) -> Settings:
    """The settings of a service that has not been started yet."""
    shutil.copy(migrated_database, tmp_path / "pet.sqlite3")
    return Settings(data_dir=tmp_path, rate_limits=False)


@pytest.fixture
def media(settings: Settings) -> Path:
    """The media folder of that service."""
    return Path(settings.media_url)


@asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[RunningService]:
    """Run a service until the context is left."""
    app = create_app(settings, overrides=Overrides(clock=clock or utc_now))
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = dict(state or {})
            await app(scope, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url=settings.public_url) as client:
            yield RunningService(settings, client)


async def killed_upload(service: RunningService, by: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Upload a track up to the moment when its bytes are kept and its record is not."""

    async def dies(*_: object, **__: object) -> Sequence[Event]:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SqlFiles, "add", dies)
        with pytest.raises(Killed):
            await service.upload("track", media_factory.mp3(), by=by)


async def tracks_count(service: RunningService, person: Person) -> int:
    profile = (await service.client.get(f"/users/{person.user_id}/profile")).json()["data"]
    count: int = profile["stats"]["tracksCount"]
    return count


async def nothing_to_tidy(_is_alone: bool) -> None:
    """Serve from the folder, as another process does."""


async def test_bytes_without_a_record_go_at_the_next_start(
    settings: Settings, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings) as service:
        musician = await service.register("muse")
        await killed_upload(service, musician, monkeypatch)
        assert len(kept_files(media)) == 1
    async with running(settings) as service:
        assert kept_files(media) == []
        assert (await service.client.get("/users/muse/audio-files")).json() == {"success": True, "audioFiles": []}
        assert await tracks_count(service, musician) == 0


async def test_temporary_objects_go_at_the_next_start(settings: Settings, media: Path) -> None:
    (media / "staging").mkdir(parents=True)
    (media / "staging" / "left-behind").write_bytes(b"half a track")
    async with running(settings):
        assert kept_files(media) == []


async def test_beside_another_process_only_what_is_old_goes(
    settings: Settings, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings) as service:
        await killed_upload(service, await service.register("muse"), monkeypatch)
    for name, age in (("young", timedelta(hours=23)), ("old", timedelta(hours=25))):
        path = media / "staging" / name
        path.write_bytes(b"half a track")
        moment = (utc_now() - age).timestamp()
        os.utime(path, (moment, moment))
    clock = Clock()
    async with present(media, nothing_to_tidy):
        async with running(settings, clock):
            assert len(kept_files(media)) == 2  # the young one, and the bytes that are about to get a record
        clock.ahead = ABANDONED_AFTER + timedelta(seconds=1)
        async with running(settings, clock):
            assert [path.name for path in kept_files(media)] == ["young"]


async def test_an_event_that_was_not_delivered_is_before_the_first_request(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object) -> bool:
        raise Killed

    async with running(settings) as service:
        musician = await service.register("muse")
        with monkeypatch.context() as patch:
            patch.setattr(SqlProjections, "apply", dies)
            with pytest.raises(Killed):
                await service.upload("track", media_factory.mp3(), by=musician)
        assert await tracks_count(service, musician) == 0
    async with running(settings) as service:
        assert await tracks_count(service, musician) == 1


async def test_the_relay_delivers_what_a_request_could_not_and_outlives_failures(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "RELAY_PAUSE", timedelta(milliseconds=1))
    failures, delivered = 3, asyncio.Event()
    really_apply = SqlProjections.apply

    async def apply(projections: SqlProjections, event: Event, effects: Sequence[Effect]) -> bool:
        nonlocal failures
        if failures:
            failures -= 1
            raise Unavailable(Service.USER)
        is_first = await really_apply(projections, event, effects)
        delivered.set()
        return is_first

    clock = Clock()
    async with running(settings, clock) as service:
        musician = await service.register("muse")
        monkeypatch.setattr(SqlProjections, "apply", apply)
        assert (await service.upload("track", media_factory.mp3(), by=musician)).status_code == 200
        assert await tracks_count(service, musician) == 0
        clock.ahead = OUTAGE_PAUSE
        await asyncio.wait_for(delivered.wait(), DEADLINE)
        assert await tracks_count(service, musician) == 1


async def test_one_application_after_another_in_one_process(settings: Settings, tmp_path: Path) -> None:
    async with running(settings) as service:
        person = await service.register("muse")
    async with running(settings) as service:
        assert (await service.client.get("/users/username/muse")).json()["data"]["userId"] == person.user_id
        changed = await service.client.put(f"/users/{person.user_id}/profile", json={}, headers=person.headers)
        assert changed.status_code == 200


async def test_trusting_names_is_loud(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "pet.app"):
        async with running(settings):
            assert caplog.messages == []
        async with running(settings.model_copy(update={"trust_client_user_id": True})):
            assert caplog.messages == ["PET_TRUST_CLIENT_USER_ID is on: anyone can act as anyone without a token"]


def preflight(origin: str, method: str = "POST", headers: str = "authorization, content-type") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


@pytest.mark.parametrize("origin", ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:8080"])
async def test_a_local_page_may_write_with_a_token_and_ask_for_ranges(settings: Settings, origin: str) -> None:
    async with running(settings) as service:
        for method, names in (("PUT", "authorization, content-type"), ("GET", "range"), ("DELETE", "authorization")):
            answer = await service.client.options("/users/x/profile", headers=preflight(origin, method, names))
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost.evil.example", "http://localhost:1@evil.example", "null"]
)
async def test_a_strange_page_may_not(settings: Settings, origin: str) -> None:
    async with running(settings) as service:
        refused = await service.client.options("/graphql", headers=preflight(origin))
        assert refused.status_code == 400
        read = await service.client.get("/users", headers={"Origin": origin})
        for answer in (refused, read):
            assert "access-control-allow-origin" not in answer.headers


async def test_configured_origins_take_the_place_of_the_local_ones(settings: Settings) -> None:
    async with running(settings.model_copy(update={"cors_origins": ("https://app.example",)})) as service:
        for origin, status in (("https://app.example", 200), ("http://localhost:5173", 400)):
            assert (await service.client.options("/graphql", headers=preflight(origin))).status_code == status


async def test_a_page_may_read_what_the_documents_name(settings: Settings) -> None:
    async with running(settings) as service:
        answer = await service.client.get("/users", headers={"Origin": "http://localhost:5173"})
    assert answer.headers["access-control-expose-headers"].split(", ") == EXPOSED_HEADERS
    assert {"Content-Range", "Accept-Ranges", "ETag", "Retry-After", "RateLimit", "Link"} <= {*EXPOSED_HEADERS}
    assert "access-control-allow-credentials" not in answer.headers  # tokens are sent by hand, never by a browser


async def test_a_path_is_never_mended_by_a_redirect(settings: Settings) -> None:
    async with running(settings) as service:
        for path in ("/users/", "/graphql/", "//users", "/health/ready/"):
            answer: Any = await service.client.get(f"http://localhost:3000{path}")
            assert (answer.status_code, answer.json()) == (404, {"success": False, "error": "There is no such route."})
