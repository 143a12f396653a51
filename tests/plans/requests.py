"""Everything that clients ask of a service, and what it does by itself, around someone with a large network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from pet.app import Parts
from pet.domain.outbox import KEEP_DELIVERED
from pet.domain.plays import PLAY_WINDOW
from pet.domain.times import utc_now
from tests.conftest import PASSWORD, Person, Service
from tests.media_factory import jpeg, mp3
from tests.schema.operations import answer_of

PAGE = 20


async def all_requests(service: Service, ann: Person, bob: Person) -> AsyncIterator[str]:
    """Ask for everything, one thing after the other; give the name of each before it is asked for."""
    files = dict[str, str]()
    for part in (
        _uploads(service, ann, files),
        _legacy(service, ann, bob, files),
        _operations(service, ann, bob, files),
        _by_itself(service.parts),
        _farewell(service, ann, bob, files),
    ):
        async for name in part:
            yield name


async def _uploads(service: Service, ann: Person, files: dict[str, str]) -> AsyncIterator[str]:
    for kind, content in (("track", mp3(0.3)), ("avatar", jpeg()), ("cover", jpeg())):
        yield f"upload {kind}"
        answer = await service.upload(kind, content, by=ann)
        assert answer.status_code == 200, answer.text
        files[kind] = answer.json()["file"]["fileId"]
    yield "upload cover of a track"
    answer = await service.upload("cover", jpeg(), by=ann, trackId=files["track"])
    assert answer.status_code == 200, answer.text


async def _legacy(service: Service, ann: Person, bob: Person, files: dict[str, str]) -> AsyncIterator[str]:
    """Send every documented GET, as pages where lists are complete otherwise, and what else REST alone does."""
    limit = f"limit={PAGE}"
    for path in (
        f"/users/{ann.user_id}/profile",
        f"/users/username/{ann.username}",
        f"/users?{limit}&excludeUserId={bob.user_id}",
        f"/users/{ann.username}/public?viewerId={bob.user_id}",
        f"/users/{ann.username}/tracks?{limit}",
        f"/users/{ann.username}/audio-files?{limit}",
        f"/media/avatar/{ann.user_id}",
        f"/media/track/{files['track']}",
        f"/media/cover/{files['track']}",
        f"/media/file/{files['cover']}",
        f"/media/track/{files['track']}/waveform.svg",
        f"/social/followers/{ann.user_id}?{limit}",
        f"/social/following/{ann.user_id}?{limit}",
        f"/social/isFollowing/{ann.user_id}/{bob.user_id}",
        f"/social/profile/{ann.username}",
        f"/social/feed?userId={ann.user_id}&{limit}",
    ):
        yield f"GET {path.partition('?')[0]}"
        answer = await service.client.get(path, headers=bob.headers)
        assert answer.status_code in (200, 404), (path, answer.text)  # 404: no waveform yet
        if link := answer.links.get("next"):
            yield f"GET {path.partition('?')[0]}, next page"
            answer = await service.client.get(link["url"], headers=bob.headers)
            assert answer.status_code == 200, answer.text
    yield "POST /auth/login"
    given = {"email": ann.email, "password": PASSWORD}
    assert (await service.client.post("/auth/login", json=given)).status_code == 200


async def _operations(service: Service, ann: Person, bob: Person, files: dict[str, str]) -> AsyncIterator[str]:
    """Run the app's operations, lists with a first page and a next one."""
    of_ann, track = {"by": {"userId": ann.user_id}}, {"fileId": files["track"]}
    for name, variables, by in (
        ("Me", {}, ann),
        ("ProfilePage", of_ann, bob),
        ("People", {"excludeUserId": bob.user_id}, bob),
        ("People", {"search": "anna"}, bob),
        ("AudioFiles", of_ann, bob),
        ("TrackPage", track, bob),
        ("Followers", of_ann, bob),
        ("Following", of_ann, bob),
        ("IsFollowing", {"followerId": ann.user_id, "followingId": bob.user_id}, None),
        ("Feed", {}, ann),
        ("UpdateTrack", {**track, "input": {"title": "New"}}, ann),
        ("UpdateProfile", {"input": {"displayName": "Anna Lee"}}, ann),
        ("Follow", {"userId": bob.user_id}, ann),
        ("Follow", {"userId": ann.user_id}, bob),
        ("UpdateProfile", {"input": {"preferences": {"privateProfile": True}}}, bob),
        ("Unfollow", {"userId": bob.user_id}, ann),
        ("Follow", {"userId": bob.user_id}, ann),
        ("FollowRequests", {}, bob),
        ("AcceptFollow", {"followerId": ann.user_id}, bob),
        ("UpdateProfile", {"input": {"preferences": {"privateProfile": False}}}, bob),
    ):
        yield name
        found = await _asked(service, name, {"first": PAGE, **variables} if _has_pages(name) else variables, by)
        if cursor := _next_cursor(found):
            yield f"{name}, next page"
            await _asked(service, name, {"first": PAGE, **variables, "after": cursor}, by)


async def _by_itself(parts: Parts) -> AsyncIterator[str]:
    """Do once what a process does again and again."""
    now = utc_now()
    yield "relay"
    await parts.delivery.relay(even_held=True)
    yield "spread"
    while await parts.engines.documents.projections.spread_news():
        pass
    yield "sweep"
    await parts.services.uploads.sweep(is_alone=False)
    yield "remove abandoned"
    await parts.services.uploads.remove_abandoned()
    yield "exports"
    await parts.services.exports.sweep()
    yield "waveforms"
    await parts.engines.documents.waveforms.claim(now, until=now + timedelta(seconds=30))
    yield "trim"
    await parts.delivery.trim(before=now - KEEP_DELIVERED, keep_unpublished=True)
    await parts.engines.documents.plays.trim(before=now - 2 * PLAY_WINDOW)
    yield "metrics"
    for outbox in parts.engines.outboxes:
        await outbox.backlog()
        await outbox.unpublished(older_than=timedelta(0), limit=PAGE)
    yield "audit"
    await parts.services.audit.next_verdicts()


async def _farewell(service: Service, ann: Person, bob: Person, files: dict[str, str]) -> AsyncIterator[str]:
    block = "mutation ($id: ID!) { block(userId: $id) { userErrors { message } } }"
    yield "block"
    assert "errors" not in await service.graphql(block, {"id": bob.user_id}, by=ann)
    yield "DELETE /media/track"
    answer = await service.client.delete(f"/media/track/{files['track']}", headers=ann.headers)
    assert answer.status_code == 200, answer.text
    yield "DeleteAccount"
    await _asked(service, "DeleteAccount", {"password": PASSWORD}, bob)


async def _asked(service: Service, name: str, variables: dict[str, Any], by: Person | None) -> dict[str, Any]:
    answer = await answer_of(service, name, variables, by=by)
    assert "errors" not in answer, answer
    return answer


def _has_pages(name: str) -> bool:
    return name in {"ProfilePage", "People", "AudioFiles", "Followers", "Following", "Feed", "FollowRequests"}


def _next_cursor(found: object) -> str | None:
    """Return where the first list in an answer goes on, if it does."""
    if not isinstance(found, dict):
        return None
    page = found.get("pageInfo")
    if page:
        return page["endCursor"] if page["hasNextPage"] else None
    return next(filter(None, map(_next_cursor, found.values())), None)
