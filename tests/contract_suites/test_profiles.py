"""What every `Profiles` does, whatever its engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest
from tests.contract_suites.scene import NOBODY, NOON, Store, after, editing, media, stub

from pet.domain.errors import Invalid, NotFound
from pet.domain.events import Event
from pet.domain.files import FileType
from pet.domain.ids import FileId, UserId
from pet.domain.paging import Page, Position
from pet.domain.plain_profiles import PlainProfile
from pet.domain.profiles import Preferences, Profile, SocialLinks
from pet.domain.stats import Stats
from pet.domain.texts import search_key
from pet.domain.times import from_milliseconds
from pet.domain.viewers import Role


def names(page: Page[PlainProfile]) -> list[str]:
    return [profile.username for profile in page.items]


async def named(store: Store, username: str, display_name: str) -> UserId:
    user_id = await store.profile(username)
    _, events = await store.profiles.edit(user_id, editing(display_name=display_name))
    await store.settle(*events)
    return user_id


async def search(store: Store, text: str) -> list[str]:
    page = await store.profiles.plain_page(after=None, limit=100, search=search_key(text))
    assert await store.profiles.count(search=search_key(text)) == len(page.items)
    return sorted(names(page))


async def test_profiles_are_found_by_id_and_those_that_are_not_there_are_left_out(store: Store) -> None:
    ann = await store.profile("ann")
    found = await store.profiles.get_many([ann, NOBODY, UserId("no id at all")])
    assert list(found) == [ann]
    assert found[ann] == Profile(
        object_id=found[ann].object_id,
        user_id=ann,
        username="ann",
        role=Role.MUSICIAN,
        created_at=NOON,
        updated_at=NOON,
    )
    assert await store.profiles.get_many([]) == {}
    assert len(await store.profiles.get_many([ann, *(UserId(str(number)) for number in range(999))])) == 1


@pytest.mark.parametrize("text", ["Ann", "aNN", "\uff41nn"])
async def test_a_profile_is_found_by_its_username_without_regard_to_case(store: Store, text: str) -> None:
    ann = await store.profile("Ann")
    assert await store.profiles.find_by_username(text) == await store.shown(ann)


@pytest.mark.parametrize("text", ["an", "ann\0", "\ud800", ""], ids=ascii)
async def test_another_username_finds_nobody(store: Store, text: str) -> None:
    await store.profile("ann")
    assert await store.profiles.find_by_username(text) is None


async def test_pages_are_newest_first_and_equal_times_order_by_id_descending(store: Store) -> None:
    old, *equal, new = [await store.profile(f"user{number}", minutes=min(number, 1)) for number in range(4)]
    newest = await store.profile("newest", minutes=2)
    expected = [newest, *sorted([*equal, new], reverse=True), old]
    pages: list[Page[PlainProfile]] = []
    after_last: Position | None = None
    while not pages or pages[-1].has_next:
        pages.append(await store.profiles.plain_page(after=after_last, limit=2))
        after_last = pages[-1].items[-1].position
    assert [profile.user_id for page in pages for profile in page.items] == expected
    assert [len(page.items) for page in pages] == [2, 2, 1]


async def test_plain_values_are_those_of_the_entities(store: Store) -> None:
    full, private, bare = [await store.profile(name, minutes=n) for n, name in enumerate(("full", "private", "bare"))]
    edit = editing(
        display_name="Zoë",
        bio="Two\nlines",
        location="Köln",
        genres=("rock", "free jazz"),
        social_links=SocialLinks(youtube="@zoe", telegram="@z"),
        preferences=Preferences(email_notifications=False),
    )
    _, events = await store.profiles.edit(full, edit)
    await store.settle(*events)
    await store.set_private(private, is_private=True)
    await store.follow(bare, full)
    for limit, exclude in ((3, None), (2, None), (2, private)):
        plain = await store.profiles.plain_page(after=None, limit=limit, exclude=exclude)
        ids = [person.user_id for person in plain.items]
        entities = await store.profiles.get_many(ids)
        assert [whole(person) for person in plain.items] == [entities[user_id] for user_id in ids]
        assert await store.profiles.plain_many([*ids, NOBODY]) == dict(zip(ids, plain.items, strict=True))
        assert [person.position for person in plain.items] == [
            Position(entities[user_id].created_at, user_id) for user_id in ids
        ]
        onwards = await store.profiles.plain_page(after=plain.items[0].position, limit=2, exclude=exclude)
        assert (plain.has_next, onwards.items[0]) == (limit == 2 and exclude is None, plain.items[1])
    assert await store.profiles.plain_many([]) == {}


async def test_a_person_in_plain_values_comes_with_everyone_whom_they_follow(store: Store) -> None:
    ann, bob, eve, kim = [await store.profile(name) for name in ("ann", "bob", "eve", "kim")]
    await store.set_private(kim, is_private=True)
    for minutes, pair in enumerate([(ann, bob), (ann, eve), (bob, ann), (ann, kim)]):
        await store.follow(*pair, minutes=minutes)
    profiles = store.profiles
    page = await profiles.plain_page(after=None, limit=4)
    plain = {person.user_id: person for person in page.items}
    for user_id, name, following in ((ann, "ANN", [eve, bob]), (bob, "Bob", [ann]), (eve, "eve", []), (kim, "kim", [])):
        for found in (await profiles.find_person(user_id), await profiles.find_person_by_username(name)):
            assert found is not None
            assert (found.profile, orjson.loads(found.following)) == (plain[user_id], following)
    assert await profiles.find_person(UserId("nobody")) is None
    assert await profiles.find_person_by_username("nobody") is None


def whole(plain: PlainProfile) -> Profile:
    """Return the entity of plain values."""
    return Profile(
        object_id=plain.object_id,
        user_id=plain.user_id,
        username=plain.username,
        role=Role(plain.role),
        created_at=from_milliseconds(plain.created_ms),
        updated_at=from_milliseconds(plain.updated_ms),
        display_name=plain.display_name,
        bio=plain.bio,
        location=plain.location,
        genres=tuple(orjson.loads(plain.genres)),
        instruments=tuple(orjson.loads(plain.instruments)),
        social_links=SocialLinks(youtube=plain.youtube, vk=plain.vk, telegram=plain.telegram),
        preferences=Preferences(
            email_notifications=bool(plain.email_notifications),
            show_online_status=bool(plain.show_online_status),
            private_profile=bool(plain.is_private),
        ),
        stats=Stats(plain.tracks, plain.followers, plain.following, plain.plays),
        avatar_file_id=plain.avatar_file_id,
        cover_file_id=plain.cover_file_id,
    )


async def test_the_page_after_the_last_is_empty(store: Store) -> None:
    ann = await store.profile("ann")
    page = await store.profiles.plain_page(after=Position((await store.shown(ann)).created_at, ann), limit=2)
    assert page == Page(items=[], has_next=False)


async def test_a_user_can_be_left_out_of_pages_and_counts(store: Store) -> None:
    ann = await store.profile("ann")
    await store.profile("bob")
    assert names(await store.profiles.plain_page(after=None, limit=2, exclude=ann)) == ["bob"]
    assert await store.profiles.count(exclude=ann) == 1
    assert await store.profiles.count() == 2
    assert await store.profiles.count(search="ann", exclude=ann) == 0


async def test_counts_follow_names_and_people(store: Store) -> None:
    ann = await named(store, "ann", "Marie Curie")
    await named(store, "bob", "Maria")

    async def counts() -> dict[str, int]:
        words = {text: await store.profiles.count(search=text) for text in ("mar", "marie", "cur", "lise", "an")}
        return {"": await store.profiles.count(), **words}

    assert await counts() == {"": 2, "mar": 2, "marie": 1, "cur": 1, "lise": 0, "an": 1}
    await store.profiles.edit(ann, editing(display_name="Lise Curie"))
    assert await counts() == {"": 2, "mar": 1, "marie": 0, "cur": 1, "lise": 1, "an": 1}
    for _ in range(2):
        await store.projections.purge(ann)
        assert await counts() == {"": 1, "mar": 1, "marie": 0, "cur": 0, "lise": 0, "an": 0}


async def test_those_who_register_at_the_same_time_are_all_counted(store: Store) -> None:
    await asyncio.gather(*(store.profile(f"user{number}") for number in range(12)))
    assert (await store.profiles.count(), await store.profiles.count(search="user")) == (12, 12)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("an", ["anna", "bob"]),
        ("ANNA", ["anna"]),
        ("zoe", ["anna"]),
        ("Zoë", ["anna"]),
        ("мар", ["bob"]),
        ("МАРИЯ", ["bob"]),
        ("ё", ["eve"]),
        ("елк", ["eve"]),
        ("हिन्दी", ["kim"]),
        ("o", ["bob"]),
        ("oe", []),
        ("nna", []),
        ("bob_1", []),
        ("%", []),
        ("_", []),
        ("a%", []),
        ("\0", []),
    ],
    ids=ascii,
)
async def test_a_search_finds_the_beginning_of_any_name(store: Store, text: str, found: list[str]) -> None:
    await named(store, "anna", "Zoë")
    await named(store, "bob", "O'Brien-Andersson, Мария")
    await named(store, "eve", "Ёлка")
    await named(store, "kim", "हिन्दी 🎸")
    assert await search(store, text) == found


async def test_a_search_follows_the_display_name(store: Store) -> None:
    ann = await named(store, "ann", "Zoe")
    await store.profiles.edit(ann, editing(display_name="Mia"))
    assert (await search(store, "zoe"), await search(store, "mia"), await search(store, "ann")) == (
        [],
        ["ann"],
        ["ann"],
    )


async def test_someone_whose_names_match_twice_is_found_once(store: Store) -> None:
    await named(store, "ann", "Ann Anna Anne")
    assert await search(store, "ann") == ["ann"]


async def test_very_long_words_are_kept_and_found(store: Store) -> None:
    await named(store, "ann", "\u337f" * 100)
    assert await search(store, "\u337f" * 100) == ["ann"]


async def test_an_edit_is_kept_whole_with_its_event(store: Store) -> None:
    ann = await store.profile("ann")
    cover = await store.keep(media(ann, FileType.COVER))
    before = await store.shown(ann)
    event = stub(ann)
    edit = editing(
        at=after(5),
        event=event,
        display_name="Анна",
        bio="line\nline",
        location="Tomsk",
        genres=("рок", 'a"b'),
        instruments=("bass",),
        social_links=SocialLinks(youtube="https://example.com/a", vk="@a", telegram="@b"),
        preferences=Preferences(email_notifications=False, show_online_status=False, private_profile=True),
        cover_file_id=cover.file_id,
    )
    profile, events = await store.profiles.edit(ann, edit)
    assert list(events) == [event]
    assert profile == edit(before)[0]
    assert await store.shown(ann) == profile
    assert await store.pending() == [event]


async def test_what_is_not_the_owners_to_write_is_not_written(store: Store) -> None:
    ann = await store.profile("ann")
    before = await store.shown(ann)
    stray = editing(bio="new", stats=Stats(plays=7), role=Role.ADMIN, avatar_file_id=FileId("a"), username="eve")
    await store.profiles.edit(ann, stray)
    assert await store.shown(ann) == replace(before, bio="new")


async def test_an_edit_without_events_writes_nothing(store: Store) -> None:
    ann = await store.profile("ann")
    before = await store.shown(ann)
    assert await store.profiles.edit(ann, lambda profile: (profile, ())) == (before, ())
    assert await store.shown(ann) == before
    assert await store.pending() == []


async def test_what_an_edit_raises_is_passed_on_and_nothing_is_changed(store: Store) -> None:
    ann = await store.profile("ann")
    before = await store.shown(ann)

    def refuse(_profile: Profile) -> tuple[Profile, list[Event]]:
        raise Invalid("no", field="bio")

    with pytest.raises(Invalid, match="no"):
        await store.profiles.edit(ann, refuse)
    assert await store.shown(ann) == before


async def test_the_profile_of_nobody_cannot_be_edited(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.profiles.edit(NOBODY, editing(bio="new"))
    assert await store.pending() == []


@pytest.mark.parametrize("whose", ["nobody's", "someone else's", "a deleted one"])
async def test_a_cover_must_be_an_image_of_ones_own(store: Store, whose: str) -> None:
    ann, bob = await store.profile("ann"), await store.profile("bob")
    image = media(bob if whose == "someone else's" else ann, FileType.COVER)
    if whose != "nobody's":
        await store.keep(image)
    if whose == "a deleted one":
        await store.settle(*await store.files.remove(image.file_id, NOON))
    before = await store.shown(ann)
    with pytest.raises(NotFound):
        await store.profiles.edit(ann, editing(cover_file_id=image.file_id))
    assert await store.shown(ann) == before
    assert await store.pending() == []


async def test_an_edit_is_not_kept_without_its_event(store: Store) -> None:
    ann = await store.profile("ann")
    event = stub(ann)
    await store.profiles.edit(ann, editing(bio="kept", display_name="Kept", event=event))
    before = await store.shown(ann)
    with pytest.raises(store.refusal):
        await store.profiles.edit(ann, editing(bio="lost", display_name="Lost", event=event))
    assert await store.shown(ann) == before
    assert await search(store, "lost") == []


async def test_of_twenty_edits_at_once_none_is_lost(store: Store) -> None:
    ann = await store.profile("ann")

    async def add_genre(name: str) -> None:
        await store.profiles.edit(ann, lambda profile: editing(genres=(*profile.genres, name))(profile))

    await asyncio.gather(*(add_genre(str(number)) for number in range(20)))
    assert sorted((await store.shown(ann)).genres, key=int) == [str(number) for number in range(20)]
    assert len(await store.pending()) == 20


async def test_an_edit_and_a_counter_do_not_undo_each_other(store: Store) -> None:
    ann = await store.profile("ann")
    fans = [await store.profile(f"fan{number}") for number in range(10)]
    edits = (store.profiles.edit(ann, editing(bio=str(number))) for number in range(10))
    await asyncio.gather(*edits, *(store.follow(fan, ann) for fan in fans))
    shown = await store.shown(ann)
    assert shown.stats == Stats(followers=10)
    assert shown.bio is not None
