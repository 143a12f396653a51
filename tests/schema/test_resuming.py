"""`feedActivity(after:)`: a client that comes and goes hears everything once, each author's in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from pet.domain.broadcast import QUEUE_LENGTH
from pet.domain.events import Event, TrackUploaded
from pet.domain.files import MediaFile
from pet.domain.ids import UserId
from pet.domain.times import utc_now
from tests.clock import HandClock
from tests.conftest import Person, Service, StartService
from tests.schema.operations import run
from tests.schema.seeding import track_record
from tests.schema.talking import first_subscriber, greet, hear, listening, say, serving, talking
from tests.setups import on_embedded

QUERY = """subscription Live($after: String) {
  feedActivity(after: $after) { cursor actor { userId } ... on TrackPublished { track { fileId } } }
}"""
PUBLISHERS, EVENTS, RECONNECTS = 4, 2_000, 200


async def publish(service: Service, author: UserId, *, is_delivered: bool = True) -> tuple[MediaFile, list[Event]]:
    """Publish a track without bytes as an upload does; its event may be left to be delivered later."""
    song = track_record(author, at=utc_now())
    event = TrackUploaded(user_id=author, occurred_at=song.created_at, file_id=song.file_id)
    events = list(await service.engines.documents.files.add(song, event))
    if is_delivered:
        await service.parts.delivery.deliver(events)
    return song, events


async def subscribe(socket: Any, by: Person, after: str | None) -> None:
    await greet(socket, by)
    await say(socket, "subscribe", id="1", payload={"query": QUERY, "variables": {"after": after}})


def told(message: dict[str, Any]) -> dict[str, Any]:
    assert message["type"] == "next", message
    activity: dict[str, Any] = message["payload"]["data"]["feedActivity"]
    return activity


async def refusal(address: str, by: Person, after: str) -> dict[str, Any]:
    """Return the one error with which a subscription ends at once."""
    async with talking(address) as socket:
        await subscribe(socket, by, after)
        message = await hear(socket)
        assert await hear(socket) == {"type": "complete", "id": "1"}
    (error,) = message["payload"]["errors"]
    assert message["payload"]["data"] is None
    return {"message": error["message"], **error["extensions"]}


@asynccontextmanager
async def following(service: Service, listener: Person, count: int) -> AsyncIterator[list[UserId]]:
    authors = [await service.register(f"author{number}") for number in range(count)]
    for author in authors:
        await run(service, "Follow", {"userId": author.user_id}, by=listener)
    yield [UserId(author.user_id) for author in authors]


@on_embedded
async def test_a_client_that_reconnects_200_times_hears_2000_events_each_once_and_in_order(
    start_service: StartService,
) -> None:
    service: Service = await start_service()
    ann, chance = await service.register("ann"), random.Random(7)
    async with serving(service.app) as address, following(service, ann, PUBLISHERS) as authors:
        published: dict[UserId, list[str]] = {author: [] for author in authors}
        first = asyncio.Event()

        async def work(author: UserId) -> None:
            await first.wait()
            held: list[Event] = []
            for _ in range(EVENTS // PUBLISHERS):
                # Some deliveries come late, and with them all that this author does meanwhile.
                is_held = chance.random() < (0.7 if held else 0.05)
                song, events = await publish(service, author, is_delivered=False)
                published[author].append(song.file_id)
                held += events
                if not is_held:
                    await service.parts.delivery.deliver(held)
                    held = []
                await asyncio.sleep(0)
            await service.parts.delivery.deliver(held)

        heard: dict[UserId, list[str]] = {author: [] for author in authors}
        after, connections, count = None, 0, 0
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            for author in authors:
                group.create_task(work(author))
            while count < EVENTS:
                connections += 1
                stay = chance.randint(1, 2 * EVENTS // RECONNECTS - 1)
                async with first_subscriber() as listens, talking(address) as socket:
                    await subscribe(socket, ann, after)
                    if not first.is_set():
                        await listens.wait()
                        first.set()
                    for _ in range(min(stay, EVENTS - count)):
                        activity = told(await hear(socket))
                        heard[activity["actor"]["userId"]].append(activity["track"]["fileId"])
                        after, count = activity["cursor"], count + 1
                    socket.transport.abort()  # in the middle of whatever was on its way
        assert heard == published
        assert connections >= RECONNECTS * 0.8
        async with talking(address) as socket:
            await subscribe(socket, ann, after)
            song, _ = await publish(service, authors[0])
            assert told(await hear(socket))["track"]["fileId"] == song.file_id


async def test_what_happened_while_the_service_was_down_and_while_nobody_listened_comes_first(
    start_service: StartService,
) -> None:
    service: Service = await start_service()
    ann = await service.register("ann")
    async with following(service, ann, 1) as [author]:
        async with serving(service.app) as address:
            async with listening(address, QUERY, "Live", by=ann) as next_heard:
                first, _ = await publish(service, author)
                activity = (await next_heard())["data"]["feedActivity"]
                assert activity["track"]["fileId"] == first.file_id
            missed, _ = await publish(service, author)
            late, _ = await publish(service, author, is_delivered=False)  # as a kill leaves it
        again: Service = await start_service()
        async with serving(again.app) as address, talking(address) as socket:
            await subscribe(socket, ann, activity["cursor"])
            songs = [told(await hear(socket))["track"]["fileId"] for _ in range(2)]
            now, _ = await publish(again, author)
            songs.append(told(await hear(socket))["track"]["fileId"])
    assert songs == [missed.file_id, late.file_id, now.file_id]


@pytest.mark.parametrize(("short_gap_seconds", "expected_reads"), [(30, 1), (0, 2)], ids=["one_seam", "two_seams"])
async def test_an_event_on_either_side_of_a_seam_is_heard_once(
    service: Service,
    live: str,
    ann: Person,
    monkeypatch: pytest.MonkeyPatch,
    short_gap_seconds: int,
    expected_reads: int,
) -> None:
    """Something is delivered after each read of the outbox: before or after the live subscription has opened."""
    monkeypatch.setattr("pet.domain.live_feed.SHORT_GAP", timedelta(seconds=short_gap_seconds))
    async with following(service, ann, 1) as [author]:
        async with listening(live, QUERY, "Live", by=ann) as next_heard:
            await publish(service, author)
            cursor = (await next_heard())["data"]["feedActivity"]["cursor"]
        songs = [(await publish(service, author))[0].file_id]
        outbox, reads = service.engines.outboxes[0], 0
        really = outbox.delivered

        async def delivered(**given: Any) -> Any:
            nonlocal reads
            page = await really(**given)
            if given.get("names"):
                reads += 1
                songs.append((await publish(service, author))[0].file_id)  # what was read does not have it
            return page

        monkeypatch.setattr(type(outbox), "delivered", lambda self, **given: delivered(**given))
        async with talking(live) as socket:
            await subscribe(socket, ann, cursor)
            heard = [told(await hear(socket))["track"]["fileId"] for _ in range(1 + expected_reads)]
            songs.append((await publish(service, author))[0].file_id)
            heard.append(told(await hear(socket))["track"]["fileId"])
    assert (reads, heard) == (expected_reads, songs)


async def test_whom_one_follows_no_longer_is_not_replayed(service: Service, live: str, ann: Person) -> None:
    async with following(service, ann, 2) as [gone, kept]:
        async with listening(live, QUERY, "Live", by=ann) as next_heard:
            await publish(service, gone)
            cursor = (await next_heard())["data"]["feedActivity"]["cursor"]
        await publish(service, gone)
        song, _ = await publish(service, kept)
        await run(service, "Unfollow", {"userId": gone}, by=ann)
        async with talking(live) as socket:
            await subscribe(socket, ann, cursor)
            assert told(await hear(socket))["track"]["fileId"] == song.file_id


async def test_a_cursor_of_another_list_of_another_user_or_too_old_is_refused(
    service: Service, live: str, ann: Person, bob: Person, clock: HandClock
) -> None:
    foreign = {
        "message": "after is not a cursor that feedActivity has given you."
        " Use the cursor of the last activity that you heard.",
        "code": "INVALID",
        "field": "after",
    }
    async with following(service, ann, 1) as [author]:
        async with listening(live, QUERY, "Live", by=ann) as next_heard:
            await publish(service, author)
            cursor = (await next_heard())["data"]["feedActivity"]["cursor"]
        read = await service.graphql("{ feed { edges { cursor node { cursor } } } }", by=ann)
        [edge] = read["data"]["feed"]["edges"]
        assert edge["node"] == {"cursor": None}
        assert await refusal(live, ann, edge["cursor"]) == foreign
        assert await refusal(live, bob, cursor) == foreign
        clock.advance(days=8)
        assert await refusal(live, ann, cursor) == {
            "message": "after is too old: less than 7 days can be made up for. Read feed, and subscribe without after.",
            "code": "INVALID",
            "field": "after",
        }


async def test_a_gap_that_is_too_large_ends_with_the_advice_to_read_the_feed(
    service: Service, live: str, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pet.domain.live_feed.BATCH", 2)
    monkeypatch.setattr("pet.domain.live_feed.MAX_GAP", 4)
    async with following(service, ann, 1) as [author]:
        async with listening(live, QUERY, "Live", by=ann) as next_heard:
            await publish(service, author)
            cursor = (await next_heard())["data"]["feedActivity"]["cursor"]
        songs = [(await publish(service, author))[0].file_id for _ in range(9)]
        async with talking(live) as socket:
            await subscribe(socket, ann, cursor)
            heard = []
            while (message := await hear(socket))["payload"]["data"]:
                heard.append(told(message)["track"]["fileId"])
    assert heard == songs[: len(heard)]
    assert len(heard) < 9
    (error,) = message["payload"]["errors"]
    assert error["message"] == "Too much has happened since after. Read feed, and subscribe without after."
    assert error["extensions"] == {"code": "INVALID", "field": "after"}


async def test_a_replay_reads_in_batches(
    service: Service, live: str, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(service, ann, 3) as authors:
        async with listening(live, QUERY, "Live", by=ann) as next_heard:
            await publish(service, authors[0])
            cursor = (await next_heard())["data"]["feedActivity"]["cursor"]
        for number in range(30):
            await publish(service, authors[number % 3])
        calls: list[str] = []
        activities, follows = type(service.engines.documents.activities), type(service.engines.documents.follows)
        for kind, name in ((activities, "of_events"), (follows, "states")):
            really = getattr(kind, name)

            def counted(self: Any, *given: Any, name: str = name, really: Any = really) -> Any:
                calls.append(name)
                return really(self, *given)

            monkeypatch.setattr(kind, name, counted)
        async with talking(live) as socket:
            await subscribe(socket, ann, cursor)
            for _ in range(30):
                told(await hear(socket))
    assert calls.count("of_events") <= 2
    assert calls.count("states") <= 4


async def test_whoever_falls_behind_is_told_so_and_goes_on_from_the_last_cursor(
    service: Service, live: str, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More events than wait for anybody come while one is being handed out."""
    async with following(service, ann, 1) as [author]:
        activities = type(service.engines.documents.activities)
        really, songs, is_first = activities.of_events, list[str](), True

        async def of_events(self: Any, events: Any) -> Any:
            nonlocal is_first
            if is_first:
                is_first = False
                for _ in range(QUEUE_LENGTH + 1):
                    songs.append((await publish(service, author))[0].file_id)
            return await really(self, events)

        async with listening(live, QUERY, "Live", by=ann) as next_heard:
            await publish(service, author)
            before = (await next_heard())["data"]["feedActivity"]["cursor"]
            monkeypatch.setattr(activities, "of_events", of_events)
            trigger, _ = await publish(service, author)
            heard = (await next_heard())["data"]["feedActivity"]
            end = await next_heard()
        assert heard["track"]["fileId"] == trigger.file_id
        assert heard["cursor"] != before
        assert end["data"] is None
        assert [error["extensions"] for error in end["errors"]] == [{"code": "UNAVAILABLE"}]
        async with talking(live) as socket:
            await subscribe(socket, ann, heard["cursor"])
            assert [told(await hear(socket))["track"]["fileId"] for _ in songs] == songs
