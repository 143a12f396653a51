"""The index of routes against Starlette's own loop: the same outcome for every path."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

import pytest
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount, Route, Router, WebSocketRoute
from starlette.types import Message, Receive, Scope, Send

from pet.routing import IndexedRouter, RouteIndex
from tests.conftest import Service
from tests.setups import on_embedded

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY")
STRANGE = ("", "nobody", "username", "a b", "%2F", "é", ".", "..", "profile", "{id}", "x\ny", "0" * 40)
"""What may stand in a segment besides the table's own words."""


class Outcome(Exception):
    """Raised in the place of an answer: what a router chose, and what it told the route."""


async def _nothing() -> Message:
    raise AssertionError("nothing is read while a route is found")


async def _no_send(message: Message) -> None:
    raise Outcome("sent", message["type"], message.get("code"))


async def outcome(router: Router, kind: str, method: str, path: str) -> object:
    """Return what a router does with a request: the route's place, its parameters and what is answered instead."""
    scope: Scope = {"type": kind, "method": method, "path": path, "headers": [], "app": None}
    if kind == "websocket":
        del scope["method"]
    try:
        await router(scope, _nothing, _no_send)
    except Outcome as found:
        return (found.args, scope.get("path_params"), scope.get("endpoint"))
    except HTTPException as error:
        return (error.status_code, error.headers, scope.get("path_params"), scope.get("route"))
    raise AssertionError("a route answered that was replaced")


def _chosen(route: BaseRoute) -> BaseRoute:
    """Return the same route with an answer that only names it, and where it is."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise Outcome(route, scope["path"], scope.get("root_path"))

    if isinstance(route, Mount):
        return Mount(route.path, app)
    assert isinstance(route, Route | WebSocketRoute)
    copy = type(route)(route.path, route.endpoint)
    copy.app = app
    if isinstance(copy, Route) and isinstance(route, Route):
        copy.methods = route.methods
    return copy


def routers(routes: list[BaseRoute]) -> tuple[Router, Router]:
    copies = [_chosen(route) for route in routes]
    indexed = IndexedRouter()
    indexed.routes = copies
    return Router(copies, redirect_slashes=False), indexed


def paths(routes: list[BaseRoute], chosen: random.Random) -> Iterator[str]:
    """Every route's own path, and thousands in which segments are exchanged, added, and left out."""
    templates = [route.path for route in routes if isinstance(route, Route | WebSocketRoute | Mount)]
    words = sorted({word for path in templates for word in path.split("/")} | set(STRANGE))
    for path in templates:
        segments = path.split("/")
        yield path
        yield path + "/"
        yield path.upper()
        for _ in range(60):
            changed = [chosen.choice(words) if chosen.random() < 0.4 else segment for segment in segments]
            yield "/".join(changed)
            yield "/".join([*changed, chosen.choice(words)])
            yield "/".join(changed[:-1])
    for first, second in product(words, repeat=2):
        yield f"/{first}/{second}"
    yield from ("", "/", "//", "*", "users", "http://elsewhere/users")


@on_embedded
async def test_every_path_goes_where_starlettes_loop_sends_it(service: Service) -> None:
    chosen, routes = random.Random(20_260), list(service.routes)
    linear, indexed = routers(routes)
    tried, served = 0, 0
    for path in paths(routes, chosen):
        for kind, method in (("http", chosen.choice(METHODS)), ("http", "GET"), ("websocket", "")):
            expected = await outcome(linear, kind, method, path)
            assert await outcome(indexed, kind, method, path) == expected, (kind, method, path)
            tried += 1
            served += "sent" not in str(expected) and not str(expected).startswith("(404")
    assert tried > 10_000
    assert served > 1_000


async def test_what_is_found_first_is_what_stands_first() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    table: list[BaseRoute] = [
        Route("/users/{id}/profile", app, methods=["PUT"]),
        Route("/users/username/{name}", app, methods=["GET"]),
        Mount("/users", app),
        Mount("/users/username", app),
        Route("/users/{a}/{b}", app),
        Route("/{a}/{b}/{c}", app, methods=["POST"]),
    ]
    for order in (table, table[::-1], table[2:] + table[:2]):
        linear, indexed = routers(order)
        for path in ("/users/username/profile", "/users/x/profile", "/users//profile", "/a/b/c", "/users", "/users/"):
            for method in ("GET", "PUT", "POST", "DELETE"):
                expected = await outcome(linear, "http", method, path)
                assert await outcome(indexed, "http", method, path) == expected


def test_a_line_break_belongs_to_the_path() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    index = RouteIndex([Route("/users", app), Route("/users/{id}/profile", app), Route("/files/{id}", app)])

    def parameters(path: str) -> object:
        found = index.find({"type": "http", "method": "GET", "path": path})
        return found and found[1]["path_params"]

    assert parameters("/users/a/profile") == {"id": "a"}
    assert parameters("/users/a/profile\n") is None
    assert parameters("/users\n") is None
    assert parameters("/files/a\n") == {"id": "a\n"}


@pytest.mark.parametrize("path", ["/files/{id:int}", "/files/{id}.mp3"])
def test_a_form_of_path_that_the_index_does_not_know_is_refused(path: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    with pytest.raises(ValueError, match="parameter"):
        RouteIndex([Route(path, app)])
    with pytest.raises(ValueError, match="cannot be found"):
        RouteIndex([Mount("", app)])
