"""What every `Audits` does, whatever its engine; and that the rule over it tells drift from what is only late."""

from __future__ import annotations

import pytest
from tests.contract_suites.scene import NOON, Store, after, following, track, twenty

from pet.domain.audit import AuditService, Busy, Counted
from pet.domain.effects import AddPlay, AddStats, Effect
from pet.domain.errors import NotFound
from pet.domain.events import Event, FollowCreated, TrackPlayed, TrackUploaded, UserUpdated
from pet.domain.files import MediaFile
from pet.domain.ids import FileId, UserId
from pet.domain.plays import PLAY_WINDOW
from pet.domain.stats import Stats


async def publish(store: Store, user_id: UserId) -> tuple[MediaFile, Event]:
    """Publish a track, undelivered."""
    song = track(user_id)
    event = TrackUploaded(user_id=user_id, occurred_at=NOON, file_id=song.file_id)
    await store.files.add(song, event)
    return song, event


async def play(store: Store, song: MediaFile, listener: str) -> Event:
    """Play a track, undelivered."""
    event = TrackPlayed(user_id=song.user_id, occurred_at=NOON, file_id=song.file_id)
    assert await store.plays.record(song.file_id, listener, event, window=PLAY_WINDOW)
    return event


async def drift(store: Store, user_id: UserId, delta: Stats, song: FileId | None = None) -> None:
    """Spoil counters, as a bug would."""
    spoiling: list[Effect] = [AddStats(user_id, delta), *([AddPlay(song)] if song else [])]
    await store.projections.apply(UserUpdated(user_id=user_id, occurred_at=NOON), spoiling)


async def busy_store(store: Store) -> tuple[UserId, UserId, MediaFile]:
    """Make two people, a track, follows and plays, all delivered."""
    ann, bob = await store.profile("ann"), await store.profile("bob")
    song, uploaded = await publish(store, ann)
    await store.deliver(uploaded)
    await store.follow(bob, ann)
    for listener in ("one", "two"):
        await store.deliver(await play(store, song, listener))
    return ann, bob, song


async def test_counters_that_are_right_are_found_right(store: Store) -> None:
    ann, bob, song = await busy_store(store)
    stats = {ann: Stats(tracks=1, followers=1, plays=2), bob: Stats(following=1)}
    snapshot = await store.audits.look()
    assert list(snapshot.profiles) == [
        Counted(ann, stored=stats[ann], counted=stats[ann], plays={song.file_id: (2, 2)}),
        Counted(bob, stored=stats[bob], counted=stats[bob], plays={}),
    ]
    assert snapshot.undelivered == []
    assert all(verdict.is_exact for verdict in await AuditService(store.audits).next_verdicts())


async def test_profiles_come_in_the_order_of_their_ids(store: Store) -> None:
    people = [await store.profile(f"person{number}") for number in range(4)]
    first = await store.audits.look(limit=2)
    assert [seen.user_id for seen in first.profiles] == people[:2]
    rest = await store.audits.look(after=people[1])
    assert [seen.user_id for seen in rest.profiles] == people[2:]
    chosen = await store.audits.look(user_ids=[people[3], people[0], UserId("nobody")])
    assert [seen.user_id for seen in chosen.profiles] == [people[0], people[3]]


async def test_plays_of_a_deleted_track_count_on(store: Store) -> None:
    ann, _, song = await busy_store(store)
    await store.deliver(*await store.files.remove(song.file_id, NOON))
    verdict = await AuditService(store.audits).verdict(ann)
    assert (verdict.seen.counted, verdict.is_exact) == (Stats(followers=1, plays=2), True)


async def test_requests_count_nowhere(store: Store) -> None:
    ann, bob = await store.profile("ann", is_private=True), await store.profile("bob")
    await store.follow(bob, ann)
    assert [verdict.seen.counted for verdict in await AuditService(store.audits).next_verdicts()] == [Stats()] * 2


async def test_what_is_only_late_is_no_drift(store: Store) -> None:
    ann, bob, song = await busy_store(store)
    _, uploaded = await publish(store, ann)
    make = following(ann, bob, at=after(1))
    _, followed = await store.follows.add(ann, bob, make)
    played = await play(store, song, "three")
    audit = AuditService(store.audits)
    verdict = await audit.verdict(ann)
    assert verdict.seen.counted == Stats(tracks=2, followers=1, following=1, plays=3)
    assert (verdict.due, verdict.is_exact) == (Stats(tracks=1, followers=1, plays=2), True)
    assert verdict.last_event == played.event_id
    await store.projections.apply(uploaded, [AddStats(ann, Stats(tracks=1))])  # applied, and not yet settled
    assert (await audit.verdict(ann)).is_exact
    await store.deliver(*followed, played)
    verdict = await audit.verdict(ann)
    assert (verdict.due, verdict.is_exact) == (verdict.seen.counted, True)


async def test_drift_is_found_and_repaired(store: Store) -> None:
    ann, bob, song = await busy_store(store)
    await drift(store, ann, Stats(tracks=2, followers=-5, plays=1), song.file_id)
    audit = AuditService(store.audits)
    wrong = [verdict async for verdict in audit.verdicts() if not verdict.is_exact]
    assert [(verdict.seen.user_id, verdict.due) for verdict in wrong] == [(ann, Stats(tracks=1, followers=1, plays=2))]
    assert wrong[0].drifted_plays == {song.file_id: 2}
    assert await audit.repair(wrong[0])
    assert (await store.shown(ann)).stats == Stats(tracks=1, followers=1, plays=2)
    kept = await store.found(song)
    assert kept is not None
    assert kept.play_count == 2
    assert [verdict.is_exact for verdict in await audit.next_verdicts()] == [True, True]
    assert (await store.shown(bob)).stats == Stats(following=1)


async def test_a_repair_leaves_to_late_events_what_is_theirs(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await drift(store, ann, Stats(followers=7))
    _, followed = await store.follows.add(bob, ann, following(bob, ann, at=NOON))
    audit = AuditService(store.audits)
    assert await audit.repair(await audit.verdict(ann))
    assert (await store.shown(ann)).stats == Stats()
    await store.deliver(*followed)
    assert (await store.shown(ann)).stats == Stats(followers=1)


async def test_a_verdict_that_is_old_repairs_nothing(store: Store) -> None:
    ann, bob, _ = await busy_store(store)
    audit = AuditService(store.audits)
    await drift(store, ann, Stats(followers=7))
    old = await audit.verdict(ann)
    event = FollowCreated(user_id=bob, following_id=ann, occurred_at=NOON)
    await store.projections.apply(event, [AddStats(ann, Stats(followers=1))])
    assert not await audit.repair(old)
    assert (await store.shown(ann)).stats.followers == 9


async def test_repairs_at_once_repair_once(store: Store) -> None:
    ann, _, _ = await busy_store(store)
    await drift(store, ann, Stats(followers=7))
    audit = AuditService(store.audits)
    verdict = await audit.verdict(ann)
    assert sum(await twenty(lambda: audit.repair(verdict))) == 1
    assert (await audit.verdict(ann)).is_exact


async def test_a_profile_that_is_not_there_has_no_verdict(store: Store) -> None:
    with pytest.raises(NotFound):
        await AuditService(store.audits).verdict(UserId("nobody"))


async def test_with_too_much_undelivered_there_is_no_verdict(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pet.domain.audit.MAX_UNDELIVERED", 2)
    ann = await store.profile("ann")
    for _ in range(3):
        await publish(store, ann)
    with pytest.raises(Busy):
        await AuditService(store.audits).next_verdicts()
