"""What one operation may have and cost: what is beyond is denied before it runs, and the client can see the limits."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from pet.app import Overrides
from pet.domain.errors import LimitState, Service, Unavailable
from pet.domain.limits import Bucket
from pet.operation_limits import OperationLimits
from pet.storage.embedded.limits import EmbeddedRateLimits
from tests.conftest import PASSWORD, Person, StartService
from tests.conftest import Service as Running
from tests.schema.operations import DOCUMENT, run

pytestmark = pytest.mark.usefixtures("fresh_schema")

FRAGMENTS = (
    "{ ...F0 } "
    + " ".join(f"fragment F{n} on Query {{ a: me {{ username }} ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    + " fragment F60 on Query { me { username } }"
)


def nested(*lists: str) -> str:
    """Return a query for pages of 100 people within pages of 100 people."""
    query = "userId"
    for name in reversed(lists):
        query = f"{name}(first: 100) {{ edges {{ node {{ {query} }} }} }}"
    return f"{{ {query} }}"


TOO_MUCH = {
    "depth": (
        "{ me " + "{ profile { tracks { edges { node { owner " * 3 + "{ username }" + " } } } } }" * 3 + " }",
        "An operation may have 10 levels of objects within objects, and this one has 16.",
    ),
    "aliases": (
        "{ " + " ".join(f"a{n}: __typename" for n in range(6)) + " }",
        "An operation may have 5 aliased or repeated fields, and this one has 6.",
    ),
    "repetitions": (
        "{ " + "__typename " * 7 + "}",
        "An operation may have 5 aliased or repeated fields, and this one has 6.",
    ),
    "roots": (
        "{ " + " ".join(f"a{n}: me {{ userId }}" for n in range(4)) + " }",
        "An operation may have 3 fields at the top, and this one has 4.",
    ),
    "fields": (
        "{ me { profile { " + " ".join(f"f{n}" for n in range(40)) + " } } }",
        "An operation may have 40 fields, and this one has 42.",
    ),
    "directives": (
        "{ me @include(if: true) { username @skip(if: false) email @skip(if: false) } }",
        "An operation may have 2 directives, and this one has 3.",
    ),
    "fragments": (FRAGMENTS, "An operation may have 40 fields, and this one has more than a million."),
    "definitions": (
        " ".join(f"query Q{n} {{ __typename }}" for n in range(201)),
        "The document has 201 operations and fragments; at most 200 are allowed.",
    ),
    "characters": ("{ __typename }" + " " * 100_000, "The document has 100014 characters; at most 100000 are allowed."),
    "cost": (
        nested("profiles", "followers"),
        "The operation may cost 10201, and the limit is 5000: ask for smaller pages.",
    ),
}
TIGHT = OperationLimits(depth=10, aliases=5, roots=3, fields=40, directives=2, cost=5000, tokens=3000)


async def test_an_operation_beyond_a_limit_is_denied_with_a_sentence(start_service: StartService) -> None:
    service: Running = await start_service(graphql_limits=TIGHT)
    for name, (query, sentence) in TOO_MUCH.items():
        for _ in range(2):  # the second time it comes from the cache
            answer = await service.graphql(query)
            (error,) = answer["errors"]
            assert (error["message"], error["extensions"]) == (sentence, {"code": "INVALID"}), name
            assert "data" not in answer


async def test_too_many_tokens_are_a_syntax_error(start_service: StartService) -> None:
    service: Running = await start_service(graphql_limits=OperationLimits(tokens=10))
    assert await service.graphql("{ a: __typename b: __typename }") == {"data": {"a": "Query", "b": "Query"}}
    (error,) = (await service.graphql("{ a: __typename b: __typename c: __typename }"))["errors"]
    assert error["extensions"] == {"code": "INVALID"}
    assert "more than 10 tokens" in error["message"]


async def test_pages_within_pages_are_denied_before_anything_is_read(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "errors" not in await service.graphql(nested("profiles"))
    monkeypatch.delattr(service.services.profiles.__class__, "plain_page")
    (error,) = (await service.graphql(nested("profiles", "followers", "following")))["errors"]
    assert error["message"] == "The operation may cost 1020201, and the limit is 20000: ask for smaller pages."


async def test_a_variable_page_size_counts_as_what_it_is(start_service: StartService) -> None:
    service: Running = await start_service(graphql_limits=OperationLimits(cost=10_000))
    query = """query ($first: Int = 50) { profiles(first: $first) {
        edges { node { followers(first: $first) { edges { cursor } } } } } }"""
    assert "errors" not in await service.graphql(query)
    assert "errors" not in await service.graphql(query, {"first": None})
    for _ in range(2):
        (error,) = (await service.graphql(query, {"first": 100}))["errors"]
        assert error["message"] == "The operation may cost 10201, and the limit is 10000: ask for smaller pages."
    (error,) = (await service.graphql(query, {"first": 10**9}))["errors"]
    assert error["extensions"]["code"] == "INVALID"


async def test_variables_may_hold_a_thousand_values(service: Running, ann: Person) -> None:
    answer = await service.graphql(DOCUMENT, {"input": {"genres": ["a"] * 998}}, by=ann, name="UpdateProfile")
    (mistake,) = answer["data"]["updateProfile"]["userErrors"]
    assert mistake["field"] == "genres"
    too_many: list[dict[str, Any]] = [{"input": {"genres": ["a"] * 999}}, {"other": [[[]] * 600, [[]] * 600]}]
    for variables in too_many:
        (error,) = (await service.graphql(DOCUMENT, variables, by=ann, name="UpdateProfile"))["errors"]
        assert error["message"] == "variables may hold 1000 values."


async def test_a_document_with_several_operations_needs_a_name(service: Running) -> None:
    query = "query A { a: __typename } query B { b: __typename }"
    (error,) = (await service.graphql(query))["errors"]
    assert error["extensions"] == {"code": "INVALID"}
    assert await service.graphql(query, name="B") == {"data": {"b": "Query"}}


# ---------------------------------------------------------------- the budget


async def costs(service: Running, query: str, by: Person | None = None) -> tuple[int, int, int]:
    """Run a query and return what it cost: requested, actual and remaining."""
    answer = await service.graphql(query, by=by)
    assert "errors" not in answer, answer
    cost = answer["extensions"]["cost"]
    assert (cost["limit"], 1 <= cost["resetSeconds"] <= 60) == (100, True)
    return cost["requested"], cost["actual"], cost["remaining"]


SMALL = OperationLimits(cost=60, budget=100)
PEOPLE = "{ profiles(first: 5) { edges { cursor node { username stats { tracksCount } } } pageInfo { hasNextPage } } }"


@pytest.mark.usefixtures("known_documents")
async def test_an_answer_tells_what_it_cost_and_what_is_left(start_service: StartService) -> None:
    service: Running = await start_service(rate_limits=True, graphql_limits=SMALL)
    await service.register("ann")
    await service.register("bob")
    assert await costs(service, "{ __typename }") == (1, 1, 99)
    # a connection, and five people with their counters each; two are there
    assert await costs(service, PEOPLE) == (11, 5, 94)
    by_default = "query Q($n: Int = 3) { profiles(first: $n) { edges { node { userId } } } }"
    assert await costs(service, by_default) == (4, 3, 91)
    twice = '{ profile(by: {username: "ann"}) { bio } a: profile(by: {username: "nobody"}) { bio } }'
    assert await costs(service, twice) == (2, 2, 89)
    assert await costs(service, "{ ...F ...F } fragment F on Query { me { profile { bio } } }") == (2, 1, 88)


@pytest.mark.usefixtures("known_documents")
async def test_viewers_and_addresses_have_budgets_of_their_own(start_service: StartService) -> None:
    service: Running = await start_service(rate_limits=True, graphql_limits=SMALL)
    ann, bob = await service.register("ann"), await service.register("bob")
    assert (await costs(service, PEOPLE))[2] == 95
    assert (await costs(service, PEOPLE, by=ann))[2] == 95
    assert (await costs(service, PEOPLE, by=bob))[2] == 95


@pytest.mark.usefixtures("known_documents")
async def test_a_spent_budget_denies_before_anything_runs(start_service: StartService) -> None:
    service: Running = await start_service(rate_limits=True, graphql_limits=OperationLimits(cost=25, budget=25))
    ann, bob = await service.register("ann"), await service.register("bob")
    follow = {
        "query": "mutation ($id: ID!) { follow(userId: $id) { follow { state } } }",
        "variables": {"id": bob.user_id},
    }
    outcomes = []
    for accept in ("application/json", "application/json", "application/graphql-response+json"):
        response = await service.client.post("/graphql", json=follow, headers={**ann.headers, "accept": accept})
        outcomes.append(response.status_code)
    assert outcomes == [200, 200, 429]
    (error,) = response.json()["errors"]
    seconds = error["extensions"].pop("retryAfter")
    assert response.json().keys() == {"errors"}
    assert error["extensions"] == {"code": "RATE_LIMITED"}
    assert error["message"] == (
        f"The operation may cost 12, and 1 is left of the 25 a minute. Please try again in {seconds} seconds."
    )
    assert response.headers["retry-after"] == str(seconds)
    assert (await service.graphql("{ __typename }", by=bob))["data"] == {"__typename": "Query"}


@pytest.mark.usefixtures("known_documents")
async def test_who_is_denied_did_change_nothing(start_service: StartService) -> None:
    service: Running = await start_service(rate_limits=True, graphql_limits=OperationLimits(cost=12, budget=12))
    ann, bob = await service.register("ann"), await service.register("bob")
    await service.graphql("{ __typename }", by=ann)
    answer = await service.graphql(
        "mutation ($id: ID!) { follow(userId: $id) { follow { state } } }", {"id": bob.user_id}, by=ann
    )
    assert answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    stats = await service.graphql('{ profile(by: {username: "bob"}) { stats { followersCount } } }')
    assert stats["data"]["profile"]["stats"] == {"followersCount": 0}


async def test_a_document_that_is_new_costs_by_its_length_once(start_service: StartService) -> None:
    limits = OperationLimits(cost=60, budget=250)
    service: Running = await start_service(rate_limits=True, graphql_limits=limits)
    remaining = []
    for name in ("new", "new", "newer"):
        answer = await service.graphql(f"{{ {name}: __typename }} #" + "x" * 2000)
        remaining.append(answer["extensions"]["cost"]["remaining"])
    assert remaining == [250 - 102, 250 - 103, 250 - 205]
    for query in ("{ newest: __typename } #" + "x" * 2000, "{ #" + "x" * 2000):
        (error,) = (await service.graphql(query))["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert error["message"].startswith("The document is new here, which costs 10")
    assert (await service.graphql("{ small: __typename }"))["extensions"]["cost"]["remaining"] == 250 - 207


class SilentLimits(EmbeddedRateLimits):
    """A counter that is down for operations."""

    async def spend(self, bucket: Bucket, key: str, *, amount: int = 1) -> LimitState:
        """Fail for operations alone."""
        if bucket.name == "graphql":
            raise Unavailable(Service.AUTH)
        return await super().spend(bucket, key, amount=amount)


async def test_without_the_counter_operations_run_uncounted(start_service: StartService) -> None:
    service: Running = await start_service(rate_limits=True, overrides=Overrides(limits=SilentLimits()))
    assert await service.graphql("{ __typename }") == {"data": {"__typename": "Query"}}


async def test_a_thousand_logins_in_one_request_are_denied_as_a_whole(start_service: StartService) -> None:
    service: Running = await start_service(rate_limits=True)
    ann = await service.register("ann")
    answer = await service.graphql(_logins(1000), _credentials(ann))
    assert list(answer) == ["errors"]
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID"]


async def test_many_logins_in_one_request_spend_like_as_many_requests(start_service: StartService) -> None:
    loose = OperationLimits(fields=2000, aliases=250, roots=250, tokens=10_000)
    service: Running = await start_service(rate_limits=True, graphql_limits=loose)
    ann = await service.register("ann")
    answer = await service.graphql(_logins(250), _credentials(ann))
    opened = {"session": {"user": {"userId": ann.user_id}}}
    assert list(answer["data"].values()) == [opened] * 5 + [None] * 245
    assert [error["path"] for error in answer["errors"]] == [[f"l{number}"] for number in range(5, 250)]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"RATE_LIMITED"}


def _logins(number: int) -> str:
    logins = " ".join(f"l{n}: login(input: $input) {{ session {{ user {{ userId }} }} }}" for n in range(number))
    return f"mutation ($input: LoginInput!) {{ {logins} }}"


def _credentials(person: Person) -> dict[str, Any]:
    return {"input": {"email": person.email, "password": PASSWORD}}


# ---------------------------------------------------------------- time


async def test_a_query_that_takes_too_long_is_ended(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service: Running = await start_service(graphql_limits=OperationLimits(seconds=1))

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(service.services.profiles.__class__, "find_by_username", never)
    answer = await service.graphql('{ profile(by: {username: "ann"}) { bio } }')
    (error,) = answer["errors"]
    assert error["extensions"] == {"code": "TIMEOUT"}
    assert error["message"] == "The operation took longer than 1 seconds. Ask for less at once."


async def test_a_mutation_that_takes_too_long_ends_what_it_has_begun_and_begins_nothing_more(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service: Running = await start_service(graphql_limits=OperationLimits(seconds=1))
    ann, bob = await service.register("ann"), await service.register("bob")
    follows = service.services.follows.__class__
    follow = follows.follow

    async def slowly(*arguments: Any) -> Any:
        await asyncio.sleep(1.1)
        return await follow(*arguments)

    monkeypatch.setattr(follows, "follow", slowly)
    query = """mutation ($id: ID!) {
        follow(userId: $id) { follow { state } }
        unfollow(userId: $id) { profile { userId } }
    }"""
    answer = await service.graphql(query, {"id": bob.user_id}, by=ann)
    assert answer["data"] == {"follow": {"follow": {"state": "FOLLOWING"}}, "unfollow": None}
    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]) == (["unfollow"], {"code": "TIMEOUT"})
    assert error["message"] == "The time of the operation was over before this change could begin."
    following = {"followerId": ann.user_id, "followingId": bob.user_id}
    assert await run(service, "IsFollowing", following) is True


# ---------------------------------------------------------------- what clients may read


async def test_the_limits_are_told(start_service: StartService) -> None:
    service: Running = await start_service(graphql_limits=TIGHT, rate_limits=True)
    query = """{ serverInfo { version isCharged limits { maxTokens maxDepth maxFields maxAliases maxRootFields
        maxDirectives maxPageSize maxCost costPerMinute maxSeconds } } }"""
    info = (await service.graphql(query))["data"]["serverInfo"]
    assert info == {
        "version": "0.1.0",
        "isCharged": True,
        "limits": {
            "maxTokens": 3000,
            "maxDepth": 10,
            "maxFields": 40,
            "maxAliases": 5,
            "maxRootFields": 3,
            "maxDirectives": 2,
            "maxPageSize": 100,
            "maxCost": 5000,
            "costPerMinute": 100_000,
            "maxSeconds": 10,
        },
    }


async def test_the_limits_of_uploads_are_told(start_service: StartService) -> None:
    service: Running = await start_service()
    query = """{ serverInfo { uploadLimits {
        track { maxBytes formats { mimeType } } avatar { maxBytes }
        cover { maxBytes formats { mimeType maxPixels } } } } }"""
    info = (await service.graphql(query))["data"]["serverInfo"]
    assert info["uploadLimits"] == {
        "track": {
            "maxBytes": 104_857_600,
            "formats": [{"mimeType": f"audio/{kind}"} for kind in ("mpeg", "wav", "ogg", "mp4", "flac")],
        },
        "avatar": {"maxBytes": 5_242_880},
        "cover": {
            "maxBytes": 10_485_760,
            "formats": [
                {"mimeType": "image/jpeg", "maxPixels": 25_000_000},
                {"mimeType": "image/png", "maxPixels": 25_000_000},
                {"mimeType": "image/webp", "maxPixels": 8_000_000},
            ],
        },
    }


async def test_the_schema_can_be_closed_but_for_what_every_server_must_answer(start_service: StartService) -> None:
    service: Running = await start_service(graphql_introspection=False)
    open_still = '{ __typename __type(name: "Profile") { name kind } }'
    assert (await service.graphql(open_still))["data"]["__type"] == {"name": "Profile", "kind": "OBJECT"}
    for query in (
        "{ __schema { queryType { name } } }",
        "{ s: __schema { __typename } }",
        "{ ...S } fragment S on Query { __schema { __typename } }",
        '{ __type(name: "Profile") { fields { name } } }',
        '{ __type(name: "Profile") { ...F } } fragment F on __Type { ... { fields { name } } }',
    ):
        (error,) = (await service.graphql(query))["errors"]
        assert error["extensions"] == {"code": "INVALID"}
        assert error["message"].startswith("Introspection is switched off"), query


async def test_the_schema_is_read_once_in_an_operation(service: Running) -> None:
    query = "{ a: __schema { __typename } b: __schema { __typename } }"
    (error,) = (await service.graphql(query))["errors"]
    assert error["message"] == "An operation may have 1 reads of __schema, and this one has 2."


@pytest.mark.parametrize(("suggestions", "is_told"), [(True, True), (False, False)], ids=["on", "off"])
async def test_suggestions_can_be_switched_off(
    start_service: StartService, *, suggestions: bool, is_told: bool
) -> None:
    service: Running = await start_service(graphql_suggestions=suggestions)
    role = {"input": {"email": "a@example.com", "username": "abc", "password": PASSWORD, "role": "musicia"}}
    for query, variables in (("{ profil }", None), ("{ me { usernam } }", None), (DOCUMENT, role)):
        (error,) = (await service.graphql(query, variables, name="Register" if variables else None))["errors"]
        assert ("Did you mean" in error["message"]) is is_told, error["message"]


@pytest.mark.usefixtures("known_documents")
async def test_a_refusal_by_the_budget_over_rest_spends_nothing_of_graphql(start_service: StartService) -> None:
    service: Running = await start_service(rate_limits=True, graphql_limits=OperationLimits(cost=10, budget=10))
    response: httpx.Response | None = None
    for _ in range(12):
        response = await service.client.get("/profiles/public")
    assert response is not None
    assert response.status_code != 429
    assert (await service.graphql("{ __typename }"))["extensions"]["cost"]["remaining"] == 9
