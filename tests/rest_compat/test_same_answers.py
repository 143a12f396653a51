"""One story told to the service on every set-up: the answers are the same byte for byte, ids and times aside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pet.app import Overrides
from tests.clock import HandClock
from tests.conftest import PASSWORD, Person, Service, starting
from tests.media_factory import flac, jpeg, m4a_aac, mp3, ogg_opus, png, wav, webp
from tests.rest_compat.conftest import accept, session_fixture, upload_song
from tests.rest_compat.golden import Naming
from tests.setups import EVERY_SET_UP, Prepare, prepare_on

PAGES = ("", "?limit=2")
Answer = tuple[str, int, bytes]


class Story:
    """Asks one service one thing after the other, and notes what it answers."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.answers: list[Answer] = []
        self._naming = Naming({}, {})

    async def ask(self, method: str, path: str, *, by: Person | None = None, **parts: Any) -> Any:
        """Send a request; note the line, the status and the body with volatile values named; return the JSON."""
        response = await self.service.client.request(method, path, headers=by.headers if by else {}, **parts)
        is_json = response.headers["content-type"] == "application/json"
        body = self._naming.text(response.text).encode() if is_json else response.content
        self.answers.append((f"{method} {self._naming.text(path)}", response.status_code, body))
        return response.json() if is_json else None


async def tell(story: Story) -> None:
    """Let four people register, publish, follow, ask, refuse, play, search and delete."""
    ann, bob, eve, kim = [await story.service.register(name) for name in ("ann", "Bob.99", "eve_", "kim-private")]
    await describe(story, ann, kim)
    await meet(story, ann, bob, eve, kim)
    songs = await publish(story, ann, kim)
    await look_at_everything(story, ann, bob, eve, kim, songs)
    await mistake_everything(story, ann, bob, kim, songs)
    await story.ask("DELETE", f"/media/track/{songs[0]}", by=ann)
    await story.ask("DELETE", f"/media/file/{songs[1]}", by=ann)
    await story.ask("DELETE", f"/social/unfollow/{ann.user_id}", by=bob, json={"followerId": bob.user_id})
    await story.ask("PUT", f"/users/{kim.user_id}/profile", by=kim, json={"preferences": {"privateProfile": False}})
    await look_at_everything(story, ann, bob, eve, kim, songs)


async def describe(story: Story, ann: Person, kim: Person) -> None:
    """Fill profiles with texts of many scripts."""
    told = {
        "displayName": "Анна Ёлкина 🎸 <b>&amp;</b>",
        "bio": 'Erste Zeile\nzweite "Zeile" \\ \u00e9 e\u0301',
        "location": "Köln",
        "genres": ["Rock", "джаз", "金属"],
        "instruments": ["guitar"],
        "socialLinks": {"vk": "@ann", "youtube": "https://youtube.com/@ann?x=1&y=2"},
        "preferences": {"emailNotifications": False},
    }
    await story.ask("PUT", f"/users/{ann.user_id}/profile", by=ann, json=told)
    await story.ask("PUT", f"/users/{ann.user_id}/profile", by=ann, json={"location": None, "bio": ""})
    await story.ask("PUT", f"/users/{kim.user_id}/profile", by=kim, json={"preferences": {"privateProfile": True}})


async def meet(story: Story, ann: Person, bob: Person, eve: Person, kim: Person) -> None:
    """Follow one another, a second time too, and the private one."""
    for follower, followed in ((bob, ann), (eve, ann), (ann, bob), (bob, ann), (ann, kim), (bob, kim), (eve, bob)):
        given = {"followerId": follower.user_id}
        await story.ask("POST", f"/social/follow/{followed.user_id}", by=follower, json=given)
    await accept(story.service, kim, ann)


async def publish(story: Story, ann: Person, kim: Person) -> list[str]:
    """Upload every kind of medium; return the ids of the tracks."""
    songs = []
    for name, content, by in (
        ("Группа крови.mp3", mp3(2.0, title="Кровь", artist="Кино"), ann),
        ("a.flac", flac(1.0), ann),
        ("b.ogg", ogg_opus(1.0), ann),
        ("c.m4a", m4a_aac(1.0), ann),
        ("d.wav", wav(1.0), kim),
    ):
        record = await upload_song(story.service, by) if name == "a.flac" else None
        answer = await story.ask(
            "POST",
            "/media/upload/track",
            by=by,
            files={"file": (name, content)},
            data={"userId": by.user_id, "trackTitle": "edited" if name == "b.ogg" else ""},
        )
        songs += [answer["file"]["fileId"]] + ([record["fileId"]] if record else [])
    for kind, content, fields in (
        ("avatar", jpeg(), {}),
        ("cover", png(), {}),
        ("cover", webp(), {"trackId": songs[0]}),
        ("avatar", webp(20, 20), {"type": "other"}),
    ):
        await story.ask(
            "POST",
            f"/media/upload/{kind}",
            by=ann,
            files={"file": ("x", content)},
            data={"userId": ann.user_id, **fields},
        )
    return songs


