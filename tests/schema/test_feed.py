"""The feed: what those whom one follows did, newest first, as far as one may see it."""

from __future__ import annotations

from typing import Any

import pytest

from pet.domain.ids import UserId
from tests.clock import HandClock
from tests.conftest import Person, Service
from tests.media_factory import jpeg, png
from tests.schema.operations import DOCUMENT, answer_of, run
from tests.schema.seeding import Seeds


async def feed(service: Service, person: Person, **page: Any) -> list[str]:
    """Return someone's feed: a track's title, or `profile_updated`, each with its actor."""
    edges = (await run(service, "Feed", page, by=person))["edges"]
    return [f"{edge['node']['actor']['username']}: {_shown(edge['node'])}" for edge in edges]


def _shown(node: dict[str, Any]) -> str:
    shown: str = node["track"]["title"] if node["__typename"] == "TrackPublished" else node["action"]
    return shown


async def change(service: Service, by: Person, **given: Any) -> None:
    """Change a profile."""
    await run(service, "UpdateProfile", {"input": given}, by=by)


@pytest.fixture
async def fan(service: Service, ann: Person, bob: Person) -> Person:
    """`bob`, who follows `ann`."""
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    return bob


async def test_tracks_and_updates_come_newest_first(service: Service, seeds: Seeds, ann: Person, fan: Person) -> None:
    await seeds.track(UserId(ann.user_id), title="First")
    await change(service, ann, bio="Hello.")
    await seeds.track(UserId(ann.user_id), title="Second")
    assert await feed(service, fan) == ["ann: Second", "ann: profile_updated", "ann: First"]


async def test_what_was_published_before_the_follow_is_there_too(
    service: Service, seeds: Seeds, ann: Person, bob: Person
) -> None:
    await seeds.track(UserId(ann.user_id), title="Old")
    assert await feed(service, bob) == []
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    assert await feed(service, bob) == ["ann: Old"]
    await run(service, "Unfollow", {"userId": ann.user_id}, by=bob)
    assert await feed(service, bob) == []


async def test_ones_own_actions_are_not_in_the_feed(service: Service, seeds: Seeds, ann: Person, fan: Person) -> None:
    await seeds.track(UserId(fan.user_id), title="Mine")
    await change(service, fan, bio="Hello.")
    assert await feed(service, fan) == []
    assert await feed(service, ann) == []


async def test_updates_within_an_hour_are_one(service: Service, clock: HandClock, ann: Person, fan: Person) -> None:
    await change(service, ann, bio="One.")
    (first,) = (await run(service, "Feed", by=fan))["edges"]
    clock.advance(minutes=59)
    await change(service, ann, bio="Two.")
    (second,) = (await run(service, "Feed", by=fan))["edges"]
    assert second["node"]["createdAt"] > first["node"]["createdAt"]
    clock.advance(minutes=59)
    await change(service, ann, bio="Three.")
    assert await feed(service, fan) == ["ann: profile_updated"]
    clock.advance(minutes=61)
    await change(service, ann, bio="Four.")
    assert await feed(service, fan) == ["ann: profile_updated", "ann: profile_updated"]


async def test_what_is_no_news_adds_nothing(service: Service, ann: Person, fan: Person) -> None:
    await run(service, "UploadAvatar", {}, ("file", "a.png", png()), by=ann)
    await run(service, "UploadCover", {}, ("file", "c.jpg", jpeg()), by=ann)
    await change(service, ann, preferences={"emailNotifications": False, "showOnlineStatus": False})
    await change(service, ann, bio=None)
    assert await feed(service, fan) == []


async def test_a_deleted_track_leaves_the_feed(service: Service, seeds: Seeds, ann: Person, fan: Person) -> None:
    gone = await seeds.track(UserId(ann.user_id), title="Gone")
    await seeds.track(UserId(ann.user_id), title="Kept")
    await run(service, "DeleteMedia", {"fileId": gone}, by=ann)
    assert await feed(service, fan) == ["ann: Kept"]


async def test_someone_deleted_leaves_the_feed(service: Service, seeds: Seeds, ann: Person, fan: Person) -> None:
    await seeds.track(UserId(ann.user_id), title="Gone")
    await run(service, "DeleteAccount", {"password": "correct horse 1"}, by=ann)
    assert await feed(service, fan) == []


async def test_a_request_shows_nothing_until_it_is_accepted(
    service: Service, seeds: Seeds, ann: Person, bob: Person
) -> None:
    await seeds.track(UserId(ann.user_id), title="Secret")
    await change(service, ann, preferences={"privateProfile": True})
    await run(service, "Follow", {"userId": ann.user_id}, by=bob)
    assert await feed(service, bob) == []
    await run(service, "AcceptFollow", {"followerId": bob.user_id}, by=ann)
    assert await feed(service, bob) == ["ann: Secret"]


async def test_pages_cover_everything_once_at_equal_times(
    service: Service, seeds: Seeds, clock: HandClock, bob: Person
) -> None:
    moment = clock()
    for number in range(3):
        person = await seeds.person(f"person{number}")
        await run(service, "Follow", {"userId": person}, by=bob)
        for title in "ab":
            await seeds.track(person, title=title, at=moment)
    seen: list[str] = []
    page: dict[str, Any] = {"first": 4}
    for _ in range(2):
        connection = await run(service, "Feed", page, by=bob)
        seen += [edge["node"]["id"] for edge in connection["edges"]]
        page["after"] = connection["pageInfo"]["endCursor"]
    assert connection["pageInfo"]["hasNextPage"] is False
    assert len(set(seen)) == len(seen) == 6


async def test_the_feed_needs_a_token(service: Service) -> None:
    answer = await answer_of(service, "Feed")
    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]) == (["feed"], {"code": "UNAUTHENTICATED"})
    assert answer["data"] is None


async def test_pages_of_a_wrong_size_or_from_another_list_are_refused(service: Service, ann: Person) -> None:
    people = (await run(service, "People", {"first": 1}))["pageInfo"]["endCursor"]
    for given, field in (({"first": 0}, "first"), ({"first": 101}, "first"), ({"after": people}, "after")):
        answer = await service.graphql(DOCUMENT, given, by=ann, name="Feed")
        assert [error["extensions"] for error in answer["errors"]] == [{"code": "INVALID", "field": field}]
