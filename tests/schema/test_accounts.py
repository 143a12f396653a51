"""Accounts and sessions: refresh rotation, ending sessions, passwords, and leaving for good."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from uuid import uuid4

from tests.clock import HandClock
from tests.conftest import PASSWORD, Person, Service
from tests.media_factory import mp3, png
from tests.schema.operations import mistake, run
from tests.setups import kept_objects


def stored_files(service: Service) -> list[PurePosixPath]:
    """Return the keys of the objects that hold bytes of media."""
    return kept_objects(service.settings)


async def log_in(service: Service, person: Person, password: str = PASSWORD) -> Person:
    """Open one more session."""
    session = (await run(service, "Login", {"input": {"email": person.email, "password": password}}))["session"]
    return Person(person.user_id, person.username, person.email, session["accessToken"], session["refreshToken"])


async def refresh(service: Service, refresh_token: str) -> dict[str, Any]:
    """Exchange a refresh token."""
    session: dict[str, Any] = (await run(service, "RefreshSession", {"refreshToken": refresh_token}))["session"]
    return session


async def is_open(service: Service, person: Person) -> bool:
    """Tell whether a session's access token is still good; if not, the answer says so."""
    answer = await service.graphql("{ me { userId } }", by=person)
    if "errors" not in answer:
        assert answer["data"]["me"]["userId"] == person.user_id
        return True
    (error,) = answer["errors"]
    assert (answer["data"], error["extensions"]) == ({"me": None}, {"code": "UNAUTHENTICATED"})
    return False


async def test_a_refused_registration_names_the_field_and_makes_nobody(service: Service, ann: Person) -> None:
    fine = {"email": "new@example.com", "username": "new", "password": PASSWORD}
    for given, code, field in (
        ({"email": "nobody"}, "INVALID", "email"),
        ({"username": "a b"}, "INVALID", "username"),
        ({"username": "ME"}, "INVALID", "username"),
        ({"password": "short"}, "INVALID", "password"),
        ({"password": "x" * 129}, "INVALID", "password"),
        ({"role": "admin"}, "INVALID", "role"),
        ({"email": "ANN@example.com"}, "CONFLICT", "email"),
        ({"username": "ANN"}, "CONFLICT", "username"),
    ):
        error = await mistake(service, "Register", {"input": {**fine, **given}})
        assert (error["code"], error["field"]) == (code, field)
    assert (await run(service, "People"))["totalCount"] == 1


async def test_a_listener_is_the_default(service: Service) -> None:
    given = {"email": "new@example.com", "username": "new", "password": PASSWORD}
    assert (await run(service, "Register", {"input": given}))["session"]["user"]["role"] == "listener"


async def test_a_failed_login_never_says_why(service: Service, ann: Person) -> None:
    for email, password in ((ann.email, "wrong horse"), ("nobody@example.com", PASSWORD), ("", ""), ("x", "y" * 9999)):
        error = await mistake(service, "Login", {"input": {"email": email, "password": password}})
        assert error == {"code": "UNAUTHENTICATED", "field": None, "message": "Invalid credentials"}
    assert len((await run(service, "Me", by=ann))["sessions"]) == 1


async def test_me_is_null_without_a_token(service: Service) -> None:
    assert await run(service, "Me") is None


async def test_two_tabs_that_refresh_are_given_the_same_successor(
    service: Service, clock: HandClock, ann: Person
) -> None:
    first = await refresh(service, ann.refresh_token)
    clock.advance(seconds=9)
    second = await refresh(service, ann.refresh_token)
    assert second["refreshToken"] == first["refreshToken"]
    third = await refresh(service, first["refreshToken"])
    assert third["refreshToken"] != first["refreshToken"]
    assert await is_open(service, ann)


async def test_a_later_reuse_ends_the_session(service: Service, clock: HandClock, ann: Person) -> None:
    other = await log_in(service, ann)
    successor = (await refresh(service, ann.refresh_token))["refreshToken"]
    clock.advance(seconds=11)
    error = await mistake(service, "RefreshSession", {"refreshToken": ann.refresh_token})
    assert (error["code"], error["field"]) == ("UNAUTHENTICATED", None)
    assert (await mistake(service, "RefreshSession", {"refreshToken": successor}))["code"] == "UNAUTHENTICATED"
    assert not await is_open(service, ann)
    assert await is_open(service, other)


async def test_what_is_no_refresh_token_is_refused(service: Service, ann: Person) -> None:
    for token in ("", "x", "a.b.c", ann.access_token, ann.refresh_token[:-2], "\U0001f3b5"):
        for name in ("RefreshSession", "Logout"):
            assert (await mistake(service, name, {"refreshToken": token}))["code"] == "UNAUTHENTICATED"
    assert await is_open(service, ann)


