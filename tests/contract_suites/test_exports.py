"""What every `Exports` does, whatever its engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.contract_suites.scene import NOBODY, NOON, Store, account, after, at_once, stub, twenty

from pet.domain.accounts import Account
from pet.domain.errors import NotFound
from pet.domain.exports import LEASE, DataExport, ExportState
from pet.domain.ids import ExportId, UserId, new_uuid7


@pytest.fixture
async def ann(store: Store) -> Account:
    """An account."""
    person = account("ann")
    await store.accounts.add(person, stub())
    return person


def asked(user_id: UserId, *, minutes: float = 0) -> DataExport:
    """Return an export that is kept nowhere yet."""
    return DataExport(ExportId(new_uuid7()), user_id, ExportState.PREPARING, after(minutes), due_at=after(minutes))


def never(current: DataExport) -> bool:
    del current
    return False


def always(current: DataExport) -> bool:
    del current
    return True


async def begun(store: Store, user_id: UserId) -> DataExport:
    return await store.exports.begin(asked(user_id), gives_way=never)


async def in_hand(store: Store, user_id: UserId) -> DataExport:
    """Return an export that is being made."""
    await begun(store, user_id)
    export = await store.exports.claim(now=NOON, until=NOON + LEASE)
    assert export is not None
    return export


async def finish(store: Store, export: DataExport, *, minutes: float = 60) -> bool:
    return await store.exports.finish(export, size_bytes=9_000_000_000, at=after(1), until=after(minutes))


async def test_an_export_is_found_by_its_user_and_its_id(store: Store, ann: Account) -> None:
    assert await store.exports.find(ann.user_id) is None
    export = await begun(store, ann.user_id)
    assert await store.exports.find(ann.user_id) == export
    assert await store.exports.get(export.export_id) == export
    with pytest.raises(NotFound):
        await store.exports.get(ExportId(NOBODY))


async def test_of_twenty_beginnings_one_counts(store: Store, ann: Account) -> None:
    exports = await twenty(lambda: begun(store, ann.user_id))
    assert len({export.export_id for export in exports}) == 1


async def test_what_gives_way_has_ended(store: Store, ann: Account) -> None:
    first = await begun(store, ann.user_id)
    second = await store.exports.begin(asked(ann.user_id), gives_way=always)
    assert await store.exports.find(ann.user_id) == second
    with pytest.raises(NotFound):
        await store.exports.get(first.export_id)
    assert [export.export_id for export in await store.exports.ended(now=NOON, limit=10)] == [first.export_id]


async def test_nothing_is_begun_for_an_account_that_is_gone(store: Store, ann: Account) -> None:
    await store.accounts.remove(ann.user_id, stub())
    for user_id in (ann.user_id, NOBODY):
        with pytest.raises(NotFound):
            await begun(store, user_id)


async def test_a_beginning_that_races_the_end_of_the_account_comes_before_it_or_not_at_all(store: Store) -> None:
    for number in range(5):
        person = account(f"ann{number}")
        await store.accounts.add(person, stub())

        async def leave(person: Account = person) -> None:
            await store.accounts.remove(person.user_id, stub())
            await store.exports.end(now=NOON, user_id=person.user_id)

        await at_once(begun(store, person.user_id), leave(), begun(store, person.user_id))
        assert await store.exports.find(person.user_id) is None


async def test_the_export_that_waits_longest_is_claimed_first_and_by_one_alone(store: Store) -> None:
    people = [account(f"user{number}") for number in range(3)]
    for minutes, person in zip((2, 0, 1), people, strict=True):
        await store.accounts.add(person, stub())
        await store.exports.begin(asked(person.user_id, minutes=minutes), gives_way=never)
    claimed = [await store.exports.claim(now=after(1), until=after(9)) for _ in range(3)]
    assert [export and export.user_id for export in claimed] == [people[1].user_id, people[2].user_id, None]
    at_last = await twenty(lambda: store.exports.claim(now=after(2), until=after(9)))
    assert [export.user_id for export in at_last if export] == [people[0].user_id]


async def test_what_nobody_has_in_hand_any_more_is_claimed_again_as_the_next_attempt(
    store: Store, ann: Account
) -> None:
    first = await in_hand(store, ann.user_id)
    assert await store.exports.advance(first, until=NOON + 2 * LEASE, done_bytes=7, total_bytes=9)
    told = await store.exports.get(first.export_id)
    assert (told.attempt, told.done_bytes, told.total_bytes, told.progress) == (1, 7, 9, 7 / 9)
    almost = timedelta(milliseconds=1)
    assert await store.exports.claim(now=NOON + 2 * LEASE - almost, until=after(9)) is None
    second = await store.exports.claim(now=NOON + 2 * LEASE, until=after(9))
    assert second == replace(first, attempt=2, due_at=after(9))
    assert second.blob_keys[0] == first.blob_keys[0]
    # The first attempt has lost it for good.
    assert not await store.exports.advance(first, until=after(20), done_bytes=8, total_bytes=9)
    assert not await finish(store, first)
    await store.exports.postpone(first, until=NOON)
    await store.exports.give_up(first, until=NOON)
    assert await store.exports.get(first.export_id) == second


async def test_what_is_postponed_waits(store: Store, ann: Account) -> None:
    await store.exports.postpone(await in_hand(store, ann.user_id), until=after(5))
    assert await store.exports.claim(now=after(4), until=after(9)) is None
    again = await store.exports.claim(now=after(5), until=after(9))
    assert again is not None
    assert again.attempt == 2


async def test_a_finished_export_tells_its_size_and_is_not_claimed(store: Store, ann: Account) -> None:
    export = await in_hand(store, ann.user_id)
    assert await finish(store, export)
    assert await store.exports.find(ann.user_id) == replace(
        export, state=ExportState.READY, size_bytes=9_000_000_000, ready_at=after(1), due_at=after(60)
    )
    assert await store.exports.claim(now=after(999), until=after(1000)) is None
    assert not await finish(store, export)


async def test_one_that_was_given_up_is_told_and_goes_when_it_is_due(store: Store, ann: Account) -> None:
    export = await in_hand(store, ann.user_id)
    await store.exports.give_up(export, until=after(5))
    assert (await store.exports.get(export.export_id)).state is ExportState.FAILED
    await store.exports.end(now=after(5))
    assert await store.exports.find(ann.user_id) is None


async def test_what_is_due_ends_and_is_removed_once(store: Store, ann: Account) -> None:
    export = await in_hand(store, ann.user_id)
    await finish(store, export)
    await store.exports.end(now=after(59))
    assert await store.exports.ended(now=after(59), limit=10) == []
    await store.exports.remove(export.export_id)  # it has not ended
    assert await store.exports.find(ann.user_id) is not None
    await store.exports.end(now=after(60))
    [ended] = await store.exports.ended(now=after(60), limit=10)
    assert (ended.export_id, ended.state, ended.blob_keys) == (export.export_id, ExportState.ENDED, export.blob_keys)
    for _ in range(2):
        await store.exports.remove(export.export_id)
    assert await store.exports.ended(now=after(60), limit=10) == []


async def test_the_exports_of_a_user_end_and_what_is_in_hand_is_due_when_that_ends(store: Store, ann: Account) -> None:
    bob = account("bob")
    await store.accounts.add(bob, stub())
    for person in (ann, bob):
        await in_hand(store, person.user_id)
    mine = await store.exports.find(ann.user_id)
    assert mine is not None
    for _ in range(2):
        await store.exports.end(now=NOON, user_id=ann.user_id)
    assert not await store.exports.advance(mine, until=after(9), done_bytes=1, total_bytes=1)
    assert await store.exports.ended(now=NOON, user_id=ann.user_id, limit=10) == []
    [ended] = await store.exports.ended(now=NOON + LEASE, user_id=ann.user_id, limit=10)
    assert ended.export_id == mine.export_id
    assert await store.exports.find(bob.user_id) is not None
    assert await store.exports.ended(now=NOON + LEASE, user_id=bob.user_id, limit=10) == []
