"""Every operation of the contract, and every other one that a test sends, is answered alike by both executors."""

from __future__ import annotations

from random import Random

from graphql import OperationType

from tests.compiler.both import Both
from tests.compiler.collected import collected
from tests.compiler.network import Network
from tests.compiler.values import Supply
from tests.schema.operations import NAMES

ROUNDS = 2
"""With other viewers and other values each."""

COMPILED_SHARE = 0.5
"""At least, of the answers without errors; changes are left to graphql-core."""


async def test_operations_that_others_send_are_answered_alike(both: Both, network: Network) -> None:
    names = set()
    for number in range(ROUNDS):
        random = Random(f"round {number}")
        for operation, kind in collected(both.plain._schema, Supply(network, random), random):
            is_query = kind is OperationType.QUERY
            identity = random.choice(network.identities) if is_query else None  # who may change nothing
            await both.warm_up(operation)
            plain, compiled = await both.answers(operation, identity)
            assert compiled == plain, (operation, identity)
            names.add(operation.name)
    assert names >= set(NAMES) - {"FeedActivity"}
    assert both.sound_compiled_runs > COMPILED_SHARE * both.sound_runs
