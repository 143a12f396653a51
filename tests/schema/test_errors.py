"""Errors: a person's mistakes beside a null result, the rest at the top level with a code and nothing internal."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from pet.app import Overrides
from pet.domain.errors import ErrorCode, LimitState, Service, Unavailable
from pet.domain.ids import UserId
from pet.domain.limits import Bucket
from pet.schema.errors import STATUS, ErrorCodeName
from tests.conftest import PASSWORD, Person, StartService
from tests.conftest import Service as Running
from tests.schema.operations import answer_of, run
from tests.schema.seeding import Seeds

LOGIN = {"input": {"email": "ann@example.com", "password": PASSWORD}}


class BrokenLimits:
    """A part that fails in a way that nobody foresaw, or that is down."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def spend(self, bucket: Bucket, key: str, *, amount: int = 1) -> LimitState:
        """Fail."""
        raise self._error

    async def check(self, bucket: Bucket, key: str) -> None:
        """Fail."""
        raise self._error

    async def refund(self, bucket: Bucket, key: str, *, amount: int = 1) -> None:
        """Fail."""
        raise self._error


def test_every_code_is_known_to_both_fronts() -> None:
    assert [ErrorCodeName(code.value).name for code in ErrorCode] == [code.value for code in ErrorCode]
    assert len(ErrorCodeName) == len(ErrorCode)
    assert set(STATUS) == set(ErrorCode)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("{ me { ", "Syntax Error"),
        ("{ nobody }", "'nobody'"),
        ("query ($id: ID!) { node(id: $id) { id } }", "'$id'"),
        ('mutation { uploadAvatar(file: "x") { image { url } } }', "Upload must be a file"),
        ('{ profiles(first: "x") { totalCount } }', "Int cannot represent"),
    ],
    ids=["syntax", "validation", "variables", "no_file", "literal"],
)
async def test_what_cannot_run_has_a_code_and_no_data(service: Running, query: str, word: str) -> None:
    answer = await service.graphql(query)
    (error,) = answer.pop("errors")
    assert answer == {}
    assert error["extensions"] == {"code": "INVALID"}
    assert word in error["message"]


async def test_an_unknown_operation_has_a_code(service: Running) -> None:
    answer = await service.graphql("query A { me { userId } }", name="B")
    (error,) = answer.pop("errors")
    assert answer == {}
    assert error["extensions"] == {"code": "INVALID"}


async def test_a_text_in_the_place_of_a_file_is_refused(service: Running, ann: Person) -> None:
    answer = await answer_of(service, "UploadAvatar", {"file": "me.png"}, by=ann)
    (error,) = answer.pop("errors")
    assert answer == {}
    assert error["extensions"] == {"code": "INVALID"}
    assert "Upload must be a file of a multipart request" in error["message"]


async def test_what_asks_for_the_viewer_refuses_a_bad_token(service: Running, ann: Person) -> None:
    stale = Person(ann.user_id, "ann", ann.email, ann.access_token[:-3] + "abc", ann.refresh_token)
    for query in (
        "{ me { userId } }",
        '{ profile(by: {username: "ann"}) { viewerIsSelf } }',
        "{ feed { edges { cursor } } }",
    ):
        answer = await service.graphql(query, by=stale)
        (error,) = answer["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}
        assert not answer["data"] or set(answer["data"].values()) == {None}
    (mistake,) = (await answer_of(service, "Unfollow", {"userId": ann.user_id}, by=stale))["data"]["unfollow"][
        "userErrors"
    ]
    assert mistake["code"] == "UNAUTHENTICATED"
    assert (await run(service, "RefreshSession", {"refreshToken": ann.refresh_token}, by=stale))["session"]
    assert (await run(service, "Login", LOGIN, by=stale))["session"]


async def test_six_logins_in_one_request_spend_like_six_requests(start_service: StartService) -> None:
    service: Running = await start_service(rate_limits=True)
    ann = await service.register("ann")
    logins = " ".join(f"l{number}: login(input: $input) {{ session {{ user {{ userId }} }} }}" for number in range(6))
    answer = await service.graphql(f"mutation ($input: LoginInput!) {{ {logins} }}", LOGIN)
    opened = {"session": {"user": {"userId": ann.user_id}}}
    assert answer["data"] == {**{f"l{number}": opened for number in range(5)}, "l5": None}
    (error,) = answer["errors"]
    retry_after = error["extensions"].pop("retryAfter")
    assert 1 <= retry_after <= 60
    assert (error["path"], error["extensions"]) == (["l5"], {"code": "RATE_LIMITED"})
    assert error["message"] == f"Too many requests. Please try again in {retry_after} seconds."
    rest = await service.client.post("/auth/login", json=LOGIN["input"])
    assert rest.status_code == 429
    assert len((await run(service, "Me", by=ann))["sessions"]) == 6


async def test_what_nobody_foresaw_shows_a_request_id_and_is_logged(
    start_service: StartService, caplog: pytest.LogCaptureFixture
) -> None:
    broken = BrokenLimits(RuntimeError("secret text"))
    service: Running = await start_service(overrides=Overrides(limits=broken))
    response = await service.client.post("/graphql", json={"query": "mutation { " + _login() + " }"})
    answer = response.json()
    request_id = response.headers["x-request-id"]
    assert answer == {
        "data": {"login": None},
        "errors": [
            {
                "message": f"Something went wrong on our side. Please quote the request id {request_id}.",
                "locations": answer["errors"][0]["locations"],
                "path": ["login"],
                "extensions": {"code": "INTERNAL"},
            }
        ],
    }
    (record,) = [record for record in caplog.records if record.name == "pet.graphql"]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "secret text"


async def test_an_engine_that_is_down_says_when_to_try_again(
    start_service: StartService, caplog: pytest.LogCaptureFixture
) -> None:
    service: Running = await start_service(overrides=Overrides(limits=BrokenLimits(Unavailable(Service.AUTH))))
    answer = await service.graphql("mutation { " + _login() + " me: " + _login() + " }")
    assert answer["data"] == {"login": None, "me": None}
    errors: list[dict[str, Any]] = answer["errors"]
    assert [error["extensions"] for error in errors] == [{"code": "UNAVAILABLE", "retryAfter": 5}] * 2
    assert errors[0]["message"] == "Auth Service is temporarily unavailable. Please try again later."
    assert {record.levelname for record in caplog.records if record.name == "pet.graphql"} == {"WARNING"}


async def test_an_error_takes_nothing_from_another_field_that_waits_for_the_same(
    service: Running, ann: Person, seeds: Seeds
) -> None:
    file_id = await seeds.track(UserId(ann.user_id))
    answer = await service.graphql(
        """query ($id: ID!) {
          wrong: track(fileId: $id) { processing owner { followers(first: 1000) { totalCount } } }
          right: track(fileId: $id) { processing }
        }""",
        {"id": file_id},
    )
    assert answer["data"] == {"wrong": None, "right": {"processing": "PENDING"}}
    assert [error["path"] for error in answer["errors"]] == [["wrong", "owner", "followers"]]


def _login() -> str:
    return 'login(input: {email: "ann@example.com", password: "x"}) { session { accessToken } }'
