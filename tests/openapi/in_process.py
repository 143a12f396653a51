"""A service in an event loop of its own thread, for clients that block: Hypothesis and Schemathesis do."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import httpx
import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from tests.conftest import Service, starting
from tests.setups import Prepare

T = TypeVar("T")


class ServiceInThread:
    """A running service; `run` does asynchronous work where it lives."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self.service = service
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do asynchronous work in the service's loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called in the service's loop, without waiting for it."""
        self._loop.call_soon_threadsafe(function)

    def session(self) -> requests.Session:
        """Return a session whose requests go to the service, whatever their host."""
        session = requests.Session()
        session.trust_env = False
        session.mount("http://", _ToService(self))
        return session


@contextmanager
def service_in_thread(folder: Path, prepare: Prepare, **settings: Any) -> Iterator[ServiceInThread]:
    """Start a service, and stop it when the context is left."""
    started: Future[ServiceInThread] = Future()
    enough = asyncio.Event()

    async def live() -> None:
        async with starting(folder, prepare) as start:
            started.set_result(ServiceInThread(await start(**settings), asyncio.get_running_loop()))
            await enough.wait()

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = Thread(target=run, name="service")
    thread.start()
    served = started.result()
    try:
        yield served
    finally:
        served.call(enough.set)
        thread.join()


class _ToService(BaseAdapter):
    """Carries requests to the service as a server would: no header is added, and none is interpreted."""

    def __init__(self, served: ServiceInThread) -> None:
        super().__init__()
        self._served = served

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Answer one request."""
        answer = self._served.run(self._answer(request))
        response = requests.Response()
        response.status_code = answer.status_code
        response.headers.update(answer.headers)
        response.raw = HTTPResponse(
            io.BytesIO(answer.content),
            HTTPHeaderDict(answer.headers.multi_items()),
            answer.status_code,
            preload_content=False,
            request_method=request.method,
        )
        response.url, response.request = request.url or "", request
        return response

    async def _answer(self, request: requests.PreparedRequest) -> httpx.Response:
        headers = [(_octets(name), _octets(value)) for name, value in request.headers.items()]
        return await self._served.service.client.request(
            request.method or "GET", request.url or "", headers=headers, content=_octets(request.body or b"")
        )

    def close(self) -> None:
        """Nothing is held."""


def _octets(text: object) -> bytes:
    if isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode("latin-1")
    raise TypeError(f"{type(text)} is not sent whole")
