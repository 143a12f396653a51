"""When operations are compiled, what that may cost, and how what waits is awaited."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import Any

import pytest

from pet.compiler import executor, operations, plan
from tests.compiler.zoo import Context, ZooSchema


@pytest.fixture
def schema() -> ZooSchema:
    """The zoo, whose operations are compiled."""
    return ZooSchema("compiled")


async def run(
    schema: ZooSchema,
    query: str,
    variables: dict[str, Any] | None = None,
    *,
    times: int = 2,
    context: Context | None = None,
) -> object:
    """Run an operation again and again, and return the data of the last run."""
    result = None
    for _ in range(times):
        result = await schema.execute(query, variables, context or Context())
    return result and result.data


async def test_what_comes_once_is_not_compiled(schema: ZooSchema) -> None:
    for number in range(5):
        await run(schema, f"{{ cat {{ name{number}: name }} }}", times=1)
    assert (schema.executor.compiled_runs, schema.executor.fallback_runs) == (0, 5)


async def test_graphql_core_compiles_nothing() -> None:
    schema = ZooSchema("graphql-core")
    await run(schema, "{ cat { name } }")
    assert (schema.executor.compiled_runs, schema.executor.fallback_runs) == (0, 2)


async def test_one_operation_of_a_document_is_compiled_by_its_name(schema: ZooSchema) -> None:
    for name in ("A", "B", "A", "B"):
        result = await schema.execute(
            "query A { cat { name } } query B { grid }", operation_name=name, context_value=Context()
        )
        assert result.data == {"A": {"cat": {"name": "Tom"}}, "B": {"grid": [[1, None], None, [], [2147483647]]}}[name]
    assert schema.executor.compiled_runs == 3


async def test_siblings_wait_side_by_side(schema: ZooSchema) -> None:
    """Else loaders would have nothing to batch."""
    context = Context()
    query = '{ a: later(name: "a") animals { friends(first: 1) { friends(first: 1) { name } } } b: later(name: "b") }'
    await run(schema, query, context=context)
    calls, compiled_calls = context.calls[: len(context.calls) // 2], context.calls[len(context.calls) // 2 :]
    assert compiled_calls == calls
    assert calls[:3] == ["begin a", "animals", "begin b"]
    assert schema.executor.compiled_runs == 1


async def test_an_operation_that_is_cancelled_ends_all_that_it_began(schema: ZooSchema) -> None:
    query, context = '{ a: later(name: "a") b: later(name: "b") }', Context(wait=asyncio.Event().wait)
    await run(schema, query)
    running = asyncio.ensure_future(run(schema, query, times=1, context=context))
    for _ in range(10):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert context.calls == ["begin a", "begin b"]
    assert schema.executor.fallback_runs == 1


async def test_what_fails_again_and_again_is_tried_less_and_less(schema: ZooSchema) -> None:
    """A failure runs twice, once in each way; that must not become a client's means to make every request dearer."""
    context = Context()
    await run(schema, "{ cat { name } number }", times=101, context=context)
    assert len(context.calls) == 101 + 8
    assert schema.executor.fallback_runs == 101


async def test_an_operation_that_failed_is_compiled_again_when_it_succeeds(schema: ZooSchema) -> None:
    await run(schema, "{ number }", times=2)
    await run(schema, "{ number }", times=10, context=Context(value=lambda: 1))
    assert schema.executor.compiled_runs == 10


async def test_only_so_many_combinations_of_switches_are_compiled(schema: ZooSchema) -> None:
    names = "abcde"
    variables = " ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: lives @skip(if: ${name})" for name in names)
    query = f"query ({variables}) {{ cat {{ name {fields} }} }}"
    for number in range(32):
        switches = {name: bool(number >> place & 1) for place, name in enumerate(names)}
        await run(schema, query, switches, times=1)
    assert schema.executor.compiled_runs == operations.MAX_VARIANTS
    assert schema.executor.fallback_runs == 32 - operations.MAX_VARIANTS


async def test_a_plan_has_a_limit(schema: ZooSchema, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MAX_FIELDS", 3)
    await run(schema, "{ cat { name lives } }")
    await run(schema, "{ cat { name lives mood } }")
    assert (schema.executor.compiled_runs, schema.executor.fallback_runs) == (1, 3)


async def test_what_was_compiled_goes_when_the_memory_is_used_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executor, "CACHE_BYTES", 3 * executor.BYTES_OF_A_DOCUMENT)
    schema = ZooSchema("compiled")
    for query in ("{ cat { name } }", "{ dog { name } }", "{ cat { name } }", "{ dog { mood } }", "{ dog { name } }"):
        await run(schema, query, times=1)
    assert (schema.executor.compiled_runs, schema.executor.fallback_runs) == (1, 4)


async def test_a_mistake_of_the_compiler_is_logged_and_graphql_core_answers(
    schema: ZooSchema, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> object:
        raise KeyError

    monkeypatch.setattr(operations, "compiled", broken)
    assert await run(schema, "{ cat { name } }") == {"cat": {"name": "Tom"}}
    assert [record.message for record in caplog.records] == ["an operation could not be compiled: graphql-core runs it"]


async def test_an_operation_without_waiting_runs_synchronously(schema: ZooSchema) -> None:
    for _ in range(2):
        assert schema.execute_sync("{ cat { name } }", context_value=Context()).data == {"cat": {"name": "Tom"}}
    assert schema.executor.compiled_runs == 1


async def test_no_more_memory_is_taken_than_is_counted(schema: ZooSchema) -> None:
    await run(schema, "{ animals { name ... on Dog { born mood } } }")
    queries = [f"{{ a{number}: cat {{ name lives }} animals {{ name greeting }} }}" for number in range(50)]
    counted = schema.executor.size_bytes
    gc.collect()
    tracemalloc.start()
    try:
        for query in queries:
            await run(schema, query)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < schema.executor.size_bytes - counted < 3 * taken
