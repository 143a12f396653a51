"""What every `Activities` does, whatever its engine."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.contract_suites.scene import NOON, Store, after, track

from pet.domain.events import Event, FollowCreated, TrackPlayed, TrackUploaded, UserUpdated
from pet.domain.feed import Action, Activity
from pet.domain.ids import FileId, ObjectId, UserId
from pet.domain.paging import Page, Position
from pet.domain.viewers import Role, Viewer


async def publish(store: Store, owner: UserId, *, minutes: float = 0) -> FileId:
    """Publish a track some minutes after noon."""
    song = track(owner, minutes=minutes)
    event = TrackUploaded(user_id=owner, occurred_at=after(minutes), file_id=song.file_id)
    await store.deliver(*await store.files.add(song, event))
    return song.file_id


async def feed(
    store: Store, user_id: UserId, *, seen_by: Viewer | None = None, last: Activity | None = None, limit: int = 100
) -> Page[Activity]:
    position = Position(last.created_at, last.object_id) if last else None
    return await store.activities.feed(user_id, seen_by=seen_by, after=position, limit=limit)


def viewer(user_id: UserId, role: Role = Role.LISTENER) -> Viewer:
    return Viewer(user_id, role)


async def test_a_feed_has_what_followees_did_newest_first(store: Store) -> None:
    ann, bob, eve = [await store.profile(name) for name in ("ann", "bob", "eve")]
    await store.follow(ann, bob)
    old, new = await publish(store, bob), await publish(store, bob, minutes=2)
    await store.deliver(UserUpdated(user_id=bob, occurred_at=after(1), is_news=True))
    await publish(store, eve)
    await publish(store, ann)
    page = await feed(store, ann, seen_by=viewer(ann))
    assert [(item.actor_id, item.action, item.track_id, item.created_at) for item in page.items] == [
        (bob, Action.TRACK_PUBLISHED, new, after(2)),
        (bob, Action.PROFILE_UPDATED, None, after(1)),
        (bob, Action.TRACK_PUBLISHED, old, NOON),
    ]
    assert page.has_next is False


async def test_pages_join_without_a_gap_and_equal_times_order_by_id_descending(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(ann, bob)
    for _ in range(5):
        await publish(store, bob)
    pages = [await feed(store, ann, seen_by=viewer(ann), limit=2)]
    while pages[-1].has_next:
        pages.append(await feed(store, ann, seen_by=viewer(ann), limit=2, last=pages[-1].items[-1]))
    found = [item.object_id for page in pages for item in page.items]
    assert found == sorted(found, reverse=True)
    assert [len(page.items) for page in pages] == [2, 2, 1]
    assert len(set(found)) == 5


async def test_a_request_to_follow_brings_nothing(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob", is_private=True)
    await store.follow(ann, bob)
    await publish(store, bob)
    assert (await feed(store, ann, seen_by=viewer(ann))).items == []


@pytest.mark.parametrize(
    ("who", "sees"), [("nobody", False), ("stranger", False), ("follower", True), ("owner", True), ("admin", True)]
)
async def test_a_private_followee_is_seen_by_those_who_may(store: Store, who: str, sees: bool) -> None:
    ann, bob, eve, kim = [await store.profile(name) for name in ("ann", "bob", "eve", "kim")]
    await store.follow(ann, bob)
    await store.follow(eve, bob)
    await publish(store, bob)
    await store.set_private(bob, is_private=True)
    viewers = {
        "nobody": None,
        "stranger": viewer(kim),
        "follower": viewer(eve),
        "owner": viewer(bob),
        "admin": viewer(kim, Role.ADMIN),
    }
    assert len((await feed(store, ann, seen_by=viewers[who])).items) == int(sees)


async def test_a_request_opens_no_feed(store: Store) -> None:
    ann, bob, eve = [await store.profile(name) for name in ("ann", "bob", "eve")]
    await store.follow(ann, bob)
    await publish(store, bob)
    await store.set_private(bob, is_private=True)
    await store.follow(eve, bob)
    assert (await feed(store, ann, seen_by=viewer(eve))).items == []


async def test_news_older_than_what_others_told_is_found_behind_many_authors(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More authors than one look takes in, and what they told last is not what they told most."""
    ann = await store.profile("ann")
    authors = [await store.profile(f"author{number:02}") for number in range(60)]
    for author in authors:
        await store.follow(ann, author)
    told = [(number % 7 * 100 + number, author) for number, author in enumerate(authors)]
    told += [(number * 11, authors[3]) for number in range(20)]
    for minutes, author in told:
        await publish(store, author, minutes=minutes)
    pages = [await feed(store, ann, seen_by=viewer(ann), limit=7)]
    while pages[-1].has_next:
        pages.append(await feed(store, ann, seen_by=viewer(ann), limit=7, last=pages[-1].items[-1]))
    found = [((item.created_at - NOON) / timedelta(minutes=1), item.actor_id) for page in pages for item in page.items]
    assert sorted(found) == sorted(told)
    assert [minutes for minutes, _ in found] == sorted((minutes for minutes, _ in told), reverse=True)


async def test_a_deleted_newest_track_hides_nothing_older(store: Store) -> None:
    ann = await store.profile("ann")
    authors = [await store.profile(f"author{number:02}") for number in range(40)]
    for number, author in enumerate(authors):
        await store.follow(ann, author)
        await publish(store, author, minutes=number)
        newest = await publish(store, author, minutes=1000 + number)
        await store.deliver(*await store.files.remove(newest, after(2000)))
    page = await feed(store, ann, seen_by=viewer(ann), limit=5)
    assert [item.actor_id for item in page.items] == authors[:-6:-1]


