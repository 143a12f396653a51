"""Changes at the same moment: what one transaction leaves out of sight of another must not be lost between them.

A store that locks as a whole has no such moments. The others are slowed down here, so that the moments meet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.contract_suites.scene import (
    NOON,
    Store,
    account,
    after,
    at_once,
    everything_at_once,
    following,
    session,
    stub,
)

from pet.domain.delivery import TooEarly
from pet.domain.effects import effects_of
from pet.domain.events import FollowCreated, UserCreated, UserUpdated
from pet.domain.follows import FollowState
from pet.domain.ids import SessionId, UserId, new_uuid7
from pet.domain.stats import Stats
from pet.domain.viewers import Role, Viewer
from pet.storage.mongo.operations import Operations
from pet.storage.sql.database import Database, Statements

PAUSE_SECONDS = 0.004


def pause_after(patch: pytest.MonkeyPatch, beginning: str = "", *, seconds: float) -> None:
    """Let every statement of SQL that begins so be followed by a pause, within transactions too."""

    def with_pause(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def slow(self: Statements, sql: str, *values: object) -> Any:
            result = await method(self, sql, *values)
            await asyncio.sleep(seconds if sql.startswith(beginning) else 0)
            return result

        return slow

    for kind, name in ((Statements, "rows"), (Statements, "run"), (Database, "rows"), (Database, "records")):
        patch.setattr(kind, name, with_pause(getattr(kind, name)))


def pause_after_operations(patch: pytest.MonkeyPatch, *, seconds: float) -> None:
    """Let every operation of MongoDB be followed by a pause, within transactions too."""

    def with_pause(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def slow(self: Operations, *given: object, **options: object) -> Any:
            result = await method(self, *given, **options)
            await asyncio.sleep(seconds)
            return result

        return slow

    for name in ("rows", "row", "insert", "insert_all", "replace", "update", "update_all", "take", "delete"):
        patch.setattr(Operations, name, with_pause(getattr(Operations, name)))


@pytest.fixture
def slowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every statement of SQL, and every operation of MongoDB, take its time."""
    pause_after(monkeypatch, seconds=PAUSE_SECONDS)
    pause_after_operations(monkeypatch, seconds=PAUSE_SECONDS)


@pytest.mark.parametrize("change", ["change_password", "remove"])
async def test_a_login_during_a_change_of_password_sees_the_change_or_is_ended_by_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    ann = account("ann")
    await store.accounts.add(ann, stub(ann.user_id))
    pause_after(monkeypatch, "DELETE FROM session WHERE user_id", seconds=0.2)

    async def log_in() -> bool:
        """Do as the service does: open a session, then look whether the password is still the one that was proven."""
        await asyncio.sleep(0.05)
        await store.sessions.add(session("new", ann.user_id))
        current = await store.accounts.find(ann.user_id)
        return current is not None and current.password_hash == ann.password_hash

    async def end_sessions() -> object:
        if change == "remove":
            return await store.accounts.remove(ann.user_id, stub(ann.user_id))
        return await store.accounts.change_password(ann.user_id, old_hash="old hash", new_hash="new hash")

    is_let_in, _ = await asyncio.gather(log_in(), end_sessions())
    is_open = await store.sessions.find(SessionId("new")) is not None
    assert (is_let_in, is_open) in {(True, False), (False, True), (False, False)}


@pytest.mark.usefixtures("slowed")
@pytest.mark.parametrize("lead", [0, 1, 2, 3, 4, 5, 6])
async def test_a_user_who_is_purged_while_they_are_created_is_gone(store: Store, lead: int) -> None:
    user_id = UserId(new_uuid7())
    created = UserCreated(user_id=user_id, occurred_at=NOON, username="ann", role=Role.LISTENER.value)

    async def purge() -> None:
        await asyncio.sleep(lead * PAUSE_SECONDS)
        await store.projections.purge(user_id)

    await asyncio.gather(store.projections.apply(created, effects_of(created)), purge())
    assert await store.profiles.get_many([user_id]) == {}
    assert (await store.profiles.plain_page(after=None, limit=10, search="ann")).items == []


@pytest.mark.usefixtures("slowed")
@pytest.mark.parametrize("lead", [1, 2, 3, 4, 5, 6])
async def test_of_two_creations_that_take_a_name_one_makes_a_profile_and_one_has_to_wait(
    store: Store, lead: int
) -> None:
    users = [UserId(new_uuid7()) for _ in range(2)]
    events = [UserCreated(user_id=user, occurred_at=NOON, username="ann", role=Role.LISTENER.value) for user in users]

    async def create(event: UserCreated, wait: int) -> bool:
        await asyncio.sleep(wait * PAUSE_SECONDS)
        return await store.projections.apply(event, effects_of(event))

    made = await at_once(create(events[0], 0), create(events[1], lead))
    [winner] = [number for number, result in enumerate(made) if result is True]
    assert isinstance(made[1 - winner], (TooEarly, *store.refusal))
    assert list(await store.profiles.get_many(users)) == [users[winner]]
    await store.projections.purge(users[winner])
    assert await create(events[1 - winner], 0)
    assert list(await store.profiles.get_many(users)) == [users[1 - winner]]


