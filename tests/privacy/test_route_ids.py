"""The ids of what is somebody else's, tried on every route that takes one.

The routes are enumerated from the application, so a new one fails here until it is said what its ids name. Nobody who
is kept out gets anything of Ann's but the card, her files look as if they were not there, and nothing of hers changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus

import httpx
from starlette.routing import Route

from tests.privacy.house import OWNER, House
from tests.setups import on_embedded

pytestmark = on_embedded

PATH_IDS = {
    "id": "user",
    "userId": "user",
    "followerId": "user",
    "followingId": "user",
    "username": "username",
    "fileId": "file",
    "trackId": "file",
    "exportId": "export",
}
"""What the parameters of paths name."""

QUERY_IDS = {
    "/social/feed": {"userId": "user"},
    "/users": {"excludeUserId": "user"},
    "/users/{username}/public": {"viewerId": "user"},
    "/social/profile/{username}": {"viewerId": "user"},
}
"""What the parameters of queries name, on the routes that take any."""


def routes_with_ids(house: House) -> list[tuple[str, str]]:
    """Return method and path of each route that takes an id."""
    routes = [route for route in house.world.service.routes if isinstance(route, Route)]
    return sorted(
        (method, route.path)
        for route in routes
        if "{" in route.path or route.path in QUERY_IDS
        for method in route.methods or ()
    )


def filled(path: str, given: Mapping[str, str]) -> str:
    """Return a path with ids in the place of its parameters."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: given[PATH_IDS[found.group(1)]], path)


def choices(house: House, path: str) -> Iterator[tuple[dict[str, str], dict[str, str], str]]:
    """Yield ids of Ann's for a path, the same with an unknown one where hers must look so, and hers itself."""
    kinds = [PATH_IDS[name] for name in re.findall(r"\{(\w+)", path)] or ["user"]
    ids = house.ids()
    for own in ids[kinds[-1]].own.values():
        given = {kind: next(iter(ids[kind].own.values())) for kind in kinds} | {kinds[-1]: own}
        unknown = ids[kinds[-1]].unknown if ids[kinds[-1]].is_hidden else own
        yield given, given | {kinds[-1]: unknown}, own


async def send(house: House, method: str, path: str, given: Mapping[str, str], by: str | None) -> httpx.Response:
    """Send a request as somebody who names themselves where a body wants it, and tries to change things."""
    named = house.world.user_id(by) if by else house.world.user_id(OWNER)
    params = {name: given.get(kind, house.world.user_id(OWNER)) for name, kind in QUERY_IDS.get(path, {}).items()}
    body = None if method in {"GET", "HEAD"} else {"followerId": named, "bio": "changed"}
    headers = house.world.headers(by)
    return await house.world.service.client.request(
        method, filled(path, given), params=params, json=body, headers=headers
    )


def answer(response: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """Return what an outsider could tell answers apart by; not their own words, nor what differs each time."""
    fields = {name: value for name, value in response.headers.items() if name not in {"x-request-id", "date"}}
    return response.status_code, response.text, fields


async def test_no_route_gives_outsiders_what_is_anns_nor_changes_it(house: House) -> None:
    routes, before = routes_with_ids(house), await house.state()
    assert len(routes) > 25
    for method, path in routes:
        for by in house.outsiders:
            for given, unknown, own in choices(house, path):
                response = await send(house, method, path, given, by)
                assert response.status_code in {200, 401, 403, 404}, (method, path, by, response.text)
                told = [secret for secret in house.secrets(but=own) if secret in response.text]
                assert told == [], (method, path, by)
                if given != unknown:
                    other = await send(house, method, path, unknown, by)
                    assert answer(response) == answer(other), (method, path, by)
                    assert response.status_code in {401, 404}
    assert await house.state() == before


async def test_the_same_reads_give_ann_what_is_hers(house: House) -> None:
    """Else the test above would find nothing because there is nothing."""
    silent, opened, names = set(), set(), {own: name for name, own in house.ids()["file"].own.items()}
    for path in {path for method, path in routes_with_ids(house) if method == "GET"}:
        for given, _, own in choices(house, path):
            response = await send(house, "GET", path, given, OWNER)
            if "/media/" in path:
                opened |= {(path, names.get(own))} if response.status_code == HTTPStatus.OK else set()
            elif not any(secret in response.text for secret in house.secrets(but=own)):
                silent.add(path)
    assert opened == {
        ("/media/avatar/{userId}", None),
        ("/media/track/{trackId}", "track"),
        *(("/media/cover/{trackId}", name) for name in ("track", "cover")),
        *(("/media/file/{fileId}", name) for name in ("track", "other", "cover")),
    }
    lists_of_others = {"/social/followers/{userId}", "/social/following/{userId}", "/social/feed"}
    signed_alone, but_for_ann = "/exports/{exportId}", "/users"
    is_following = "/social/isFollowing/{followerId}/{followingId}"
    assert silent == {signed_alone, but_for_ann, is_following, *lists_of_others}
