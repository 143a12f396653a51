"""Section 4.7 of the document: the feed."""

from __future__ import annotations

from typing import Any

from tests.clock import HandClock
from tests.conftest import Person, Service
from tests.rest_compat.conftest import accept, follow, make_private, upload_image, upload_song
from tests.rest_compat.golden import Golden

NOBODY = "01890000-0000-7000-8000-000000000000"


async def feed_of(service: Service, person: Person, *, by: Person | None = None) -> list[dict[str, Any]]:
    params, headers = {"userId": person.user_id}, by.headers if by else {}
    data: list[dict[str, Any]] = (await service.client.get("/social/feed", params=params, headers=headers)).json()[
        "data"
    ]
    return data


async def rename(service: Service, person: Person, name: str) -> None:
    path, change = f"/users/{person.user_id}/profile", {"displayName": name}
    assert (await service.client.put(path, json=change, headers=person.headers)).status_code == 200


async def test_what_followees_did_is_there_newest_first(
    service: Service, ann: Person, bob: Person, golden: Golden
) -> None:
    await upload_image(service, "avatar", ann)
    song = await upload_song(service, ann, title="My New Song")
    golden.know("song", song["fileId"])
    await follow(service, bob, ann)
    await rename(service, ann, "Anna")
    golden.check("4.7-success", await service.client.get("/social/feed", params={"userId": bob.user_id}))


async def test_a_title_is_the_tags_else_the_names(service: Service, ann: Person, bob: Person) -> None:
    await follow(service, bob, ann)
    await upload_song(service, ann)
    await upload_song(service, ann, title="Песня")
    assert [item["trackTitle"] for item in await feed_of(service, bob)] == ["Песня", "my-song"]


async def test_own_actions_and_those_of_others_are_not_there(service: Service, ann: Person, bob: Person) -> None:
    await follow(service, bob, ann)
    await rename(service, bob, "Bob")
    await rename(service, await service.register("eve"), "Eve")
    assert await feed_of(service, bob) == []


async def test_an_avatar_or_a_preference_alone_is_no_news(service: Service, ann: Person, bob: Person) -> None:
    await follow(service, bob, ann)
    await upload_image(service, "avatar", ann)
    path, change = f"/users/{ann.user_id}/profile", {"preferences": {"emailNotifications": False}}
    assert (await service.client.put(path, json=change, headers=ann.headers)).status_code == 200
    await rename(service, bob, "Bob")
    assert await feed_of(service, bob) == []


async def test_profile_updates_within_an_hour_are_one(
    service: Service, ann: Person, bob: Person, clock: HandClock
) -> None:
    await follow(service, bob, ann)
    await rename(service, ann, "One")
    (first,) = await feed_of(service, bob)
    clock.advance(minutes=59)
    await rename(service, ann, "Two")
    (merged,) = await feed_of(service, bob)
    assert merged == first | {"createdAt": merged["createdAt"]}
    assert merged["createdAt"] > first["createdAt"]
    clock.advance(minutes=61)
    await rename(service, ann, "Three")
    newest, older = await feed_of(service, bob)
    assert (newest["action"], older) == ("profile_updated", merged)


async def test_unfollowing_empties_the_feed(service: Service, ann: Person, bob: Person) -> None:
    await follow(service, bob, ann)
    await rename(service, ann, "Anna")
    assert len(await feed_of(service, bob)) == 1
    await service.client.delete(f"/social/unfollow/{ann.user_id}", headers=bob.headers)
    assert await feed_of(service, bob) == []


async def test_private_news_are_for_accepted_followers(service: Service, ann: Person, bob: Person) -> None:
    await make_private(service, ann)
    await follow(service, bob, ann)
    await rename(service, ann, "Anna")
    assert await feed_of(service, bob, by=bob) == []
    await accept(service, ann, bob)
    assert [item["action"] for item in await feed_of(service, bob, by=bob)] == ["profile_updated"]
    assert await feed_of(service, bob) == []
    assert await feed_of(service, bob, by=await service.register("eve")) == []


async def test_the_feed_of_a_private_person_is_theirs_alone(
    service: Service, ann: Person, bob: Person, golden: Golden
) -> None:
    await follow(service, bob, ann)
    await rename(service, ann, "Anna")
    await make_private(service, bob)
    golden.check("4.7-success-hidden", await service.client.get("/social/feed", params={"userId": bob.user_id}))
    assert len(await feed_of(service, bob, by=bob)) == 1


async def test_nobodys_feed(service: Service, golden: Golden) -> None:
    golden.check("4.7-user-id-missing", await service.client.get("/social/feed"))
    golden.check("4.7-not-found", await service.client.get("/social/feed", params={"userId": NOBODY}))
    golden.check("4.7-no-id", await service.client.get("/social/feed", params={"userId": "ann"}))
