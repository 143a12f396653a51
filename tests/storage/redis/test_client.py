"""The connection to Redis: how it is lost and found, what it costs, and what an operator is told at the start."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis.asyncio import Redis
from tests.engines.redis import broadcasting, opened_redis, running_redis, until
from tests.faults.link import Fault, Link, faulty_link

from pet.domain.errors import RateLimited
from pet.domain.events import UserDeleted
from pet.domain.ids import SessionId, UserId
from pet.domain.limits import Bucket
from pet.domain.session_cache import CachedSession
from pet.domain.times import utc_now
from pet.storage.opening import CannotOpen
from pet.storage.redis.client import RedisAway, RedisServer, open_redis
from pet.storage.redis.limits import RedisRateLimits
from pet.storage.redis.session_cache import RedisSessionCache

PASSWORD = "hush/hush"
QUOTED = "hush%2Fhush"


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    async with faulty_link("127.0.0.1", int(redis_url.rpartition(":")[2].partition("/")[0])) as opened:
        yield opened


@pytest.fixture
async def server(link: Link) -> AsyncIterator[RedisServer]:
    """A connection over a link that can fail."""
    async with opened_redis(f"redis://127.0.0.1:{link.port}/0") as opened:
        yield opened


@pytest.fixture(scope="module")
def guarded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks for a password, with a user who may do what the documentation says, and one who may not."""
    document = (Path(__file__).parents[3] / "docs" / "engines" / "redis.md").read_text()
    rule = re.search(r"^user pet on >\S+ (.+)$", document, flags=re.MULTILINE)
    assert rule
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "users.acl").write_text(
        f"user default on >{PASSWORD} ~* &* +@all\n"
        f"user pet on >{PASSWORD} {rule.group(1)}\n"
        f"user reader on >{PASSWORD} ~pet:* resetchannels &pet:* +@read +@connection\n"
    )
    with running_redis(folder, "--aclfile", str(folder / "users.acl")) as url:
        yield url


async def refused(url: str) -> str:
    began = time.monotonic()
    with pytest.raises(CannotOpen) as caught:
        async with open_redis(url, fingerprint="x", timeout_seconds=2):
            pass
    assert time.monotonic() - began < 4
    assert "hush" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("fault", [each for each in Fault if each is not Fault.NONE], ids=lambda fault: fault.name)
async def test_what_fails_is_lost_within_its_deadline_and_found_again(
    link: Link, server: RedisServer, fault: Fault
) -> None:
    await server.ask(server.client.ping)
    await link.fail(fault)
    began = time.monotonic()
    with pytest.raises(RedisAway):
        await server.ask(server.client.ping)
    assert time.monotonic() - began < 2
    assert not await server.answers()
    await link.mend()
    await until(lambda: not server.is_away)
    assert await server.answers()


async def test_a_hanging_redis_costs_one_deadline_and_not_one_for_each_command(link: Link, server: RedisServer) -> None:
    await link.fail(Fault.HANG)
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(RedisAway):
            await server.ask(server.client.ping)
    assert time.monotonic() - began < 3


async def test_many_commands_at_once_share_the_connections_and_leave_none_behind(
    link: Link, server: RedisServer
) -> None:
    async def one() -> bool:
        try:
            return bool(await server.ask(server.client.ping))
        except RedisAway:
            return False

    async def all_answer() -> bool:
        return all(await asyncio.gather(*(one() for _ in range(100))))

    await until(all_answer)
    assert link.connections <= 33
    await link.fail(Fault.HANG)
    began = time.monotonic()
    assert not any(await asyncio.gather(*(one() for _ in range(100))))
    assert time.monotonic() - began < 3
    await link.mend()
    await until(all_answer)
    assert not server._pool._in_use_connections


async def test_a_cancelled_command_takes_no_connection_with_it_and_no_foreign_answer(server: RedisServer) -> None:
    for number in range(100):
        asking = asyncio.create_task(server.ask(lambda: server.client.echo("old")))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        assert await server.ask(partial(server.client.echo, str(number))) == str(number).encode()
    assert not server._pool._in_use_connections
    assert len(server._pool._available_connections) <= 2


