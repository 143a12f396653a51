"""Fields that nobody offers: whoever sends them all the same changes nothing by them (mass assignment)."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLInputObjectType

from pet.schema.root import build_schema
from tests.conftest import PASSWORD, Person, Service
from tests.media_factory import mp3
from tests.threats.conftest import Victim

OTHER_ID = "01890000-0000-7000-8000-000000000000"
UNOFFERED: dict[str, Any] = {
    "role": "admin",
    "isAdmin": True,
    "admin": True,
    "_id": "0" * 24,
    "id": OTHER_ID,
    "userId": OTHER_ID,
    "ownerId": OTHER_ID,
    "fileId": OTHER_ID,
    "email": "other@example.com",
    "username": "other",
    "password": "changed horse 3",
    "passwordHash": "$argon2id$x",
    "stats": {"tracksCount": 99, "followersCount": 99, "followingCount": 99, "totalPlays": 99},
    "playCount": 99,
    "createdAt": "2001-01-01T00:00:00.000Z",
    "updatedAt": "2001-01-01T00:00:00.000Z",
    "avatarUrl": "https://evil.example/a.png",
    "isOwnProfile": True,
    "isFollowing": True,
    "__proto__": {"role": "admin"},
    "$set": {"role": "admin"},
}


async def who(service: Service, person: Person) -> Any:
    """Return what the owner sees of themselves, but for the time of the last change."""
    query = """{ me { userId email username role createdAt
        profile { userId username role stats { tracksCount followersCount totalPlays } avatarUrl createdAt } } }"""
    return (await service.graphql(query, by=person))["data"]["me"]


async def test_nobody_registers_as_an_admin(service: Service) -> None:
    given = {"email": "eve@example.com", "username": "eve", "password": PASSWORD}
    for role in ("admin", "ADMIN", "Admin", "root", 1, ["admin"], {"$ne": "listener"}):
        response = await service.client.post("/auth/register", json={**given, "role": role})
        assert response.status_code == 400, role
    register = "mutation ($input: RegisterInput!) { register(input: $input) { session { user { role } } } }"
    answer = await service.graphql(register, {"input": {**given, "role": "admin"}})
    assert (answer.get("data") or {}).get("register", {}).get("session") is None
    assert (await service.client.get("/users/username/eve")).status_code == 404


async def test_registering_takes_four_fields_and_no_others(service: Service) -> None:
    others = {key: value for key, value in UNOFFERED.items() if key not in {"role", "email", "username", "password"}}
    given = {"email": "eve@example.com", "username": "eve", "password": PASSWORD, **others}
    user = (await service.client.post("/auth/register", json=given)).json()["user"]
    assert user == {"id": user["id"], "email": "eve@example.com", "username": "eve", "role": "listener"}
    assert user["id"] != OTHER_ID
    stats = (await service.client.get("/users/username/eve")).json()["data"]["stats"]
    assert set(stats.values()) == {0}


async def test_updating_a_profile_changes_nothing_that_is_not_offered(victim: Victim) -> None:
    service, ann = victim.service, victim.ann
    before = await who(service, ann)
    given = {**UNOFFERED, "bio": "new"}
    response = await service.client.put(f"/users/{ann.user_id}/profile", json=given, headers=ann.headers)
    assert (response.status_code, response.json()["data"]["bio"]) == (200, "new")
    assert await who(service, ann) == before
    login = {"email": ann.email, "password": PASSWORD}
    assert (await service.client.post("/auth/login", json=login)).status_code == 200


async def test_an_upload_takes_its_file_and_user_and_nothing_else(victim: Victim) -> None:
    service, ann = victim.service, victim.ann
    fields = {key: str(value) for key, value in UNOFFERED.items() if key != "userId"}
    fields |= {"url": "https://evil.example/", "mimeType": "text/html", "type": "admin", "size": "1", "duration": "999"}
    record = (await service.upload("track", mp3(1.0), by=ann, name="song.mp3", **fields)).json()["file"]
    assert record["userId"] == ann.user_id
    assert record["fileId"] != OTHER_ID
    assert (record["mimeType"], record["originalName"], record["metadata"]["duration"]) == ("audio/mpeg", "song.mp3", 1)
    assert "evil" not in record["url"]
    assert not record["createdAt"].startswith("2001")


async def test_a_follow_begins_as_its_rules_say(victim: Victim) -> None:
    service, mallory = victim.service, victim.mallory
    given = {"followerId": mallory.user_id, **UNOFFERED, "state": "FOLLOWING", "status": "accepted"}
    path = f"/social/follow/{victim.ann.user_id}"
    assert (await service.client.post(path, json=given, headers=mallory.headers)).status_code == 200
    profile = (await service.client.get(f"/users/{victim.ann.user_id}/profile", headers=mallory.headers)).json()["data"]
    assert profile["stats"]["followersCount"] == 0  # she has to be accepted first


async def test_graphql_takes_no_field_that_its_schema_does_not_offer(victim: Victim) -> None:
    service, ann = victim.service, victim.ann
    before = await who(service, ann)
    mutation = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code } } }"
    for name, value in UNOFFERED.items():
        answer = await service.graphql(mutation, {"input": {"bio": "new", name: value}}, by=ann)
        assert "data" not in answer, name
    assert await who(service, ann) == before


@pytest.mark.parametrize("name", ["role", "userId", "id", "stats", "ownerId", "isAdmin", "createdAt"])
def test_no_input_of_the_schema_offers_what_nobody_may_set(name: str) -> None:
    inputs = [kind for kind in build_schema()._schema.type_map.values() if isinstance(kind, GraphQLInputObjectType)]
    offering = {kind.name for kind in inputs if name in kind.fields}
    assert offering <= {"role": {"RegisterInput"}, "userId": {"ProfileBy", "Onlooker"}}.get(name, set())
