"""`/graphql` over HTTP: what is malformed is a 400 in GraphQL's words, never a 5xx and never plain text."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from graphql import DocumentNode, GraphQLError, GraphQLSchema, validate

from tests.conftest import Person, Service
from tests.schema.operations import DOCUMENT

pytestmark = pytest.mark.usefixtures("fresh_schema")

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json; charset=utf-8"
QUERY = "{ __typename }"


async def post(service: Service, body: bytes, **headers: str) -> httpx.Response:
    """Send a body as it is."""
    given = {"content-type": "application/json", **headers}
    return await service.client.post("/graphql", content=body, headers=given)


def code_of(response: httpx.Response) -> str:
    """Return the code of the one error of a request that was refused before it could run."""
    assert response.headers["content-type"] == JSON
    answer = response.json()
    assert list(answer) == ["errors"]
    (error,) = answer["errors"]
    assert set(error) == {"message", "extensions"}
    code: str = error["extensions"]["code"]
    return code


MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "number": b"1",
    "text": b'"x"',
    "no_operation": b"{}",
    "batch": b'[{"query": "{ __typename }"}]',
    "empty_batch": b"[]",
    "broken": b'{"query": ',
    "not_a_number": b'{"query": "{ __typename }", "variables": {"a": NaN}}',
    "infinity": b'{"query": "{ __typename }", "variables": {"a": Infinity}}',
    "invalid_utf_8": b'{"query": "\xff"}',
    "lone_surrogate": rb'{"query": "{ __typename }", "variables": {"a": "\ud800"}}',
    "deep": b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
    "query_null": b'{"query": null}',
    "query_number": b'{"query": 1}',
    "query_list": b'{"query": ["{ __typename }"]}',
    "variables_list": b'{"query": "{ __typename }", "variables": []}',
    "variables_text": b'{"query": "{ __typename }", "variables": "{}"}',
    "operation_name_number": b'{"query": "{ __typename }", "operationName": 1}',
    "operation_name_object": b'{"query": "{ __typename }", "operationName": {"a": []}}',
    "extensions_text": b'{"query": "{ __typename }", "extensions": "x"}',
}


async def test_a_malformed_body_is_a_400(service: Service) -> None:
    for name, body in MALFORMED.items():
        response = await post(service, body)
        assert (response.status_code, code_of(response)) == (400, "INVALID"), name


async def test_another_content_type_is_a_415(service: Service) -> None:
    body = json.dumps({"query": QUERY}).encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "", ";", "multipart/mixed", "application"):
        response = await post(service, body, **{"content-type": content_type})
        assert (response.status_code, code_of(response)) == (415, "INVALID"), content_type


async def test_a_body_that_is_too_large_is_a_413(service: Service) -> None:
    response = await post(service, json.dumps({"query": QUERY, "extensions": {"x": "y" * 1024**2}}).encode())
    assert (response.status_code, code_of(response)) == (413, "TOO_LARGE")


async def test_the_path_is_exact(service: Service) -> None:
    assert (await post(service, b'{"query": "{ __typename }"}')).json() == {"data": {"__typename": "Query"}}
    response = await service.client.post("/graphql/", json={"query": QUERY})
    assert response.status_code == 404
    assert response.json() == {"success": False, "error": "There is no such route."}


async def test_other_methods_are_refused(service: Service) -> None:
    for method in ("PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        response = await service.client.request(method, "/graphql")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


async def test_a_query_works_by_get(service: Service, ann: Person) -> None:
    variables = json.dumps({"by": {"username": "ann"}})
    query = "query ($by: ProfileBy!) { profile(by: $by) { userId } }"
    response = await service.client.get("/graphql", params={"query": query, "variables": variables})
    assert response.status_code == 200
    assert response.headers["content-type"] == JSON
    assert response.json() == {"data": {"profile": {"userId": ann.user_id}}}
    chosen = {"query": DOCUMENT, "operationName": "Me", "variables": "null"}
    assert (await service.client.get("/graphql", params=chosen)).json() == {"data": {"me": None}}


async def test_a_mutation_by_get_is_refused_and_not_run(service: Service, ann: Person, bob: Person) -> None:
    query = f'mutation {{ follow(userId: "{bob.user_id}") {{ follow {{ state }} }} }}'
    response = await service.client.get("/graphql", params={"query": query}, headers=ann.headers)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert code_of(response) == "INVALID"
    stats = await service.graphql('{ profile(by: {username: "bob"}) { stats { followersCount } } }')
    assert stats["data"]["profile"]["stats"] == {"followersCount": 0}


async def test_a_malformed_get_is_a_400(service: Service) -> None:
    for params in (
        {"query": ""},
        {"variables": "{}"},
        {"query": QUERY, "variables": "{"},
        {"query": QUERY, "variables": "[]"},
        {"query": QUERY, "variables": "NaN"},
        {"query": QUERY, "extensions": "1"},
        {"query": QUERY, "operationName": "Other"},
    ):
        headers = {"accept": "application/json"}
        response = await service.client.get("/graphql", params=params, headers=headers)
        assert response.status_code == 400, params
        assert code_of(response) == "INVALID"


@pytest.mark.parametrize(
    ("body", "status", "keys"),
    [
        ({"query": QUERY}, 200, {"data"}),
        ({"query": "{ feed { edges { cursor } } }"}, 200, {"data", "errors"}),
        ({"query": "{ nobody }"}, 400, {"errors"}),
        ({"query": "{"}, 400, {"errors"}),
        ({"query": "query ($id: ID!) { node(id: $id) { id } }"}, 400, {"errors"}),
        ({"query": 1}, 400, {"errors"}),
    ],
    ids=["fine", "failed_field", "validation", "syntax", "variables", "malformed"],
)
async def test_the_status_tells_whether_anything_ran_for_who_knows_the_media_type(
    service: Service, body: dict[str, Any], status: int, keys: set[str]
) -> None:
    accepted = f"{GRAPHQL_RESPONSE}, application/json;q=0.9"
    response = await service.client.post("/graphql", json=body, headers={"accept": accepted})
    assert response.status_code == status
    assert response.headers["content-type"] == f"{GRAPHQL_RESPONSE}; charset=utf-8"
    assert set(response.json()) == keys


@pytest.mark.parametrize("accept", ["*/*", "application/json", f"application/json, {GRAPHQL_RESPONSE};q=0.5"])
async def test_others_get_200_for_whatever_is_well_formed(service: Service, accept: str) -> None:
    response = await service.client.post("/graphql", json={"query": "{ nobody }"}, headers={"accept": accept})
    assert (response.status_code, code_in_answer(response)) == (200, "INVALID")
    assert response.headers["content-type"] == JSON


def code_in_answer(response: httpx.Response) -> str:
    """Return the code of the one error of an answer."""
    (error,) = response.json()["errors"]
    code: str = error["extensions"]["code"]
    return code


@pytest.mark.parametrize(
    "query",
    [
        '{ profile(by: {username: "x"}) '
        + "{ tracks { edges { node { owner " * 4
        + "{ userId }"
        + " } } } }" * 4
        + " }",
        "{ " + " ".join(f"a{number}: __typename" for number in range(101)) + " }",
        "{ " + "__typename " * 5001 + "}",
    ],
    ids=["depth", "aliases", "tokens"],
)
async def test_an_operation_beyond_the_limits_is_refused(service: Service, query: str) -> None:
    for _ in range(2):  # the second time it comes from the caches
        answer = await service.graphql(query)
        assert "data" not in answer
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID"]


async def test_a_document_is_validated_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    validated: list[DocumentNode] = []

    def counted(schema: GraphQLSchema, document: DocumentNode, *rules: Any, **options: Any) -> list[GraphQLError]:
        validated.append(document)
        return validate(schema, document, *rules, **options)

    monkeypatch.setattr("pet.schema.preparing.validate", counted)
    for _ in range(3):
        assert await service.graphql("{ once: __typename }") == {"data": {"once": "Query"}}
        assert "data" not in await service.graphql("{ onceMore }")
    assert len(validated) == 2


async def test_an_operation_within_the_limits_runs(service: Service, ann: Person) -> None:
    nested = (
        '{ profile(by: {username: "ann"}) '
        + "{ tracks { edges { node { owner " * 3
        + "{ userId }"
        + " } } } }" * 3
        + " }"
    )
    assert (await service.graphql(nested))["data"] == {"profile": {"tracks": {"edges": []}}}
    aliases = "{ " + " ".join(f"a{number}: __typename" for number in range(100)) + " }"
    assert len((await service.graphql(aliases))["data"]) == 100


async def test_introspection_works(service: Service) -> None:
    answer = await service.graphql("{ __schema { queryType { name fields { name description } } } }")
    assert answer["data"]["__schema"]["queryType"]["name"] == "Query"