async def test_a_connection_that_redis_has_closed_is_not_used_again(server: RedisServer, redis_url: str) -> None:
    await server.ask(server.client.ping)
    async with Redis.from_url(redis_url, protocol=2) as operator:
        for other in await operator.client_list():
            if other["cmd"] != "client|list" and other["cmd"] != "client":
                await operator.client_kill_filter(_id=other["id"])
    await asyncio.sleep(0.05)
    assert await server.answers()


def test_writing_to_a_connection_that_has_just_ended_counts_as_away_on_uvloop(redis_url: str) -> None:
    async def write_too_late() -> None:
        async with opened_redis(redis_url) as server:
            connection = await server._pool.get_connection()
            connection._writer.transport.abort()
            await asyncio.sleep(0)
            with pytest.raises(RedisAway):
                await server.ask(lambda: connection.send_command("PING"))
            assert server.is_away
            await server._pool.release(connection)

    uvloop.run(write_too_late())


async def test_a_redis_that_cannot_be_written_counts_as_away(tmp_path: Path) -> None:
    with running_redis(tmp_path) as url:
        async with opened_redis(url) as server, Redis.from_url(url, protocol=2) as operator:
            await operator.config_set("maxmemory", 1)
            with pytest.raises(RedisAway):
                await server.ask(lambda: server.client.set(server.key("x"), b"1", ex=1))
            await asyncio.sleep(0.7)
            assert server.is_away
            await operator.config_set("maxmemory", 0)
            await until(lambda: not server.is_away)


async def test_closing_leaves_no_task_and_no_connection_behind(link: Link) -> None:
    before = asyncio.all_tasks()
    async with opened_redis(f"redis://127.0.0.1:{link.port}/0") as server:
        await link.fail(Fault.REFUSE)
        with pytest.raises(RedisAway):
            await server.ask(server.client.ping)
    assert {task for task in asyncio.all_tasks() - before if "Link" not in repr(task)} == set()
    with pytest.raises(RedisAway):
        await server.ask(server.client.ping)


async def test_a_socket_a_database_and_a_user_are_taken_from_the_url(redis_url: str, guarded_url: str) -> None:
    async with Redis.from_url(redis_url, protocol=2) as operator:
        folder = (await operator.config_get("dir"))["dir"]
    async with opened_redis(f"unix://{folder}/redis.sock?db=3") as server:
        assert server.channel("events") == f"{server.key('3')}:events"
        await server.ask(lambda: server.client.set(server.key("x"), b"1", ex=1))
    port = guarded_url.rpartition(":")[2]
    async with opened_redis(f"redis://pet:{QUOTED}@127.0.0.1:{port}") as server:
        assert await server.answers()
    async with opened_redis(f"redis://:{QUOTED}@127.0.0.1:{port}") as server:
        assert await server.answers()


async def test_a_user_needs_no_more_than_is_documented(guarded_url: str) -> None:
    port = guarded_url.rpartition(":")[2].partition("/")[0]
    async with (
        opened_redis(f"redis://pet:{QUOTED}@127.0.0.1:{port}/1") as server,
        broadcasting(server) as broadcast,
        broadcast.subscribe() as events,
    ):
        limits, sessions, once = RedisRateLimits(server), RedisSessionCache(server), Bucket("once", 1)
        session = CachedSession(SessionId("phone"), UserId("ann"), "listener", utc_now() + timedelta(days=1))
        await limits.spend(once, "key")
        with pytest.raises(RateLimited):
            await limits.spend(once, "key")
        with pytest.raises(RateLimited):
            await limits.check(once, "key")
        await limits.refund(once, "key")
        await sessions.find(session.session_id)
        await sessions.remember(session)
        assert await RedisSessionCache(server).find(session.session_id) == session
        await sessions.remember(replace(session, expires_at=utc_now()))
        await sessions.forget(session.session_id)
        await sessions.forget_user(session.user_id)
        await broadcast.publish(UserDeleted(user_id=session.user_id, occurred_at=utc_now()))
        await anext(events)
        assert await server.answers()
        assert not server.is_away