async def look_at_everything(
    story: Story, ann: Person, bob: Person, eve: Person, kim: Person, songs: list[str]
) -> None:
    """Read every documented route as somebody, a stranger and the owner."""
    people = (ann, bob, kim)
    for by in (None, ann, eve):
        for person in people:
            await story.ask("GET", f"/users/{person.user_id}/profile", by=by)
            await story.ask("GET", f"/users/username/{person.username}", by=by)
            await story.ask("GET", f"/social/profile/{person.username.upper()}", by=by)
            await story.ask("GET", f"/users/{person.username}/public?viewerId={bob.user_id}", by=by)
            for page in PAGES:
                await story.ask("GET", f"/users/{person.username}/tracks{page}", by=by)
                await story.ask("GET", f"/users/{person.username}/audio-files{page}", by=by)
                await story.ask("GET", f"/social/followers/{person.user_id}{page}", by=by)
                await story.ask("GET", f"/social/following/{person.user_id}{page}", by=by)
            await story.ask("GET", f"/social/isFollowing/{ann.user_id}/{person.user_id}", by=by)
            await story.ask("GET", f"/social/feed?userId={person.user_id}", by=by)
        await story.ask("GET", f"/users?excludeUserId={bob.user_id}", by=by)
        for path in (f"/media/track/{songs[0]}", f"/media/cover/{songs[2]}", f"/media/avatar/{ann.user_id}"):
            await story.ask("GET", path, by=by)


async def mistake_everything(story: Story, ann: Person, bob: Person, kim: Person, songs: list[str]) -> None:
    """Be refused in many ways."""
    taken = {"email": "ANN@example.com", "username": "other", "password": PASSWORD}
    await story.ask("POST", "/auth/register", json=taken)
    await story.ask("POST", "/auth/register", json=taken | {"email": "new@example.com", "username": "BOB.99"})
    await story.ask("POST", "/auth/login", json={"email": ann.email, "password": "wrong horse 1"})
    await story.ask("PUT", f"/users/{ann.user_id}/profile", by=bob, json={"bio": "not mine"})
    await story.ask("PUT", f"/users/{ann.user_id}/profile", by=ann, json={"socialLinks": {"vk": "javascript:x"}})
    await story.ask("PUT", f"/users/{ann.user_id}/profile", by=ann, json={"displayName": "nul \x00 character"})
    await story.ask("DELETE", f"/media/track/{songs[0]}", by=bob)
    await story.ask("GET", f"/media/track/{songs[-1]}", by=bob)
    await story.ask("POST", f"/social/follow/{bob.user_id}", by=bob, json={"followerId": bob.user_id})
    await story.ask("POST", f"/social/follow/{kim.user_id}", json={"followerId": bob.user_id})
    await story.ask("GET", "/users/no-such-person/tracks")
    await story.ask("GET", "/users/username/nul%00character")
    await story.ask("GET", "/social/followers/not-a-user")
    await story.ask("GET", f"/social/followers/{ann.user_id}?cursor=nonsense&limit=2")


@pytest.fixture
def every_prepare(request: pytest.FixtureRequest) -> dict[str, Prepare]:
    """What prepares each set-up, by its name."""
    return {name: prepare_on(name, request) for name in EVERY_SET_UP}


@session_fixture
async def told(
    every_prepare: dict[str, Prepare], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, list[Answer]]]:
    """The answers of each set-up to the same story."""
    found: dict[str, list[Answer]] = {}
    for name, prepare in every_prepare.items():
        folder: Path = tmp_path_factory.mktemp(name)
        async with starting(folder, prepare) as start:
            story = Story(await start(overrides=Overrides(clock=HandClock())))
            await tell(story)
            found[name] = story.answers
    yield found


async def test_every_set_up_gives_the_same_answers(told: dict[str, list[Answer]]) -> None:
    first, *others = told.values()
    assert len(first) > 200
    assert {status for _, status, _ in first} == {200, 400, 401, 403, 404, 409}
    for other in others:
        assert [line for line, _, _ in other] == [line for line, _, _ in first]
        for mine, theirs in zip(first, other, strict=True):
            assert theirs == mine
