"""What tests share: a whole service on each set-up, and people who use it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeGuard

import httpx
import pytest
import structlog
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from pet.app import Overrides, Parts, create_app
from pet.engines import Engines
from pet.services import Services
from pet.settings import Settings
from pet.storage.sql.database import apply_migrations
from tests.engines import rabbitmq
from tests.engines.mongo import mongo_server
from tests.engines.postgres import PostgresServer, running_postgres
from tests.engines.redis import running_redis
from tests.engines.s3 import Bucket, S3Server, running_s3
from tests.setups import EMBEDDED, MANY, Prepare, prepare_on

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
    """A service in this process: also the application for a server of its own, and what the command line would call.

    `routes` are all that it serves.
    """

    app: ASGIApp
    parts: Parts
    routes: Sequence[BaseRoute]

    @property
    def services(self) -> Services:
        """What resolvers may call."""
        return self.parts.services

    @property
    def engines(self) -> Engines:
        """The open engines, for what no front lets one do."""
        return self.parts.engines


StartService = Callable[..., Any]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo what a command configured: its handler writes to a stream that ends with it, its levels show more."""
    loggers = [logging.getLogger(), *(one for one in list(logging.root.manager.loggerDict.values()) if _is_logger(one))]
    before = [(logger, logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, propagate, handlers in before:
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _is_logger(one: logging.Logger | logging.PlaceHolder) -> TypeGuard[logging.Logger]:
    return isinstance(one, logging.Logger)


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite file: copied for each test, because migrating takes longer than copying."""
    path = tmp_path_factory.mktemp("template") / "pet.sqlite3"
    asyncio.run(apply_migrations(f"sqlite://{path}"))
    return path


@pytest.fixture(
    params=[
        EMBEDDED,
        # PyMongo leaves a connection to the garbage collector when its task is cancelled while it connects.
        pytest.param(MANY, marks=pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")),
    ]
)
def prepare(request: pytest.FixtureRequest) -> Prepare:
    """Each set-up in turn: what makes its engines, empty, for one test."""
    return prepare_on(request.param, request)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server of this test session; each test uses names of its own, by a secret key of its own."""
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def mongo_url() -> Iterator[str]:
    """A MongoDB of this test session: `{mongo_url}/name` is a database of one's own."""
    with mongo_server() as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for this session, started for the first test that asks for it."""
    with running_postgres() as server:
        yield server


@pytest.fixture
async def postgres_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of an empty, migrated PostgreSQL database of this test's own."""
    async with postgres_server.database() as name:
        yield postgres_server.url(name)


@pytest.fixture
async def start_service(tmp_path: Path, prepare: Prepare) -> AsyncIterator[StartService]:
    """A function that starts a service in this test's folder: `await start_service(rate_limits=True)`.

    One at a time; `await service.client.aclose()` is not needed. Rate limits are off unless asked for, and waveforms
    are not made.
    """
    async with starting(tmp_path, prepare) as start:
        yield start


@asynccontextmanager
async def starting(folder: Path, prepare: Prepare) -> AsyncIterator[StartService]:
    """Give the function of `start_service`; what it started stops when the context is left."""
    engines: dict[str, Any] = {}
    async with AsyncExitStack() as stack:

        async def start(
            *, overrides: Overrides | None = None, makes_waveforms: bool = False, **settings: Any
        ) -> Service:
            data_dir = folder / "data"
            if not data_dir.exists():
                data_dir.mkdir()
                engines.update(prepare(data_dir))
            chosen = Settings(data_dir=data_dir, **{"rate_limits": False, **engines, **settings})
            app = create_app(chosen, overrides=overrides)
            with pytest.MonkeyPatch.context() as patch:
                pause = timedelta(seconds=0.05) if makes_waveforms else timedelta(days=1)
                patch.setattr("pet.upkeep.WAVEFORMS_PAUSE", pause)
                state = await stack.enter_async_context(app.router.lifespan_context(app))

            async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
                scope["state"] = dict(state or {})
                await app(scope, receive, send)

            transport = httpx.ASGITransport(with_state, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url=chosen.public_url)
            opened = await stack.enter_async_context(client)
            return Service(chosen, opened, app=with_state, parts=app.state.parts, routes=tuple(app.routes))

        yield start


@pytest.fixture
async def service(start_service: StartService) -> Service:
    """A service without rate limits, on each set-up in turn."""
    started: Service = await start_service()
    return started


@pytest.fixture(scope="session")
def amqp_url() -> str:
    """The URL of a RabbitMQ broker."""
    return rabbitmq.required_url()


@pytest.fixture
async def exchange_name(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The name of this test's own exchange, which services of this process take for `pet.events`."""
    async with rabbitmq.own_exchange(amqp_url) as name:
        monkeypatch.setattr("pet.storage.amqp.exchange.EXCHANGE", name)
        yield name


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A running S3-compatible store."""
    with running_s3() as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket of this test's own, with the environment by which its store is reached."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return s3_server.make_bucket()