@pytest.mark.usefixtures("slowed")
@pytest.mark.parametrize("is_followed_before", [False, True])
@pytest.mark.parametrize("lead", [-4, -3, -2, -1, 0, 1, 2, 3, 4])
async def test_an_unfollow_that_races_a_follow_comes_before_or_after_it(
    store: Store, lead: int, is_followed_before: bool
) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    if is_followed_before:
        await store.follow(ann, bob)

    async def follow() -> int:
        await asyncio.sleep(max(0, -lead) * PAUSE_SECONDS)
        _, events = await store.follows.add(ann, bob, following(ann, bob))
        await store.deliver(*events)
        return len(events)

    async def unfollow() -> int:
        await asyncio.sleep(max(0, lead) * PAUSE_SECONDS)
        events = await store.follows.remove(ann, bob, only=None, at=NOON)
        await store.deliver(*events)
        return len(events)

    made, ended = await asyncio.gather(follow(), unfollow())
    left = is_followed_before + made - ended
    states = {bob: FollowState.FOLLOWING} if left else {}
    assert (await store.follows.states(ann, [bob]), await store.pending()) == (states, [])
    shown = [(await store.shown(person)).stats for person in (ann, bob)]
    assert shown == [Stats(following=left), Stats(followers=left)]


@pytest.mark.usefixtures("slowed")
async def test_a_purge_that_ends_has_removed_everything_though_another_one_is_at_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sql.database", "sql.effects", "mongo.database", "mongo.effects"):
        monkeypatch.setattr(f"pet.storage.{module}.STEP", 3)
    ann, *others = [await store.profile(f"user{number}") for number in range(11)]
    for other in others:
        await store.follow(ann, other)
        await store.follow(other, ann)
    news = [UserUpdated(user_id=ann, occurred_at=after(120 * number), is_news=True) for number in range(11)]
    await store.deliver(*news)

    async def purge() -> None:
        await store.projections.purge(ann)
        assert await store.follows.following_ids([ann]) == {ann: []}
        assert all(ann not in ids for ids in (await store.follows.following_ids(others)).values())
        assert await store.activities.of_events(news) == {}

    await asyncio.gather(*(purge() for _ in range(3)))
    people = await store.profiles.get_many(others)
    assert [(person.stats.followers, person.stats.following) for person in people.values()] == [(0, 0)] * 10


@pytest.mark.usefixtures("slowed")
@pytest.mark.parametrize("lead", [0, 4, 8])
@pytest.mark.parametrize("by", ["accept", "accept_requests", "add"])
async def test_whoever_begins_to_follow_while_something_is_published_has_it_in_the_feed(
    store: Store, monkeypatch: pytest.MonkeyPatch, by: str, lead: int
) -> None:
    for engine in ("sql", "mongo"):
        monkeypatch.setattr(f"pet.storage.{engine}.feed.FIRST_LOOK", 2)
    star, fan = await store.profile("star", is_private=by != "add"), await store.profile("fan")
    if by != "add":
        await store.follow(fan, star)
    news = UserUpdated(user_id=star, occurred_at=after(300), is_news=True)

    async def begin() -> None:
        await asyncio.sleep(lead * PAUSE_SECONDS)
        if by == "accept":
            event = FollowCreated(user_id=fan, following_id=star, occurred_at=NOON)
            await store.follows.accept(fan, star, event)
        elif by == "accept_requests":
            await store.projections.accept_requests(star, asked_by=NOON)
        else:
            await store.follows.add(fan, star, following(fan, star))

    others = [await store.profile(name) for name in ("eve", "kim")]
    for other in others:
        await store.follow(fan, other)
    for other, minutes in ((others[0], 0), (others[1], 100), (others[1], 200)):
        await store.deliver(UserUpdated(user_id=other, occurred_at=after(minutes), is_news=True))
    await asyncio.gather(store.projections.apply(news, effects_of(news)), begin())
    feed = await store.activities.feed(fan, seen_by=Viewer(fan, Role.LISTENER), after=None, limit=1)
    assert [item.actor_id for item in feed.items] == [star]


@pytest.mark.usefixtures("slowed")
@pytest.mark.parametrize("lead", [-3, 0, 3])
@pytest.mark.parametrize("by", ["add", "accept", "add_back", "accept_requests"])
async def test_no_follow_survives_a_block_that_it_races(store: Store, by: str, lead: int) -> None:
    ann, bob = await store.profile("ann", is_private=by.startswith("accept")), await store.profile("bob")
    if by.startswith("accept"):
        await store.follow(bob, ann)

    async def begin() -> None:
        await asyncio.sleep(max(0, -lead) * PAUSE_SECONDS)
        if by == "accept":
            event = FollowCreated(user_id=bob, following_id=ann, occurred_at=NOON)
            _, is_first = await store.follows.accept(bob, ann, event)
            await store.deliver(*([event] if is_first else []))
        elif by == "accept_requests":
            await store.deliver(*await store.projections.accept_requests(ann, asked_by=NOON))
        else:
            await store.follow(*((bob, ann) if by == "add" else (ann, bob)))

    async def block() -> None:
        await asyncio.sleep(max(0, lead) * PAUSE_SECONDS)
        await store.block(ann, bob)

    await asyncio.gather(begin(), block())
    assert await store.follows.states(bob, [ann]) == {ann: FollowState.BLOCKED}
    assert await store.follows.states(ann, [bob]) == {}
    assert [(await store.shown(person)).stats for person in (ann, bob)] == [Stats(), Stats()]
    assert await store.pending() == []


async def test_everything_at_once_leaves_the_counters_right(store: Store) -> None:
    people = await everything_at_once(store)
    shown = await store.profiles.get_many(people)
    assert [(person.stats.followers, person.stats.following) for person in shown.values()] == [(0, 0)] * 4
    assert {person.cover_file_id for person in shown.values()} == {None}
