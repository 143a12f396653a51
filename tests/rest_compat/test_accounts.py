"""Section 1 of the document: accounts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.clock import HandClock
from tests.conftest import PASSWORD, Person, Service
from tests.rest_compat.conftest import profile_of, refusal
from tests.rest_compat.golden import Golden

ANN = {"email": "ann@example.com", "username": "ann", "password": PASSWORD, "role": "musician"}
NEW_PASSWORD = "a new horse 22"


async def log_in(service: Service, password: str = PASSWORD) -> int:
    response = await service.client.post("/auth/login", json={"email": "ann@example.com", "password": password})
    return response.status_code


async def refresh(service: Service, token: str) -> tuple[int, dict[str, Any]]:
    response = await service.client.post("/auth/refresh", json={"refreshToken": token})
    return response.status_code, response.json()


async def is_let_in(service: Service, access_token: str) -> bool:
    headers = {"Authorization": f"Bearer {access_token}"}
    response = await service.client.get("/users", headers=headers)
    assert response.status_code in (200, 401)
    return response.status_code == 200


async def test_registering(service: Service, golden: Golden) -> None:
    response = await service.client.post("/auth/register", json=ANN)
    golden.check("1.1-success", response)
    user = response.json()["user"]
    profile = (await service.client.get(f"/users/{user['id']}/profile")).json()["data"]
    assert (profile["userId"], profile["username"], profile["role"]) == (user["id"], "ann", "musician")
    assert await is_let_in(service, response.json()["accessToken"])
    assert (await refresh(service, response.json()["refreshToken"]))[0] == 200


@pytest.mark.parametrize("role", [{}, {"role": None}, {"role": "listener"}])
async def test_who_names_no_role_is_a_listener(service: Service, role: dict[str, Any]) -> None:
    given = {key: value for key, value in ANN.items() if key != "role"} | role
    response = await service.client.post("/auth/register", json=given)
    assert response.json()["user"]["role"] == "listener"


REFUSED_REGISTRATIONS: list[tuple[str, dict[str, Any]]] = [
    ("1.1-email-taken", {"username": "other", "email": "ANN@Example.com"}),
    ("1.1-username-taken", {"username": "Ann", "email": "other@example.com"}),
    ("1.1-email-missing", {"email": None}),
    ("1.1-role-admin", {"username": "root", "email": "root@example.com", "role": "admin"}),
    ("1.1-username-reserved", {"username": "Audio-Files", "email": "other@example.com"}),
    ("1.1-password-short", {"username": "other", "email": "other@example.com", "password": "seven77"}),
]


async def test_registering_refused(service: Service, ann: Person, golden: Golden) -> None:
    for case, change in REFUSED_REGISTRATIONS:
        golden.check(case, await service.client.post("/auth/register", json=ANN | change))
        people = (await service.client.get("/users")).json()["profiles"]
        assert [person["username"] for person in people] == ["ann"]


async def test_logging_in(service: Service, ann: Person, golden: Golden) -> None:
    response = await service.client.post("/auth/login", json={"email": " Ann@EXAMPLE.com", "password": PASSWORD})
    golden.check("1.2-success", response)
    assert response.json()["refreshToken"] != ann.refresh_token
    assert await is_let_in(service, response.json()["accessToken"])


REFUSED_LOGINS = [
    ("1.2-wrong-password", {"email": "ann@example.com", "password": "wrong horse 1"}),
    ("1.2-unknown-email", {"email": "nobody@example.com", "password": PASSWORD}),
    ("1.2-password-missing", {"email": "ann@example.com"}),
]


async def test_logging_in_refused(service: Service, ann: Person, golden: Golden) -> None:
    for case, given in REFUSED_LOGINS:
        golden.check(case, await service.client.post("/auth/login", json=given))


async def test_refreshing(service: Service, ann: Person, golden: Golden) -> None:
    golden.know("ann's first refresh token", ann.refresh_token)
    response = await service.client.post("/auth/refresh", json={"refreshToken": ann.refresh_token})
    golden.check("1.3-success", response)
    assert await is_let_in(service, response.json()["accessToken"])


async def test_two_tabs_that_refresh_at_the_same_time_get_the_same_successor(
    service: Service, ann: Person, clock: HandClock
) -> None:
    _, first = await refresh(service, ann.refresh_token)
    clock.advance(seconds=9)
    status, second = await refresh(service, ann.refresh_token)
    assert status == 200
    assert second["refreshToken"] == first["refreshToken"]
    assert second["user"] == first["user"]


async def test_a_refresh_token_used_again_later_ends_the_session(
    service: Service, ann: Person, clock: HandClock, golden: Golden
) -> None:
    _, first = await refresh(service, ann.refresh_token)
    clock.advance(seconds=11)
    golden.check(
        "1.3-used-before", await service.client.post("/auth/refresh", json={"refreshToken": ann.refresh_token})
    )
    assert (await refresh(service, first["refreshToken"]))[0] == 401
    assert not await is_let_in(service, first["accessToken"])


@pytest.mark.parametrize("section", ["1.3", "1.4"])
async def test_no_refresh_token_of_ours(service: Service, ann: Person, golden: Golden, section: str) -> None:
    path = {"1.3": "/auth/refresh", "1.4": "/auth/logout"}[section]
    cases = {
        "1.3": {"bad": "1.3-token-bad", "missing": "1.3-token-missing"},
        "1.4": {"bad": "1.4-token-bad", "missing": "1.4-token-missing"},
    }[section]
    golden.check(cases["bad"], await service.client.post(path, json={"refreshToken": "eyJ.no.token"}))
    golden.check(cases["missing"], await service.client.post(path, json={}))
    mistaken = await service.client.post(path, json={"refreshToken": ann.access_token})
    assert mistaken.status_code == 401
    assert (await refresh(service, ann.refresh_token))[0] == 200


async def test_logging_out_ends_both_tokens(service: Service, ann: Person, golden: Golden) -> None:
    for _ in range(2):
        response = await service.client.post("/auth/logout", json={"refreshToken": ann.refresh_token})
        golden.check("1.4-success", response)
    assert (await refresh(service, ann.refresh_token))[0] == 401
    assert not await is_let_in(service, ann.access_token)


async def test_logging_out_and_refreshing_work_beside_a_bad_access_token(service: Service, ann: Person) -> None:
    bad = {"Authorization": "Bearer expired"}
    refreshed = await service.client.post("/auth/refresh", json={"refreshToken": ann.refresh_token}, headers=bad)
    assert refreshed.status_code == 200
    given = {"refreshToken": refreshed.json()["refreshToken"]}
    assert (await service.client.post("/auth/logout", json=given, headers=bad)).status_code == 200


async def test_changing_the_password_ends_all_other_sessions(service: Service, ann: Person, golden: Golden) -> None:
    other = (await service.client.post("/auth/login", json={"email": ann.email, "password": PASSWORD})).json()
    given = {"userId": ann.user_id, "oldPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    golden.check("1.5-success", await service.client.post("/auth/change_pass", json=given, headers=ann.headers))
    assert (await log_in(service), await log_in(service, NEW_PASSWORD)) == (401, 200)
    assert await is_let_in(service, ann.access_token)
    assert not await is_let_in(service, other["accessToken"])
    assert (await refresh(service, other["refreshToken"]))[0] == 401


async def test_changing_the_password_without_a_token_ends_every_session(service: Service, ann: Person) -> None:
    given = {"userId": ann.user_id, "oldPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    assert (await service.client.post("/auth/change_pass", json=given)).status_code == 200
    assert not await is_let_in(service, ann.access_token)
    assert await log_in(service, NEW_PASSWORD) == 200


REFUSED_CHANGES = [
    ("1.5-wrong-password", {"oldPassword": "wrong horse 1"}),
    ("1.5-unknown-user", {"userId": "01890000-0000-7000-8000-000000000000"}),
    ("1.5-no-id", {"userId": "ann"}),
    ("1.5-new-password-short", {"newPassword": "seven77"}),
    ("1.5-user-id-missing", {"userId": ""}),
]


async def test_changing_the_password_refused(service: Service, ann: Person, golden: Golden) -> None:
    for case, change in REFUSED_CHANGES:
        given = {"userId": ann.user_id, "oldPassword": PASSWORD, "newPassword": NEW_PASSWORD} | change
        golden.check(case, await service.client.post("/auth/change_pass", json=given))
        assert await is_let_in(service, ann.access_token)
        assert await log_in(service) == 200


async def test_times_are_utc_with_milliseconds(service: Service, ann: Person) -> None:
    created = (await profile_of(service, ann))["createdAt"]
    assert datetime.strptime(created, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) <= datetime.now(UTC)
    assert len(created) == len("2024-01-01T00:00:00.000Z")


BAD_AUTHORIZATIONS = [
    ["Bearer nonsense"],
    ["Basic YW5uOmhvcnNl"],
    ["Bearer "],
    ["Bearer " + "a" * 5000],
    ["Bearer {token}", "Bearer {token}"],
    ["Bearer {refresh}"],
]


async def test_a_bad_token_is_refused_even_where_none_is_needed(service: Service, ann: Person) -> None:
    for authorizations in BAD_AUTHORIZATIONS:
        values = [text.format(token=ann.access_token, refresh=ann.refresh_token) for text in authorizations]
        response = await service.client.get("/users", headers=[("Authorization", value) for value in values])
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        expected = "The access token is invalid or has expired. Please log in again or refresh it."
        assert response.json() == refusal(expected)
