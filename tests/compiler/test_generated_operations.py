"""Random operations are answered alike by compiled code and by graphql-core: data, their order, errors and their paths.

Each operation has a seed of its own, so one that differs can be run again alone: `drawn(both, network, seed)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from tests.compiler.both import Both
from tests.compiler.faults import Faults
from tests.compiler.network import Identity, Network
from tests.compiler.operations import Operation, operation, switched
from tests.compiler.values import Supply

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CHUNK = 500
SOUND, FAILING = 12, 8
"""How many chunks: 10,000 operations together, some minutes for one core."""

FAULTS = 5
"""Percent of the calls that fail, and of the things that have a value which they cannot have."""

COMPILED_SHARE = 0.8
"""At least, of the answers without errors; graphql-core gives the others, and those that read the schema."""


def drawn(both: Both, network: Network, seed: int) -> list[tuple[Operation, Identity]]:
    """Return the operation of a seed, twice, with other switches for another viewer."""
    random = Random(f"operation {seed}")
    supply = Supply(network, random)
    while not both.takes(found := operation(both.plain._schema, supply, random)):
        pass
    one, other = random.sample(network.identities, 2)
    return [(found, one), (switched(found, random), other)]


def seeds(chunk: int) -> Iterator[int]:
    return iter(range(chunk * CHUNK, (chunk + 1) * CHUNK))


@pytest.mark.parametrize("chunk", range(SOUND))
async def test_what_is_sound_is_answered_alike(both: Both, network: Network, chunk: int) -> None:
    for seed in seeds(chunk):
        runs = drawn(both, network, seed)
        await both.warm_up(runs[0][0])
        for found, identity in runs:
            plain, compiled = await both.answers(found, identity)
            assert compiled == plain, (seed, found, identity)
    assert both.sound_runs >= CHUNK
    assert both.sound_compiled_runs >= COMPILED_SHARE * both.sound_runs


# graphql-core awaits no coroutine of a field that it cancels before it has begun; ours have other names.
@pytest.mark.filterwarnings("ignore:coroutine 'GraphQLCoreConverter:RuntimeWarning")
# The same, where the collector comes upon one in the constructor of a named tuple, in which nothing can be imported.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine object GraphQLCoreConverter")
@pytest.mark.parametrize("chunk", range(SOUND, SOUND + FAILING))
async def test_what_fails_anywhere_is_answered_alike(both: Both, network: Network, chunk: int) -> None:
    for seed in seeds(chunk):
        runs = drawn(both, network, seed)
        await both.warm_up(runs[0][0])
        for found, identity in runs:
            plain, compiled = await both.answers(found, identity, Faults(seed, percent=FAULTS))
            assert compiled == plain, (seed, found, identity)
