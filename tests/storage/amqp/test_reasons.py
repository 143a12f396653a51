"""What an operator is told when the broker cannot be used: by the library's errors as they really come."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiormq.exceptions import AMQPConnectionError, ChannelAccessRefused

from pet.storage.amqp.exchange import open_exchange
from pet.storage.amqp.reasons import reason_of
from pet.storage.opening import CannotOpen

Speak = Callable[[asyncio.StreamWriter], None]


@asynccontextmanager
async def somebody_else(speak: Speak) -> AsyncIterator[int]:
    """Run a server that is no broker; return its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        speak(writer)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def told(url: str) -> str:
    with pytest.raises(CannotOpen) as caught:
        async with open_exchange(url, timeout_seconds=1.0):
            pass
    return str(caught.value).removeprefix("The message broker (PET_AMQP_URL) cannot be used: ")


@pytest.mark.parametrize(
    "speak",
    [
        lambda writer: writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n" * 4),
        lambda writer: writer.write(b"AMQP\x03\x01\x00\x00"),
        lambda writer: None,
    ],
    ids=["a_web_server", "another_protocol_of_that_name", "one_that_hangs_up"],
)
async def test_who_is_no_broker_is_told_so(speak: Speak) -> None:
    async with somebody_else(speak) as port:
        sentence = await told(f"amqp://ann:hush@127.0.0.1:{port}")
        assert sentence.startswith(f"127.0.0.1:{port} broke off (")
        assert sentence.endswith("). Is RabbitMQ there?")
        assert "hush" not in sentence


async def test_a_broker_without_tls_is_told_so() -> None:
    async with somebody_else(lambda writer: writer.write(b"AMQP\x00\x00\x09\x01")) as port:
        sentence = await told(f"amqps://ann:hush@127.0.0.1:{port}")
        assert sentence == (
            f"127.0.0.1:{port} gives no TLS connection that can be trusted (wrong version number)."
            " Name its authority in the URL (?cafile=/path), or use amqp:// where the broker has no TLS."
        )


async def test_a_file_of_certificates_that_is_not_there_is_told_so() -> None:
    sentence = await told("amqps://ann:hush@127.0.0.1/?cafile=/no/such/file.pem")
    assert sentence == "a file of certificates that the URL names is not there. Correct the URL."


def test_a_name_that_is_no_host_is_told_so() -> None:
    error = AMQPConnectionError(-2, "Name or service not known")
    error.__cause__ = socket.gaierror(-2, "Name or service not known")
    assert reason_of(error, "amqp://ann:hush@broker.invalid/", "pet.events", 2.0) == (
        "broker.invalid:5672 cannot be connected to (Name or service not known)."
        " Start RabbitMQ there, or correct the URL."
    )


async def test_a_host_of_two_addresses_that_both_refuse_is_told_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    sentence = await told(f"amqp://ann:hush@localhost:{port}/")
    assert sentence.startswith(f"localhost:{port} cannot be connected to (")
    assert sentence.endswith("). Start RabbitMQ there, or correct the URL.")


def test_missing_permissions_are_told_with_the_user_who_lacks_them() -> None:
    error = ChannelAccessRefused("ACCESS_REFUSED - configure access to exchange 'pet.events' refused")
    assert reason_of(error, "amqps://ann%40x:hush@broker/music", "pet.events", 2.0) == (
        "the user ann@x may not declare what begins with pet.events, or not write to it."
        " Allow it with `rabbitmqctl set_permissions`."
    )
