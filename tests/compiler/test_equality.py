"""Compiled operations answer what graphql-core answers: data in their order, errors, paths."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import strawberry

from tests.compiler.zoo import Cat, Context, Dog, Mood, Stone, ZooSchema

ONCE = (1, 1)
"""Of two runs: the first is never compiled, the second was."""

REPEATED = (0, 2)
"""The second was left to graphql-core."""


async def answer(schema: ZooSchema, query: str, variables: dict[str, Any] | None, context: Context) -> str:
    """Run an operation and return all that a client would see, order included."""
    result = await schema.execute(query, variables, context)
    return json.dumps({"data": result.data, "errors": [error.formatted for error in result.errors or ()]})


async def runs(
    query: str, variables: dict[str, Any] | None = None, context: Callable[[], Context] = Context
) -> tuple[int, int]:
    """Require equal answers, and return how often the operation ran compiled and by graphql-core."""
    compiled = ZooSchema("compiled")
    expected = await answer(ZooSchema("graphql-core"), query, variables, context())
    assert await answer(compiled, query, variables, context()) == expected
    assert await answer(compiled, query, variables, context()) == expected
    return compiled.executor.compiled_runs, compiled.executor.fallback_runs


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("{ cat { name lives mood } }", id="leaves"),
        pytest.param("{ __typename cat { kind: __typename lives } }", id="type_names"),
        pytest.param("{ b: cat { y: name x: name } a: cat { name } }", id="aliases_in_their_order"),
        pytest.param(
            "{ animals { __typename greeting ... on Dog { born mood } ... on Cat { lives } } }", id="interface"
        ),
        pytest.param("{ things { ... on Stone { heavy: weight } ... on Cat { name weight } } }", id="union"),
        pytest.param("{ nobody { name } dog { mood } }", id="nulls"),
        pytest.param("{ grid }", id="lists_of_lists"),
        pytest.param("{ animals { friends(first: 1) { name friends { name } } } }", id="asynchronous_in_lists"),
        pytest.param(
            "{ animals { ...A ...B } } fragment A on Animal { name ...B } fragment B on Cat { lives }",
            id="fragments",
        ),
        pytest.param("{ ...Q ...Q cat { lives } } fragment Q on Query { cat { name } }", id="overlapping_fragments"),
        pytest.param('{ cat { greeting(word: "hi") other: greeting } }', id="literal_arguments"),
        pytest.param('{ wish(wish: {name: "x", toys: ["a"], mood: FURIOUS}) }', id="input_objects"),
        pytest.param('{ chain(chain: {link: "a", next: {link: "b", weight: 1}}, spare: null) }', id="input_in_itself"),
        pytest.param("{ cat { weight } }", id="permission_given"),
        pytest.param("query Q { asked }", id="what_resolvers_may_know"),
        pytest.param("{ cat { name @skip(if: true) lives @include(if: true) } }", id="literal_directives"),
        pytest.param("{ cat { name @skip(if: true) } }", id="nothing_left"),
    ],
)
async def test_an_operation_is_compiled_when_it_comes_again(query: str) -> None:
    assert await runs(query) == ONCE


@pytest.mark.parametrize(
    "variables",
    [{}, {"a": True, "b": True}, {"a": False, "b": True}, {"a": True, "b": False}, {"a": False, "b": False}],
    ids=str,
)
async def test_directives_may_ask_variables(variables: dict[str, bool]) -> None:
    """The order of the keys depends on them: a repeated field stands where it is first included."""
    query = """query ($a: Boolean! = true, $b: Boolean! = false) {
        cat { name @include(if: $a) lives ... on Animal @skip(if: $b) { name greeting } }
        ...F @include(if: $b) ...F @include(if: $a)
    } fragment F on Query { dog { name } }"""
    assert await runs(query, variables) == ONCE


@pytest.mark.parametrize(
    "variables",
    [
        {"wish": {"name": "ball"}},
        {"wish": {"name": "ball", "toys": None}, "word": None},
        {"wish": {"name": "b", "toys": ["x"], "mood": "FURIOUS"}, "first": 0},
    ],
    ids=str,
)
async def test_arguments_may_be_variables(variables: dict[str, Any]) -> None:
    query = """query ($wish: Wish!, $word: String! = "hey", $first: Int) {
        wish(wish: $wish) cat { greeting(word: $word) friends(first: $first) { name } }
    }"""
    expected = REPEATED if variables.get("word", "") is None else ONCE
    assert await runs(query, variables) == expected


WISH = """query ($name: String! = "ball", $toy: String! = "a", $mood: Mood = CALM) {
    wish(wish: {name: $name, toys: ["x", $toy], mood: $mood})
}"""
NUMBERS = "query ($one: Int, $all: [Int!]) { numbers(of: [$one, 2, null], more: $all) }"


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        pytest.param(WISH, {}, id="defaults"),
        pytest.param(WISH, {"toy": "b", "mood": "FURIOUS"}, id="in_lists_and_objects"),
        pytest.param('query ($name: String!) { wish(wish: {name: $name, toys: "y"}) }', {"name": "x"}, id="left_out"),
        pytest.param("query ($id: Int!) { pick(by: {number: $id}) }", {"id": 3}, id="one_of"),
        pytest.param(NUMBERS, {}, id="nothing"),
        pytest.param(NUMBERS, {"one": None, "all": None}, id="nulls"),
        pytest.param(NUMBERS, {"one": 1, "all": 7}, id="one_for_a_list"),
        pytest.param("{ numbers(of: null, more: []) a: numbers(of: 5) b: numbers }", {}, id="without_variables"),
    ],
)
async def test_variables_may_stand_within_literals(query: str, variables: dict[str, Any]) -> None:
    assert await runs(query, variables) == ONCE


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        pytest.param(WISH, {"mood": None}, id="null_for_a_field"),
        pytest.param(WISH, {"mood": "MERRY"}, id="no_member"),
        pytest.param("query ($id: Int!) { pick(by: {number: $id}) }", {"id": "x"}, id="of_another_type"),
        pytest.param(NUMBERS, {"all": [1, None]}, id="a_hole_in_a_variable"),
    ],
)
async def test_variables_that_do_not_fit_are_told_alike(query: str, variables: dict[str, Any]) -> None:
    assert await runs(query, variables) == REPEATED


@pytest.mark.parametrize(
    ("query", "value"),
    [
        pytest.param("{ value }", "text", id="a_text"),
        pytest.param("{ value }", None, id="null"),
        pytest.param("{ value }", 5, id="a_number_for_a_text"),
        pytest.param("{ value }", True, id="a_truth_for_a_text"),
        pytest.param("{ number }", 2**31 - 1, id="the_largest_number"),
        pytest.param("{ number }", 5.0, id="a_whole_fraction"),
        pytest.param("{ number }", "7", id="digits"),
        pytest.param("{ number }", True, id="a_truth_for_a_number"),
        pytest.param("{ share }", 0.5, id="a_fraction"),
        pytest.param("{ share }", 1, id="a_number_for_a_fraction"),
        pytest.param("{ moment }", datetime(2020, 1, 2, tzinfo=UTC), id="a_moment"),
        pytest.param("{ mood }", Mood.WILD, id="a_member"),
        pytest.param("{ mood }", "wild", id="a_member's_value"),
        pytest.param("{ pet { name } }", Dog(name="Rex"), id="an_object"),
        pytest.param("{ pets { name } }", (Cat(name="Tom"),), id="a_tuple"),
    ],
)
async def test_values_are_serialised_alike(query: str, value: object) -> None:
    assert await runs(query, context=lambda: Context(value=lambda: value)) == ONCE


@pytest.mark.parametrize(
    ("query", "value"),
    [
        pytest.param("{ value }", [], id="a_list_for_a_text"),
        pytest.param("{ value }", ValueError("returned"), id="an_error_that_is_returned"),
        pytest.param("{ number }", None, id="null_where_none_may_be"),
        pytest.param("{ number }", 2**31, id="a_number_that_is_too_large"),
        pytest.param("{ number }", float("nan"), id="no_number"),
        pytest.param("{ share }", float("inf"), id="infinity"),
        pytest.param("{ moment }", "yesterday", id="a_text_for_a_moment"),
        pytest.param("{ mood }", "merry", id="no_member"),
        pytest.param("{ pet { name } }", Stone(weight=1), id="an_object_of_another_type"),
        pytest.param("{ pet { name } }", strawberry.cast(Dog, Cat(name="Tom")), id="an_object_that_was_cast"),
        pytest.param("{ pets { name } }", [Cat(name="Tom"), None], id="a_hole_in_a_list"),
        pytest.param("{ pets { name } }", {Cat: 1}.keys(), id="a_list_of_another_kind"),
        pytest.param("{ pets { __typename } }", [ValueError("returned")], id="an_error_in_a_list"),
        pytest.param("{ pets { name } }", "Tom", id="a_text_for_a_list"),
    ],
)
async def test_what_is_unexpected_is_left_to_graphql_core(query: str, value: object) -> None:
    assert await runs(query, context=lambda: Context(value=lambda: value)) == REPEATED


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("{ cat { name } dog { name owner } }", id="that_reach_a_field"),
        pytest.param("{ animals { name ... on Dog { owner } } cat { name } }", id="that_reach_the_root"),
        pytest.param('{ later(name: "x") number }', id="beside_what_waits"),
        pytest.param("{ path }", id="that_need_the_path"),
    ],
)
async def test_errors_are_told_alike(query: str) -> None:
    assert await runs(query) == REPEATED


async def test_permissions_are_asked() -> None:
    assert await runs("{ cat { name weight } }", context=lambda: Context(is_keeper=False)) == REPEATED


@pytest.mark.parametrize("variables", [{}, {"first": "many"}, {"first": 2**40}], ids=str)
async def test_wrong_variables_are_told_alike(variables: dict[str, Any]) -> None:
    query = "query ($first: Int!) { cat { friends(first: $first) { name } } }"
    assert await runs(query, variables) == REPEATED


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("mutation { feed }", id="mutations"),
        pytest.param('{ __type(name: "Cat") { name } }', id="introspection"),
        pytest.param(
            "{ cat { ...F } } fragment F on Cat { name } { dog { name } }", id="several_operations_without_a_name"
        ),
    ],
)
async def test_what_is_not_covered_runs_once(query: str) -> None:
    context = Context()
    compiled = ZooSchema("compiled")
    for _ in range(2):
        await compiled.execute(query, None, context)
    assert compiled.executor.compiled_runs == 0
    assert context.calls == ["feed"] * 2 * ("feed" in query)
