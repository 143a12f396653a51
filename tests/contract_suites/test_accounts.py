"""What every `Accounts` does, whatever its engine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.contract_suites.scene import NOBODY, Store, account, at_once, session, stub, twenty

from pet.domain.accounts import Account
from pet.domain.errors import Conflict
from pet.domain.ids import SessionId, UserId
from pet.domain.viewers import Role


@pytest.fixture
async def ann(store: Store) -> Account:
    """An account whose event is settled, so that a test sees its own events alone."""
    added, event = account("Ann"), stub()
    await store.accounts.add(added, event)
    await store.settle(event)
    return added


async def test_an_account_is_found_by_id_email_and_username_without_regard_to_case(store: Store, ann: Account) -> None:
    found = [
        await store.accounts.find(ann.user_id),
        await store.accounts.find_by_email("ANN@example.COM"),
        await store.accounts.find_by_username("aNN"),
    ]
    assert found == [ann, ann, ann]


async def test_what_is_not_there_is_none(store: Store, ann: Account) -> None:
    found = [
        await store.accounts.find(NOBODY),
        await store.accounts.find_by_email("bob@example.com"),
        await store.accounts.find_by_username("bob"),
    ]
    assert found == [None, None, None]


@pytest.mark.parametrize("text", ["\0", "ann\0", "\ud800", "ann' OR '1'='1", "%", ""], ids=ascii)
async def test_odd_texts_find_nobody(store: Store, ann: Account, text: str) -> None:
    assert await store.accounts.find_by_email(text) is None
    assert await store.accounts.find_by_username(text) is None


async def test_an_event_is_stored_with_its_account(store: Store) -> None:
    event = stub()
    await store.accounts.add(account("ann"), event)
    assert await store.pending() == [event]


@pytest.mark.parametrize(
    ("second", "field"),
    [
        pytest.param(account("bob", email="Ann@Example.com"), "email", id="email_in_another_case"),
        pytest.param(account("bob", email="\uff41nn@example.com"), "email", id="email_in_full_width"),
        pytest.param(account("aNN", email="bob@example.com"), "username", id="username_in_another_case"),
        pytest.param(account("ANN", email="ANN@EXAMPLE.COM"), "email", id="both"),
    ],
)
async def test_a_taken_name_is_refused_and_nothing_is_kept(
    store: Store, ann: Account, second: Account, field: str
) -> None:
    with pytest.raises(Conflict) as refusal:
        await store.accounts.add(second, stub())
    assert refusal.value.field == field
    assert await store.accounts.find(second.user_id) is None
    assert await store.pending() == []


async def test_an_account_is_not_kept_without_its_event(store: Store) -> None:
    event = stub()
    await store.accounts.add(account("ann"), event)
    bob = account("bob")
    with pytest.raises(store.refusal):
        await store.accounts.add(bob, stub(event_id=event.event_id))
    assert await store.accounts.find(bob.user_id) is None


@pytest.mark.parametrize(
    ("field", "rivals"),
    [
        ("email", [account(f"name{number}", email="same@example.com") for number in range(20)]),
        ("username", [account("same", email=f"{number}@example.com") for number in range(20)]),
    ],
)
async def test_of_twenty_at_once_one_gets_the_name(store: Store, field: str, rivals: list[Account]) -> None:
    outcomes = await at_once(*(store.accounts.add(rival, stub()) for rival in rivals))
    refusals = [outcome for outcome in outcomes if outcome is not None]
    assert [type(refusal) for refusal in refusals] == [Conflict] * 19
    assert {refusal.field for refusal in refusals if isinstance(refusal, Conflict)} == {field}
    assert len(await store.pending()) == 1
    assert sum([await store.accounts.find(rival.user_id) is not None for rival in rivals]) == 1


async def test_a_password_is_replaced_once(store: Store, ann: Account) -> None:
    replaced = [
        await store.accounts.set_password(ann.user_id, old_hash="old hash", new_hash="new hash"),
        await store.accounts.set_password(ann.user_id, old_hash="old hash", new_hash="other hash"),
        await store.accounts.set_password(NOBODY, old_hash="old hash", new_hash="other hash"),
    ]
    assert replaced == [True, False, False]
    assert await store.accounts.find(ann.user_id) == replace(ann, password_hash="new hash")


async def test_changing_a_password_ends_the_other_sessions(store: Store, ann: Account) -> None:
    bob = UserId("bob")
    own = [session("phone", ann.user_id), session("laptop", ann.user_id)]
    for each in (*own, session("tablet", bob)):
        await store.sessions.add(each)
    assert await store.accounts.change_password(
        ann.user_id, old_hash="old hash", new_hash="new hash", keep=SessionId("phone")
    )
    open_now = [await store.sessions.find(SessionId(name)) is not None for name in ("phone", "laptop", "tablet")]
    assert open_now == [True, False, True]
    assert await store.accounts.find(ann.user_id) == replace(ann, password_hash="new hash")


async def test_changing_a_password_that_was_changed_ends_no_session(store: Store, ann: Account) -> None:
    await store.sessions.add(session("phone", ann.user_id))
    assert not await store.accounts.change_password(ann.user_id, old_hash="another", new_hash="new hash")
    assert await store.sessions.find(SessionId("phone")) == session("phone", ann.user_id)
    assert await store.accounts.find(ann.user_id) == ann


async def test_of_twenty_changes_of_a_password_one_counts(store: Store, ann: Account) -> None:
    changed = await twenty(
        lambda: store.accounts.change_password(ann.user_id, old_hash="old hash", new_hash="new hash")
    )
    assert sum(changed) == 1


async def test_a_role_is_changed_with_its_event(store: Store, ann: Account) -> None:
    event = stub()
    assert await store.accounts.set_role(ann.user_id, Role.ADMIN, event)
    assert await store.accounts.find(ann.user_id) == replace(ann, role=Role.ADMIN)
    assert await store.pending() == [event]


async def test_the_role_of_nobody_stores_no_event(store: Store) -> None:
    assert not await store.accounts.set_role(NOBODY, Role.ADMIN, stub())
    assert await store.pending() == []


async def test_a_role_is_not_changed_without_its_event(store: Store, ann: Account) -> None:
    event = stub()
    await store.accounts.add(account("bob"), event)
    with pytest.raises(store.refusal):
        await store.accounts.set_role(ann.user_id, Role.ADMIN, stub(event_id=event.event_id))
    assert await store.accounts.find(ann.user_id) == ann


async def test_an_account_is_removed_with_its_sessions_and_nobody_finds_it(store: Store, ann: Account) -> None:
    await store.sessions.add(session("phone", ann.user_id))
    event = stub()
    assert await store.accounts.remove(ann.user_id, event)
    assert await store.accounts.find(ann.user_id) is None
    assert await store.accounts.find_by_email(ann.email) is None
    assert await store.accounts.find_by_username(ann.username) is None
    assert await store.sessions.find(SessionId("phone")) is None
    assert await store.pending() == [event]


async def test_a_removed_account_cannot_be_changed(store: Store, ann: Account) -> None:
    await store.accounts.remove(ann.user_id, stub())
    assert not await store.accounts.set_password(ann.user_id, old_hash="old hash", new_hash="new hash")
    assert not await store.accounts.change_password(ann.user_id, old_hash="old hash", new_hash="new hash")
    assert not await store.accounts.set_role(ann.user_id, Role.ADMIN, stub())
    assert not await store.accounts.remove(ann.user_id, stub())


async def test_the_names_of_a_removed_account_are_taken_until_it_is_forgotten(store: Store, ann: Account) -> None:
    await store.accounts.remove(ann.user_id, stub())
    with pytest.raises(Conflict, match="Email already exists"):
        await store.accounts.add(account("other", email=ann.email.upper()), stub())
    with pytest.raises(Conflict, match="Username already exists"):
        await store.accounts.add(account("Ann", email="other@example.com"), stub())
    for _ in range(2):
        await store.accounts.forget(ann.user_id)
    await store.accounts.add(newer := account("Ann", email=ann.email), stub())
    await store.accounts.forget(ann.user_id)
    assert await store.accounts.find_by_username("ann") == newer


async def test_forgetting_spares_an_account_that_is_open(store: Store, ann: Account) -> None:
    await store.sessions.add(session("phone", ann.user_id))
    await store.accounts.forget(ann.user_id)
    assert await store.accounts.find(ann.user_id) == ann
    assert await store.sessions.find(SessionId("phone")) is not None


async def test_forgetting_takes_a_session_along_that_began_after_the_removal(store: Store, ann: Account) -> None:
    await store.accounts.remove(ann.user_id, stub())
    await store.sessions.add(session("phone", ann.user_id))
    await store.accounts.forget(ann.user_id)
    assert await store.sessions.find(SessionId("phone")) is None


async def test_an_account_is_not_removed_without_its_event(store: Store, ann: Account) -> None:
    event = stub()
    await store.accounts.add(account("bob"), event)
    with pytest.raises(store.refusal):
        await store.accounts.remove(ann.user_id, stub(event_id=event.event_id))
    assert await store.accounts.find(ann.user_id) == ann


async def test_of_twenty_removals_one_counts(store: Store, ann: Account) -> None:
    removed = await twenty(lambda: store.accounts.remove(ann.user_id, stub()))
    assert sum(removed) == 1
    assert len(await store.pending()) == 1