async def test_logging_out_ends_the_session_and_may_be_done_twice(service: Service, ann: Person) -> None:
    other = await log_in(service, ann)
    for _ in range(2):
        assert (await run(service, "Logout", {"refreshToken": ann.refresh_token}))["success"] is True
    assert not await is_open(service, ann)
    assert await is_open(service, other)
    error = await mistake(service, "RefreshSession", {"refreshToken": ann.refresh_token})
    assert error["code"] == "UNAUTHENTICATED"


async def test_sessions_are_listed_and_revoked(service: Service, ann: Person, bob: Person) -> None:
    other = await log_in(service, ann)
    sessions = (await run(service, "Me", by=ann))["sessions"]
    assert [session["current"] for session in sessions] == [False, True]
    assert [session["current"] for session in (await run(service, "Me", by=other))["sessions"]] == [True, False]
    revoked = {"sessionId": sessions[0]["id"]}
    error = await mistake(service, "RevokeSession", revoked, by=bob)
    assert (error["code"], error["field"]) == ("NOT_FOUND", "sessionId")
    assert await is_open(service, other)
    assert (await run(service, "RevokeSession", revoked, by=ann))["success"] is True
    assert not await is_open(service, other)
    assert [session["current"] for session in (await run(service, "Me", by=ann))["sessions"]] == [True]
    for session_id in (sessions[0]["id"], "x", ""):
        assert (await mistake(service, "RevokeSession", {"sessionId": session_id}, by=ann))["code"] == "NOT_FOUND"


async def test_all_other_sessions_are_revoked_or_all(service: Service, ann: Person, bob: Person) -> None:
    others = [await log_in(service, ann) for _ in range(2)]
    answer = await service.graphql("mutation { revokeSessions { success userErrors { code } } }")
    assert answer["data"]["revokeSessions"]["userErrors"] == [{"code": "UNAUTHENTICATED"}]
    answer = await service.graphql("mutation { revokeSessions { success } }", by=ann)
    assert answer == {**answer, "data": {"revokeSessions": {"success": True}}}
    assert [await is_open(service, person) for person in (ann, *others, bob)] == [True, False, False, True]
    refused = await mistake(service, "RefreshSession", {"refreshToken": others[0].refresh_token})
    assert refused["code"] == "UNAUTHENTICATED"
    await log_in(service, ann)
    answer = await service.graphql("mutation { revokeSessions(keepCurrent: false) { success } }", by=ann)
    assert answer["data"]["revokeSessions"]["success"] is True
    assert [await is_open(service, person) for person in (ann, bob)] == [False, True]
    session = await log_in(service, ann)
    assert [each["current"] for each in (await run(service, "Me", by=session))["sessions"]] == [True]


async def test_a_refresh_shows_when_a_session_was_last_used(service: Service, clock: HandClock, ann: Person) -> None:
    (before,) = (await run(service, "Me", by=ann))["sessions"]
    clock.advance(minutes=1)
    await refresh(service, ann.refresh_token)
    (after,) = (await run(service, "Me", by=ann))["sessions"]
    assert after == {**before, "lastUsedAt": after["lastUsedAt"]}
    assert after["lastUsedAt"] > before["lastUsedAt"]


async def test_a_login_answers_for_its_own_user_whoever_sends_it(service: Service, ann: Person, bob: Person) -> None:
    answer = await service.graphql(
        """mutation ($input: LoginInput!) { login(input: $input) { session { user {
          userId sessions { current } followRequests { edges { cursor } }
        } } } }""",
        {"input": {"email": bob.email, "password": PASSWORD}},
        by=ann,
    )
    user = answer["data"]["login"]["session"]["user"]
    assert user == {
        "userId": bob.user_id,
        "sessions": [{"current": False}, {"current": False}],
        "followRequests": {"edges": []},
    }


async def test_changing_the_password_ends_the_other_sessions(service: Service, ann: Person) -> None:
    other = await log_in(service, ann)
    given = {"oldPassword": PASSWORD, "newPassword": "another horse 2"}
    assert (await run(service, "ChangePassword", {"input": given}, by=ann))["success"] is True
    assert await is_open(service, ann)
    assert not await is_open(service, other)
    old = {"input": {"email": ann.email, "password": PASSWORD}}
    assert (await mistake(service, "Login", old))["code"] == "UNAUTHENTICATED"
    assert await is_open(service, await log_in(service, ann, "another horse 2"))


