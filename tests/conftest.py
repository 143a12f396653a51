"""What tests share: a whole service on the embedded default, and people who use it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from pet.app import Overrides, create_app
from pet.services import Services
from pet.settings import Settings
from pet.storage.sql.database import apply_migrations
from tests.engines.mongo import mongo_server

CONTRACT = Path(__file__).parent / "contract"
PASSWORD = "correct horse 1"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone registered, with the tokens of their first session."""

    user_id: str
    username: str
    email: str
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers that prove who they are."""
        return {"Authorization": f"Bearer {self.access_token}"}


@dataclass
class RunningService:
    """A running service, in whatever process: its settings, and a client without a token."""

    settings: Settings
    client: httpx.AsyncClient
    people: dict[str, Person] = field(default_factory=dict)

    async def register(self, username: str, *, role: str = "musician") -> Person:
        """Register someone; by default `<username>@example.com`."""
        given = {"email": f"{username}@example.com", "username": username, "password": PASSWORD, "role": role}
        response = await self.client.post("/auth/register", json=given)
        assert response.status_code == 200, response.text
        answer = response.json()
        person = Person(
            user_id=answer["user"]["id"],
            username=username,
            email=given["email"],
            access_token=answer["accessToken"],
            refresh_token=answer["refreshToken"],
        )
        self.people[username] = person
        return person

    async def graphql(
        self, query: str, variables: dict[str, Any] | None = None, *, by: Person | None = None, name: str | None = None
    ) -> dict[str, Any]:
        """Send an operation and return the whole answer."""
        response = await self.client.post(
            "/graphql",
            json={"query": query, "variables": variables or {}, "operationName": name},
            headers=by.headers if by else {},
        )
        answer: dict[str, Any] = response.json()
        return answer

    async def upload(
        self, kind: str, content: bytes, *, by: Person, name: str = "file.bin", **fields: str
    ) -> httpx.Response:
        """Upload a file over REST as a browser does: `kind` is avatar, track or cover."""
        return await self.client.post(
            f"/media/upload/{kind}",
            files={"file": (name, content)},
            data={"userId": by.user_id, **fields},
            headers=by.headers,
        )


@dataclass(kw_only=True)
class Service(RunningService):
    """A service in this process: also the application for a server of its own, and what the command line would call."""

    app: ASGIApp
    services: Services


StartService = Callable[..., Any]


def app_services(state: Mapping[str, object] | None) -> Services:
    """Return the services that an application put into the state of its lifespan."""
    services = (state or {})["services"]
    assert isinstance(services, Services)
    return services


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite file: copied for each test, because migrating takes longer than copying."""
    path = tmp_path_factory.mktemp("template") / "pet.sqlite3"
    asyncio.run(apply_migrations(f"sqlite://{path}"))
    return path


@pytest.fixture(scope="session")
def mongo_url() -> Iterator[str]:
    """A MongoDB of this test session: `{mongo_url}/name` is a database of one's own."""
    with mongo_server() as server:
        yield server.url


@pytest.fixture
async def start_service(tmp_path: Path, migrated_database: Path) -> AsyncIterator[StartService]:
    """A function that starts a service in this test's folder: `await start_service(rate_limits=True)`.

    One at a time; `await service.client.aclose()` is not needed. Rate limits are off unless asked for.
    """
    async with starting(tmp_path, migrated_database) as start:
        yield start


@asynccontextmanager
async def starting(folder: Path, migrated_database: Path) -> AsyncIterator[StartService]:
    """Give the function of `start_service`; what it started stops when the context is left."""
    async with AsyncExitStack() as stack:

        async def start(*, overrides: Overrides | None = None, **settings: Any) -> Service:
            data_dir = folder / "data"
            if not data_dir.exists():
                data_dir.mkdir()
                shutil.copy(migrated_database, data_dir / "pet.sqlite3")
            chosen = Settings(data_dir=data_dir, **{"rate_limits": False, **settings})
            app = create_app(chosen, overrides=overrides)
            state = await stack.enter_async_context(app.router.lifespan_context(app))

            async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
                scope["state"] = dict(state or {})
                await app(scope, receive, send)

            transport = httpx.ASGITransport(with_state, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url=chosen.public_url)
            opened = await stack.enter_async_context(client)
            return Service(chosen, opened, app=with_state, services=app_services(state))

        yield start


@pytest.fixture
async def service(start_service: StartService) -> Service:
    """A service on the embedded default, without rate limits."""
    started: Service = await start_service()
    return started