async def test_a_wrong_address_is_told_at_the_start() -> None:
    assert await refused("redis://127.0.0.1:1/0") == (
        "The Redis server (PET_REDIS_URL) cannot be used: 127.0.0.1:1 does not answer as a Redis server does. "
        "Start it, or correct the URL."
    )
    assert await refused("redis://nobody.invalid") == (
        "The Redis server (PET_REDIS_URL) cannot be used: nobody.invalid:6379 does not answer as a Redis server does. "
        "Start it, or correct the URL."
    )
    assert await refused("unix:///nowhere/redis.sock") == (
        "The Redis server (PET_REDIS_URL) cannot be used: /nowhere/redis.sock does not answer as a Redis server does. "
        "Start it, or correct the URL."
    )


async def test_a_server_that_hangs_is_told_at_the_start(link: Link) -> None:
    await link.fail(Fault.HANG)
    assert await refused(f"redis://:{QUOTED}@127.0.0.1:{link.port}/0") == (
        f"The Redis server (PET_REDIS_URL) cannot be used: 127.0.0.1:{link.port} does not answer in time. "
        "Start it, or correct the URL."
    )


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b"+?\r\n", b""], ids=ascii)
async def test_what_is_no_redis_is_told_at_the_start(answer: bytes) -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        sentence = await refused(f"redis://127.0.0.1:{port}")
    assert re.search(rf"127\.0\.0\.1:{port} (does not answer as a Redis|answers .* Is it a Redis server\?)", sentence)


@pytest.mark.parametrize("user", ["", f"pet:wrong{QUOTED}@", f":wrong{QUOTED}@", f"nobody:{QUOTED}@"])
async def test_a_wrong_password_is_told_at_the_start(guarded_url: str, user: str) -> None:
    port = guarded_url.rpartition(":")[2].partition("/")[0]
    assert await refused(f"redis://{user}127.0.0.1:{port}") == (
        f"The Redis server (PET_REDIS_URL) cannot be used: 127.0.0.1:{port} refuses the user or the password. "
        "Correct them in the URL."
    )


async def test_a_user_who_may_not_write_is_told_at_the_start(guarded_url: str) -> None:
    port = guarded_url.rpartition(":")[2].partition("/")[0]
    assert await refused(f"redis://reader:{QUOTED}@127.0.0.1:{port}") == (
        f"The Redis server (PET_REDIS_URL) cannot be used: 127.0.0.1:{port} does not allow its user what is needed. "
        "docs/engines/redis.md lists it."
    )


async def test_a_password_where_none_is_asked_for_is_told_at_the_start(redis_url: str) -> None:
    assert "refuses the user or the password" in await refused(redis_url.replace("//", f"//:{QUOTED}@"))


async def test_a_database_that_is_not_there_is_told_at_the_start(redis_url: str) -> None:
    assert "has no database of that number" in await refused(redis_url.removesuffix("0") + "99")


async def test_tls_where_there_is_none_is_told_at_the_start(redis_url: str) -> None:
    assert "does not answer" in await refused(redis_url.replace("redis:", "rediss:"))


async def test_a_certificate_that_is_not_trusted_is_told_at_the_start(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(self_signed(tmp_path))
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        assert await refused(f"rediss://127.0.0.1:{port}") == (
            f"The Redis server (PET_REDIS_URL) cannot be used: 127.0.0.1:{port} shows a certificate that is not "
            "trusted. Name its authority: ?ssl_ca_certs=/path/ca.pem."
        )


def self_signed(folder: Path) -> Path:
    """Return a file with a certificate that nobody trusts, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(utc_now() - timedelta(days=1))
        .not_valid_after(utc_now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = folder / "certificate.pem"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem))
    return path