async def test_a_refused_change_of_password_changes_nothing(service: Service, ann: Person) -> None:
    other = await log_in(service, ann)
    for old, new, code, field in (
        ("wrong horse", "another horse 2", "UNAUTHENTICATED", None),
        (PASSWORD, "short", "INVALID", "newPassword"),
    ):
        given = {"input": {"oldPassword": old, "newPassword": new}}
        error = await mistake(service, "ChangePassword", given, by=ann)
        assert (error["code"], error["field"]) == (code, field)
    fine = {"input": {"oldPassword": PASSWORD, "newPassword": "another horse 2"}}
    assert (await mistake(service, "ChangePassword", fine))["code"] == "UNAUTHENTICATED"
    assert await is_open(service, other)
    assert await is_open(service, await log_in(service, ann))


async def test_a_deleted_account_takes_everything_with_it(service: Service, ann: Person, bob: Person) -> None:
    track = (await run(service, "UploadTrack", {}, ("file", "t.mp3", mp3()), by=ann))["track"]
    image = (await run(service, "UploadAvatar", {}, ("file", "a.png", png()), by=ann))["image"]
    other = await log_in(service, ann)
    for one, two in ((ann, bob), (bob, ann)):
        await run(service, "Follow", {"userId": two.user_id}, by=one)
    wrong = await mistake(service, "DeleteAccount", {"password": "wrong horse"}, by=ann)
    assert wrong["code"] == "UNAUTHENTICATED"
    assert (await service.client.get(track["url"])).status_code == 200
    assert len(stored_files(service)) == 2

    assert (await run(service, "DeleteAccount", {"password": PASSWORD}, by=ann))["success"] is True
    assert not await is_open(service, ann)
    assert not await is_open(service, other)
    gone = await mistake(service, "Login", {"input": {"email": ann.email, "password": PASSWORD}})
    assert gone["message"] == "Invalid credentials"
    for token in (ann.refresh_token, other.refresh_token):
        assert (await mistake(service, "RefreshSession", {"refreshToken": token}))["code"] == "UNAUTHENTICATED"
    assert await run(service, "ProfilePage", {"by": {"username": "ann"}}) is None
    assert await run(service, "TrackPage", {"fileId": track["fileId"]}) is None
    for url in (track["url"], image["url"]):
        assert (await service.client.get(url)).status_code == 404
    for path in (
        f"/users/{ann.user_id}/profile",
        "/users/username/ann",
        "/users/ann/public",
        "/users/ann/tracks",
        "/users/ann/audio-files",
        "/social/profile/ann",
        f"/social/followers/{ann.user_id}",
        f"/social/following/{ann.user_id}",
        f"/media/avatar/{ann.user_id}",
    ):
        left, never = [
            await service.client.get(path.replace(ann.user_id, who).replace("ann", name))
            for who, name in ((ann.user_id, "ann"), (str(uuid4()), "nobody"))
        ]
        assert (left.status_code, left.json()) == (never.status_code, never.json()), path
    left = await run(service, "ProfilePage", {"by": {"username": "bob"}})
    assert left["stats"] == {"tracksCount": 0, "followersCount": 0, "followingCount": 0, "totalPlays": 0}
    assert (await run(service, "People"))["totalCount"] == 1
    assert stored_files(service) == []

    again = await service.register("ann")
    assert again.user_id != ann.user_id


async def test_an_admin_may_delete_any_account_and_nobody_else_may(service: Service, ann: Person, bob: Person) -> None:
    mutation = (
        "mutation M($id: ID!, $password: String!)"
        " { deleteAccount(userId: $id, password: $password) { success userErrors { code field } } }"
    )

    async def delete(user_id: str, by: Person) -> dict[str, Any]:
        answer = await service.graphql(mutation, {"id": user_id, "password": PASSWORD}, by=by)
        payload: dict[str, Any] = answer["data"]["deleteAccount"]
        return payload

    forbidden = {"success": False, "userErrors": [{"code": "FORBIDDEN", "field": "userId"}]}
    assert await delete(ann.user_id, bob) == forbidden
    assert await is_open(service, ann)
    await service.services.accounts.promote("bob")
    assert await delete(ann.user_id, bob) == {"success": True, "userErrors": []}
    assert not await is_open(service, ann)
    assert await run(service, "ProfilePage", {"by": {"username": "ann"}}) is None
    for nobody in (ann.user_id, "not an id"):
        missing = {"success": False, "userErrors": [{"code": "NOT_FOUND", "field": "userId"}]}
        assert await delete(nobody, bob) == missing
