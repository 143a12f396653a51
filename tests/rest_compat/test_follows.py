"""Sections 4.1 to 4.5 of the document: following."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clock import HandClock
from tests.conftest import Person, Service
from tests.rest_compat.conftest import accept, follow, make_private, profile_of, refusal
from tests.rest_compat.golden import Golden

NOBODY = "01890000-0000-7000-8000-000000000000"


async def counts(service: Service, person: Person) -> tuple[int, int]:
    stats = (await profile_of(service, person))["stats"]
    return stats["followersCount"], stats["followingCount"]


async def is_following(service: Service, follower: Person, followed: Person, by: Person | None = None) -> bool:
    path = f"/social/isFollowing/{follower.user_id}/{followed.user_id}"
    response = await service.client.get(path, headers=by.headers if by else {})
    answer: bool = response.json()["data"]["isFollowing"]
    return answer


async def follow_list(service: Service, which: str, person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await service.client.get(f"/social/{which}/{person.user_id}")).json()["data"]
    return found


async def test_following(service: Service, ann: Person, bob: Person, golden: Golden) -> None:
    given = {"followerId": bob.user_id}
    response = await service.client.post(f"/social/follow/{ann.user_id}", json=given, headers=bob.headers)
    golden.check("4.1-success", response)
    assert (await counts(service, ann), await counts(service, bob)) == ((1, 0), (0, 1))
    assert (await profile_of(service, bob))["following"] == [ann.user_id]
    assert await is_following(service, bob, ann)
    assert not await is_following(service, ann, bob)


async def test_a_second_follow_returns_the_first(service: Service, ann: Person, bob: Person, clock: HandClock) -> None:
    first = await follow(service, bob, ann)
    clock.advance(minutes=1)
    assert await follow(service, bob, ann) == first
    assert (await counts(service, ann), await counts(service, bob)) == ((1, 0), (0, 1))


async def test_a_private_profile_is_asked(service: Service, ann: Person, bob: Person, golden: Golden) -> None:
    await make_private(service, ann)
    given = {"followerId": bob.user_id}
    response = await service.client.post(f"/social/follow/{ann.user_id}", json=given, headers=bob.headers)
    golden.check("4.1-success-pending", response)
    assert (await counts(service, ann), await counts(service, bob)) == ((0, 0), (0, 0))
    assert not await is_following(service, bob, ann, by=ann)
    assert await follow_list(service, "following", bob) == []
    await accept(service, ann, bob)
    assert (await counts(service, ann), await counts(service, bob)) == ((1, 0), (0, 1))
    accepted = {key: value for key, value in response.json()["data"].items() if key != "status"}
    assert await follow_list(service, "following", bob) == [accepted]


REFUSED = [
    ("4.1-oneself", "POST", "/social/follow/{bob}", "bob"),
    ("4.1-not-found", "POST", f"/social/follow/{NOBODY}", "bob"),
    ("4.1-no-id", "POST", "/social/follow/ann", "bob"),
    ("4.1-no-token", "POST", "/social/follow/{ann}", None),
    ("4.1-foreign", "POST", "/social/follow/{ann}", "eve"),
    ("4.2-not-found", "POST", f"/social/unfollow/{NOBODY}", "bob"),
    ("4.2-no-token", "DELETE", "/social/unfollow/{eve}", None),
    ("4.2-foreign", "DELETE", "/social/unfollow/{eve}", "eve"),
]


async def test_refused(service: Service, ann: Person, bob: Person, golden: Golden) -> None:
    eve = await service.register("eve")
    await follow(service, bob, eve)
    for case, method, path, sender in REFUSED:
        filled = path.format(ann=ann.user_id, bob=bob.user_id, eve=eve.user_id)
        headers = service.people[sender].headers if sender else {}
        given = {"followerId": bob.user_id}
        golden.check(case, await service.client.request(method, filled, json=given, headers=headers))
        assert [await counts(service, person) for person in (ann, bob, eve)] == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_unfollowing_by_either_method_and_twice(
    service: Service, ann: Person, bob: Person, golden: Golden, method: str
) -> None:
    await follow(service, bob, ann)
    case = {"POST": "4.2-success-post", "DELETE": "4.2-success-delete"}[method]
    for _ in range(2):
        path, given = f"/social/unfollow/{ann.user_id}", {"followerId": bob.user_id}
        golden.check(case, await service.client.request(method, path, json=given, headers=bob.headers))
        assert (await counts(service, ann), await counts(service, bob)) == ((0, 0), (0, 0))
        assert not await is_following(service, bob, ann)
    assert await follow_list(service, "followers", ann) == []


async def test_unfollowing_by_delete_needs_no_body(service: Service, ann: Person, bob: Person) -> None:
    await follow(service, bob, ann)
    assert (await service.client.delete(f"/social/unfollow/{ann.user_id}", headers=bob.headers)).status_code == 200
    assert not await is_following(service, bob, ann)


async def test_an_empty_name_is_nobody_s(service: Service, ann: Person, bob: Person) -> None:
    made = await follow(service, bob, ann)
    path, given = f"/social/unfollow/{ann.user_id}", {"followerId": ""}
    response = await service.client.request("DELETE", path, json=given, headers=bob.headers)
    assert response.status_code == 403
    assert response.json() == refusal("The token belongs to another user than the request names.")
    assert (await service.client.get(f"/social/followers/{ann.user_id}")).json()["data"] == [made]


async def test_lists_have_the_newest_follow_first(service: Service, ann: Person, bob: Person, golden: Golden) -> None:
    eve = await service.register("eve")
    for follower, followed in ((bob, ann), (eve, ann), (ann, bob), (ann, eve)):
        await follow(service, follower, followed)
    golden.check("4.3-success", await service.client.get(f"/social/followers/{ann.user_id}"))
    golden.check("4.4-success", await service.client.get(f"/social/following/{ann.user_id}"))
    assert (await profile_of(service, ann))["following"] == [eve.user_id, bob.user_id]


async def test_lists_of_nobody(service: Service, golden: Golden) -> None:
    golden.check("4.3-not-found", await service.client.get(f"/social/followers/{NOBODY}"))
    golden.check("4.4-not-found", await service.client.get("/social/following/ann"))


async def test_whether_someone_follows(service: Service, ann: Person, bob: Person, golden: Golden) -> None:
    await follow(service, bob, ann)
    path = f"/social/isFollowing/{bob.user_id}/{ann.user_id}"
    golden.check("4.5-success", await service.client.get(path))
    for follower, followed in ((NOBODY, ann.user_id), (bob.user_id, NOBODY), ("bob", "ann")):
        response = await service.client.get(f"/social/isFollowing/{follower}/{followed}")
        assert response.json() == {"success": True, "data": {"isFollowing": False}}