@pytest.mark.parametrize("is_following_first", [True, False])
async def test_news_of_someone_with_many_followers_is_there_at_once_and_stays(
    store: Store, few_followers: None, is_following_first: bool
) -> None:
    star = await store.profile("star")
    fans = [await store.profile(f"fan{number}") for number in range(5)]
    late = await store.profile("late", is_private=True)
    for fan in fans:
        await store.follow(fan, star)
    await publish(store, star, minutes=1)
    await publish(store, star, minutes=2)
    await publish(store, star, minutes=1.5)
    times = [after(2), after(1.5), after(1)]
    everyone = [*fans, late]
    if not is_following_first:
        while await store.projections.spread_news():
            pass
    await store.follow(late, star)
    for _ in range(2):
        for user in everyone:
            page = await feed(store, user, seen_by=viewer(user), limit=3)
            assert [item.created_at for item in page.items] == times
        while await store.projections.spread_news():
            pass
    assert not await store.projections.spread_news()


async def test_whoever_is_let_in_late_has_the_news_from_before(store: Store, few_followers: None) -> None:
    star, bob, eve = (
        await store.profile("star", is_private=True),
        await store.profile("bob"),
        await store.profile("eve"),
    )
    await store.follow(bob, star)
    await store.follow(eve, star, minutes=1)
    await publish(store, star, minutes=2)
    event = FollowCreated(user_id=bob, following_id=star, occurred_at=after(3))
    await store.follows.accept(bob, star, event)
    assert len((await feed(store, bob, seen_by=viewer(bob))).items) == 1
    assert await store.projections.accept_requests(star, asked_by=after(3))
    assert len((await feed(store, eve, seen_by=viewer(eve))).items) == 1


async def test_nobody_misses_what_is_published_while_they_begin_to_follow(store: Store) -> None:
    star = await store.profile("star")
    fans = [await store.profile(f"fan{number}") for number in range(8)]
    acts = [publish(store, star, minutes=number) for number in range(8)]
    follows = [store.follow(fan, star) for fan in fans]
    await asyncio.gather(*(act for pair in zip(acts, follows, strict=True) for act in pair))
    for fan in fans:
        assert len((await feed(store, fan, seen_by=viewer(fan))).items) == 8


async def test_an_activity_is_found_by_id_and_another_is_none(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(ann, bob)
    await publish(store, bob)
    [activity] = (await feed(store, ann, seen_by=viewer(ann))).items
    assert await store.activities.find(activity.object_id) == activity
    assert await store.activities.find(ObjectId("0" * 24)) is None


async def test_an_event_leads_to_what_it_caused(store: Store) -> None:
    bob = await store.profile("bob")
    song = track(bob)
    uploaded = TrackUploaded(user_id=bob, occurred_at=NOON, file_id=song.file_id)
    updated = UserUpdated(user_id=bob, occurred_at=after(1), is_news=True)
    await store.deliver(*await store.files.add(song, uploaded), updated)
    found = await store.activities.of_events([uploaded, updated])
    of_track, of_update = found[uploaded.event_id], found[updated.event_id]
    assert of_track is not None
    assert of_update is not None
    assert (of_track.action, of_track.track_id) == (Action.TRACK_PUBLISHED, song.file_id)
    assert (of_update.action, of_update.created_at) == (Action.PROFILE_UPDATED, after(1))


async def test_an_event_that_left_nothing_leads_nowhere(store: Store) -> None:
    bob = await store.profile("bob")
    first = UserUpdated(user_id=bob, occurred_at=NOON, is_news=True)
    await store.deliver(first, UserUpdated(user_id=bob, occurred_at=after(1), is_news=True))
    events: list[Event] = [
        first,
        UserUpdated(user_id=bob, occurred_at=after(9), is_news=False),
        TrackUploaded(user_id=bob, occurred_at=NOON, file_id=track(bob).file_id),
        TrackPlayed(user_id=bob, occurred_at=NOON, file_id=track(bob).file_id),
    ]
    assert await store.activities.of_events(events) == {}


@pytest.mark.parametrize(
    ("minutes", "left"),
    [
        ([0, 30, 59], [59]),
        ([0, 59, 118], [118]),
        ([0, 60], [60, 0]),
        ([30, 0], [30]),
        ([59, 0, 30], [59]),
        ([60, 0], [60, 0]),
        ([0, 0], [0]),
    ],
    ids=str,
)
async def test_updates_of_a_profile_within_an_hour_are_one_whatever_their_order(
    store: Store, minutes: list[int], left: list[int]
) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    await store.follow(ann, bob)
    await store.deliver(*(UserUpdated(user_id=bob, occurred_at=after(at), is_news=True) for at in minutes))
    page = await feed(store, ann, seen_by=viewer(ann))
    assert [(item.created_at - NOON) / timedelta(minutes=1) for item in page.items] == left


async def test_what_someone_did_is_listed_page_by_page_newest_first(store: Store) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    songs = [await publish(store, ann, minutes=min(number, 1)) for number in range(5)]
    await publish(store, bob)
    found: list[Activity] = []
    while True:
        last = Position(found[-1].created_at, found[-1].object_id) if found else None
        page = await store.activities.of_actor(ann, after=last, limit=2)
        found += page.items
        if not page.has_next:
            break
    assert {activity.track_id for activity in found} == set(songs)
    assert found == sorted(found, key=lambda activity: (activity.created_at, activity.object_id), reverse=True)
    assert [len(found), found[-1].track_id] == [5, songs[0]]
    assert (await store.activities.of_actor(UserId("nobody"), after=None, limit=2)).items == []
