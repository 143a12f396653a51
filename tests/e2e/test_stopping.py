"""Starting and stopping: what is in flight finishes, nothing keeps a process alive, one port has one server."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests import media_factory
from tests.conftest import Person
from tests.e2e.server import DEADLINE, Server, serve, start

pytestmark = pytest.mark.slow

STOPPING = "Waiting for connections to close"
"""What uvicorn says once it accepts no more and something is still in flight."""
LONG_SONG = media_factory.wav(240.0)
"""About 20 MB: more than all buffers between a server and its client hold."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_that_was_asked_for_is_a_success(tmp_path: Path, number: signal.Signals) -> None:
    async with serve(tmp_path) as server:
        assert (await server.client.get("/health/ready")).status_code == 200
        assert await server.stop(number) == 0
    assert not [line for line in server.log.lines if "Traceback" in line]


async def test_a_download_in_flight_finishes(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        musician = await server.service.register("muse")
        url = (await server.service.upload("track", LONG_SONG, by=musician)).json()["file"]["url"]
        async with server.client.stream("GET", url, headers=musician.headers) as response:
            chunks = response.aiter_bytes(64 * 1024)
            received = [await anext(chunks)]
            server.process.send_signal(signal.SIGTERM)
            await server.log.wait_for(STOPPING)
            received += [chunk async for chunk in chunks]
        assert b"".join(received) == LONG_SONG
        assert await server.ended() == 0


async def test_an_upload_in_flight_finishes(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        musician = await server.service.register("muse")
        go_on = asyncio.Event()
        sending = asyncio.create_task(slow_upload(server, musician, go_on))
        await staged_object(tmp_path)
        server.process.send_signal(signal.SIGTERM)
        await server.log.wait_for(STOPPING)
        go_on.set()
        file_id = await sending
        assert await server.ended() == 0
    async with serve(tmp_path) as server:
        assert (await server.client.get(f"/media/track/{file_id}")).content == LONG_SONG


async def test_a_second_server_on_the_same_data_leaves_uploads_in_flight_alone(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        musician = await server.service.register("muse")
        go_on = asyncio.Event()
        sending = asyncio.create_task(slow_upload(server, musician, go_on))
        staged = await staged_object(tmp_path)
        async with serve(tmp_path) as second:
            assert staged.exists()
            go_on.set()
            file_id = await sending
            assert (await second.client.get(f"/media/track/{file_id}")).content == LONG_SONG


async def test_an_open_websocket_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        listener = await server.service.register("ear")
        url = str(server.client.base_url).replace("http://", "ws://") + "/graphql"
        async with connect(url, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
            await socket.send(json.dumps({"type": "connection_init", "payload": listener.headers}))
            assert await socket.recv() == '{"type":"connection_ack"}'
            subscription = {"query": "subscription { feedActivity { id } }"}
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": subscription}))
            assert await server.stop() == 0
            await socket.wait_closed()
            assert socket.close_code == 1012  # Service Restart: come back soon (RFC 6455, section 11.7)


async def test_an_open_stream_of_events_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        listener = await server.service.register("ear")
        subscription = {"query": "subscription { feedActivity { id } }"}
        headers = {**listener.headers, "Accept": "text/event-stream"}
        async with server.client.stream("POST", "/graphql", json=subscription, headers=headers) as left:
            assert left.status_code == 200
        async with server.client.stream("POST", "/graphql", json=subscription, headers=headers) as response:
            assert response.status_code == 200
            server.process.send_signal(signal.SIGTERM)
            # It ends without the event `complete`: clients connect anew.
            assert await response.aread() == b""
        assert await server.ended() == 0
    assert not [line for line in server.log.lines if "Traceback" in line or "without completing" in line]


async def test_a_taken_port_is_told_in_one_sentence_and_nothing_is_touched(tmp_path: Path) -> None:
    async with serve(tmp_path / "first") as server:
        port = server.service.settings.port
        second = await start(tmp_path / "second", port)
        async with asyncio.timeout(DEADLINE):
            _, said = await second.communicate()
        assert second.returncode == 1
        assert said.decode() == (
            f"Error: Cannot listen on 127.0.0.1 (PET_HOST), port {port} (PET_PORT): Address already in use.\n"
        )
        assert list((tmp_path / "second").iterdir()) == []
        assert (await server.client.get("/health/ready")).status_code == 200


async def test_the_urls_that_a_start_prints_work(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        printed = dict(line.split() for line in server.log.lines[1:4])
        page = {"Accept": "text/html"}
        answers = {name: (await server.client.get(url, headers=page)).status_code for name, url in printed.items()}
    assert answers == {"app": 200, "explorer": 200, "health": 200}


async def slow_upload(server: Server, by: Person, go_on: asyncio.Event) -> str:
    """Send half a track, wait, send the rest, and return the track's id."""
    user = f'--x\r\nContent-Disposition: form-data; name="userId"\r\n\r\n{by.user_id}\r\n'.encode()
    head = user + b'--x\r\nContent-Disposition: form-data; name="file"; filename="song.wav"\r\n\r\n'

    async def body() -> AsyncIterator[bytes]:
        half = len(LONG_SONG) // 2
        yield head + LONG_SONG[:half]
        await go_on.wait()
        yield LONG_SONG[half:] + b"\r\n--x--\r\n"

    headers = {**by.headers, "Content-Type": "multipart/form-data; boundary=x"}
    response = await server.client.post("/media/upload/track", content=body(), headers=headers)
    assert response.status_code == 200, response.text
    file_id: str = response.json()["file"]["fileId"]
    return file_id


async def staged_object(data_dir: Path) -> Path:
    """Wait until an upload has reached the disk."""
    async with asyncio.timeout(DEADLINE):
        while not (staged := list((data_dir / "media").glob("staging/*"))):  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
    return staged[0]
