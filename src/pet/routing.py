"""The router: finds the route of a path by a look into an index, however many routes there are.

Starlette tries its routes in turn, one regular expression after the other. Here the outcome is the same: the first
route that takes path and method, else the first that takes the path and says which methods it has. One thing is
stricter: a line break at the end of a path belongs to its last segment, where the regular expressions overlook it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from starlette.routing import BaseRoute, Match, Mount, Route, Router, WebSocketRoute
from starlette.types import Lifespan, Receive, Scope, Send

_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class _Place:
    """A route, where it stands in the table, and which segments of its path are parameters."""

    order: int
    route: Route | WebSocketRoute | Mount
    parameters: tuple[tuple[str, int], ...] = ()

    def match(self, scope: Scope, segments: Sequence[str]) -> tuple[Match, Scope]:
        """Tell what the route's own `matches` would, of a path that has the right form."""
        if isinstance(self.route, Mount):
            return self.route.matches(scope)
        path_params = {name: segments[position] for name, position in self.parameters} if self.parameters else {}
        if path_params and "" in path_params.values():
            return Match.NONE, {}
        child_scope = {"endpoint": self.route.endpoint, "path_params": path_params}
        methods = self.route.methods if isinstance(self.route, Route) else None
        return (Match.FULL if methods is None or scope["method"] in methods else Match.PARTIAL), child_scope


class _Form:
    """All paths of one length whose literal segments stand in the same positions: found by those segments."""

    def __init__(self, positions: tuple[int, ...]) -> None:
        self.literals: Callable[[Sequence[str]], Any] = itemgetter(*positions)
        self.places: dict[Any, list[_Place]] = defaultdict(list)


class RouteIndex:
    """Routes, found by the form of their paths.

    Raises:
        ValueError: a route's path is of no such form: each segment is literal or a parameter, and mounted is what
            literal segments name.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._forms: dict[tuple[str, int], dict[tuple[int, ...], _Form]] = defaultdict(dict)
        self._mounts: dict[int, dict[Sequence[str], list[_Place]]] = defaultdict(lambda: defaultdict(list))
        for order, route in enumerate(routes):
            self._add(order, route)

    def find(self, scope: Scope) -> tuple[BaseRoute, Scope] | None:
        """Return the route that a request goes to, with what it adds to the scope; None where there is none."""
        segments = scope["path"].split("/")
        forms = self._forms.get((scope["type"], len(segments)), {})
        places: list[_Place] = []
        for form in forms.values():
            places += form.places.get(form.literals(segments), ())
        for length, mounts in self._mounts.items():
            places += mounts.get(tuple(segments[:length]), ())
        if len(places) > 1:
            places.sort(key=attrgetter("order"))
        partial: tuple[BaseRoute, Scope] | None = None
        for place in places:
            match, child_scope = place.match(scope, segments)
            if match is Match.FULL:
                return place.route, child_scope
            if match is Match.PARTIAL:
                partial = partial or (place.route, child_scope)
        return partial

    def _add(self, order: int, route: BaseRoute) -> None:
        match route:
            case Mount() if re.fullmatch(r"(/[^/{]+)+", route.path):
                segments = tuple(route.path.split("/"))
                self._mounts[len(segments)][segments].append(_Place(order, route))
            case Route() | WebSocketRoute():
                self._add_form(order, route)
            case _:
                raise ValueError(f"{route!r} cannot be found by the form of its path.")

    def _add_form(self, order: int, route: Route | WebSocketRoute) -> None:
        segments = route.path.split("/")
        names = [_PARAMETER.fullmatch(segment) for segment in segments]
        positions = tuple(position for position, name in enumerate(names) if name is None)
        if any("{" in segments[position] for position in positions):
            raise ValueError(f"{route!r} has a parameter that is only a part of a segment, or is converted.")
        kind = "http" if isinstance(route, Route) else "websocket"
        form = self._forms[kind, len(segments)].setdefault(positions, _Form(positions))
        parameters = tuple((name[1], position) for position, name in enumerate(names) if name)
        form.places[form.literals(segments)].append(_Place(order, route, parameters))


class IndexedRouter(Router):
    """Starlette's router with the index in the place of its loop. It never redirects."""

    def __init__(self, *, lifespan: Lifespan[Any] | None = None) -> None:
        super().__init__(lifespan=lifespan, redirect_slashes=False)

    @property
    def routes(self) -> list[BaseRoute]:
        """All routes, in the order in which they are asked."""
        return self._routes

    @routes.setter
    def routes(self, routes: list[BaseRoute]) -> None:
        self._routes = routes
        self._index = RouteIndex(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a connection to its route."""
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
            return
        scope.setdefault("router", self)
        found = self._index.find(scope)
        if found is None:
            await self.default(scope, receive, send)
            return
        route, child_scope = found
        scope["route"] = route
        scope.update(child_scope)
        if isinstance(route, Route) and route.methods and scope["method"] in route.methods:
            await route.app(scope, receive, send)
        else:
            await route.handle(scope, receive, send)
