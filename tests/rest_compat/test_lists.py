"""Lists: complete and streamed without parameters, in pages with a `Link` header where a client asks for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from pet.domain.accounts import Account
from pet.domain.effects import effects_of
from pet.domain.events import TrackUploaded, UserCreated
from pet.domain.ids import FileId, UserId, new_object_id, new_uuid7
from pet.domain.paging import Position
from pet.domain.viewers import Role, Viewer
from pet.rest_compat import envelopes, lists
from pet.rest_compat.envelopes import Asked, list_response
from pet.rest_compat.lists import JsonPage
from tests.clock import HandClock
from tests.conftest import Person, Service
from tests.rest_compat.conftest import refusal, session_fixture, upload_song

STREAMED = 3
"""How many items a stream reads at a time here."""

COUNT = 7
"""More than two such pages, and not a whole number of them."""


@dataclass(frozen=True)
class Listed:
    """A list: where it is, where its items are, and which key names an item."""

    path: str
    items: Callable[[dict[str, Any]], list[dict[str, Any]]]
    key: str

    def names(self, response: httpx.Response) -> list[str]:
        assert response.status_code == 200, response.text
        return [item[self.key] for item in self.items(response.json())]


LISTS = {
    "people": Listed("/users?excludeUserId={ann}", lambda body: list(body["profiles"]), "username"),
    "tracks": Listed("/users/ann/tracks", lambda body: list(body["data"]), "originalName"),
    "public": Listed("/users/ann/public", lambda body: list(body["data"]["tracks"]), "originalName"),
    "social": Listed("/social/profile/ann", lambda body: list(body["data"]["tracks"]), "originalName"),
    "audio": Listed("/users/ann/audio-files", lambda body: list(body["audioFiles"]), "originalName"),
    "followers": Listed("/social/followers/{ann}", lambda body: list(body["data"]), "followerId"),
    "following": Listed("/social/following/{ann}", lambda body: list(body["data"]), "followingId"),
    "feed": Listed("/social/feed?userId={fan}", lambda body: list(body["data"]), "trackTitle"),
}


@dataclass(frozen=True)
class Crowd:
    """Ann with seven tracks and seven fans whom she follows too; `names` holds each list, newest first."""

    service: Service
    ids: dict[str, str]
    names: dict[str, list[str]]

    async def get(self, listed: Listed, **params: str) -> httpx.Response:
        url = httpx.URL(listed.path.format(**self.ids)).copy_merge_params(params)
        return await self.service.client.get(url)


@session_fixture
async def crowd(service: Service, ann: Person, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """A crowd, put in through the repositories, in a service that streams three items at a time."""
    monkeypatch.setattr(envelopes, "FIRST_PAGE", STREAMED)
    monkeypatch.setattr(lists, "STREAM_PAGE", STREAMED)
    fans = [await _person(service, f"fan-{number}", clock) for number in range(COUNT)]
    songs = await _songs(service, ann, clock)
    owner = UserId(ann.user_id)
    for fan in fans:
        await service.services.follows.follow(Viewer(fan, Role.LISTENER), owner)
        await service.services.follows.follow(Viewer(owner, Role.MUSICIAN), fan)
    newest, files = [*reversed(fans)], [*reversed(songs)]
    names = {
        "people": [f"fan-{number}" for number in reversed(range(COUNT))],
        **dict.fromkeys(("tracks", "public", "social", "audio"), files),
        **{name: [str(fan) for fan in newest] for name in ("followers", "following")},
        "feed": [name.removesuffix(".mp3") for name in files],
    }
    return Crowd(service, {"ann": ann.user_id, "fan": fans[0]}, names)


async def _person(service: Service, username: str, clock: HandClock) -> UserId:
    user_id, at = UserId(new_uuid7()), clock()
    account = Account(user_id, f"{username}@example.com", username, Role.LISTENER, "no password", at)
    event = UserCreated(user_id=user_id, occurred_at=at, username=username, role=Role.LISTENER.value)
    await service.engines.accounts.add(account, event)
    await service.engines.documents.projections.apply(event, effects_of(event))
    return user_id


async def _songs(service: Service, ann: Person, clock: HandClock) -> list[str]:
    first = FileId((await upload_song(service, ann))["fileId"])
    record = (await service.engines.documents.files.get_many([first]))[first]
    names = [record.original_name]
    for number in range(1, COUNT):
        file_id, at = FileId(new_uuid7()), clock()
        copy = replace(
            record,
            file_id=file_id,
            object_id=new_object_id(),
            file_name=f"{file_id}.mp3",
            original_name=f"song-{number}.mp3",
            created_at=at,
        )
        event = TrackUploaded(user_id=copy.user_id, occurred_at=at, file_id=file_id)
        await service.engines.documents.files.add(copy, event)
        await service.engines.documents.projections.apply(event, effects_of(event))
        names.append(copy.original_name)
    return names


def next_url(response: httpx.Response) -> str | None:
    """Return the URL of the next page, out of a `Link` header of the form that RFC 8288 gives it."""
    link = response.headers.get("link")
    if link is None:
        return None
    match = re.fullmatch(r'<(/[^>]*)>; rel="next"', link)
    assert match, link
    return match[1]


async def test_without_parameters_a_list_is_complete_streamed_and_newest_first(crowd: Crowd) -> None:
    for name, listed in LISTS.items():
        response = await crowd.get(listed)
        assert listed.names(response) == crowd.names[name], name
        assert response.headers["content-type"] == "application/json"
        assert "content-length" not in response.headers
        assert "link" not in response.headers


async def test_pages_lead_to_the_end_of_the_same_list(crowd: Crowd) -> None:
    for name, listed in LISTS.items():
        response = await crowd.get(listed, limit="2")
        pages = [listed.names(response)]
        while (following := next_url(response)) is not None:
            response = await crowd.service.client.get(following)
            pages.append(listed.names(response))
        assert [len(page) for page in pages] == [2, 2, 2, 1], name
        assert [*chain(*pages)] == crowd.names[name], name


async def test_a_page_that_ends_with_the_list_has_no_next(crowd: Crowd) -> None:
    for name, listed in LISTS.items():
        response = await crowd.get(listed, limit=str(COUNT))
        assert (listed.names(response), next_url(response)) == (crowd.names[name], None)


async def test_a_cursor_alone_gives_pages_of_twenty(crowd: Crowd) -> None:
    listed = LISTS["tracks"]
    cursor = httpx.URL(next_url(await crowd.get(listed, limit="2")) or "").params["cursor"]
    assert listed.names(await crowd.get(listed, cursor=cursor)) == crowd.names["tracks"][2:]


async def test_no_limit_and_no_cursor_of_this_list(crowd: Crowd) -> None:
    foreign = httpx.URL(next_url(await crowd.get(LISTS["people"], limit="2")) or "").params["cursor"]
    for name, listed in LISTS.items():
        for limit in ("0", "101", "-1", "ten", "", "1.5", "1e1", "\uff19" * 4):
            response = await crowd.get(listed, limit=limit)
            assert (response.status_code, response.json()) == (400, refusal("limit must be between 1 and 100."))
        for cursor in ("", "nonsense", "é", "a" * 5000, "MTIz", foreign if name != "people" else "=="):
            response = await crowd.get(listed, cursor=cursor)
            message = "cursor is not a cursor of this list. Use a cursor that this list returned."
            assert (response.status_code, response.json()) == (400, refusal(message)), (name, cursor)


async def test_a_link_holds_only_what_a_url_may_hold(crowd: Crowd) -> None:
    """Ann's name in full-width letters is Ann's too; a header is ASCII all the same."""
    wide = "\uff41\uff4e\uff4e"
    response = await crowd.service.client.get(f"/users/{wide}/tracks", params={"limit": "3"})
    following = next_url(response)
    assert following is not None
    assert following.startswith("/users/%EF%BD%81%EF%BD%8E%EF%BD%8E/tracks?")
    assert LISTS["tracks"].names(await crowd.service.client.get(following)) == crowd.names["tracks"][3:6]


async def test_an_id_with_a_line_break_is_nobodys_and_breaks_no_header(crowd: Crowd) -> None:
    broken = "%0A" + crowd.ids["ann"][1:]
    response = await crowd.service.client.get(f"/social/followers/{broken}", params={"limit": "1"})
    assert (response.status_code, response.json()) == (404, refusal("User not found"))


@pytest.mark.parametrize("sizes", [(0, 2), (2, 0, 1), (0, 0), (0, 1, 0)], ids=str)
async def test_a_stream_is_json_even_when_pages_are_empty(sizes: tuple[int, ...]) -> None:
    """A page of the feed is empty when its tracks are just being deleted."""
    position = Position(HandClock()(), "0")
    pages = [
        JsonPage([{"page": number}] * size, position if number < len(sizes) - 1 else None)
        for number, size in enumerate(sizes)
    ]
    remaining = iter(pages)

    async def read(after: Position | None, limit: int) -> JsonPage:
        return next(remaining)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked = Asked("feed", None, None)
        response = await list_response(Request(scope), asked, read, before=b'{"data":')
        await response(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://pet") as client:
        body = (await client.get("/")).json()
    assert body == {"data": [{"page": number} for number, size in enumerate(sizes) for _ in range(size)]}
