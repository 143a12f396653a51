"""Who may see what of whom."""

from __future__ import annotations

import pytest
from tests.contract_suites.scene import NOBODY, media, track
from tests.domain.conftest import House

from pet.domain.files import FileType, OwnedFile
from pet.domain.follows import FollowService, FollowState
from pet.domain.ids import FileId, ObjectId, UserId
from pet.domain.plain_profiles import PlainProfile
from pet.domain.profiles import Preferences, ProfileService
from pet.domain.stats import Stats
from pet.domain.times import Milliseconds
from pet.domain.viewers import Role, Viewer
from pet.domain.visibility import Visibility, may_see_all, may_see_follow, may_see_whole_feed, view_of

PUBLIC = PlainProfile(
    user_id=UserId("ann"),
    object_id=ObjectId("0" * 24),
    username="ann",
    role="musician",
    display_name="Ann",
    bio="About me",
    location="Tomsk",
    genres='["rock"]',
    instruments='["bass"]',
    youtube="https://example.com/a",
    vk="@ann",
    telegram="@ann",
    email_notifications=False,
    show_online_status=False,
    is_private=False,
    avatar_file_id=FileId("avatar"),
    cover_file_id=FileId("cover"),
    tracks=1,
    followers=2,
    following=3,
    plays=4,
    created_ms=Milliseconds(5),
    updated_ms=Milliseconds(6),
)
PRIVATE = PUBLIC._replace(is_private=True)
CARD = PUBLIC._replace(
    bio=None,
    location=None,
    genres="[]",
    instruments="[]",
    youtube=None,
    vk=None,
    telegram=None,
    email_notifications=True,
    show_online_status=True,
    cover_file_id=None,
)
OWNER = Viewer(PUBLIC.user_id, Role.MUSICIAN)
STRANGER = Viewer(UserId("bob"), Role.LISTENER)
ADMIN = Viewer(UserId("root"), Role.ADMIN)
PENDING, FOLLOWING, BLOCKED = FollowState

WHO_SEES = [
    (None, None, True, False),
    (STRANGER, None, True, False),
    (STRANGER, PENDING, True, False),
    (STRANGER, FOLLOWING, True, True),
    (STRANGER, BLOCKED, False, False),
    (OWNER, None, True, True),
    (ADMIN, None, True, True),
    (ADMIN, PENDING, True, True),
    (ADMIN, BLOCKED, True, True),
]
"""The viewer, how they stand to the profile, and whether they see all of it when it is public, and when it is not."""

IDS = ["nobody", "stranger", "asking", "follower", "blocked", "owner", "admin", "asking_admin", "blocked_admin"]


@pytest.mark.parametrize(("viewer", "state", "sees_public", "sees_private"), WHO_SEES, ids=IDS)
def test_a_public_profile_is_for_all_who_are_not_kept_out_and_a_private_one_for_some(
    viewer: Viewer | None, state: FollowState | None, sees_public: bool, sees_private: bool
) -> None:
    assert may_see_all(viewer, PUBLIC, state) is sees_public
    assert may_see_all(viewer, PRIVATE, state) is sees_private


@pytest.mark.parametrize("whole", [PUBLIC, PRIVATE], ids=["public", "private"])
@pytest.mark.parametrize(("viewer", "state", "sees_public", "sees_private"), WHO_SEES, ids=IDS)
def test_whoever_does_not_see_all_gets_the_card(
    viewer: Viewer | None, state: FollowState | None, sees_public: bool, sees_private: bool, whole: PlainProfile
) -> None:
    view, sees = view_of(viewer, whole, state), sees_private if whole.is_private else sees_public
    assert view.profile == (whole if sees else CARD._replace(is_private=whole.is_private))
    assert (view.is_full, view.is_private, view.user_id) == (sees, whole.is_private, whole.user_id)
    assert (view.is_own, view.state) == (viewer is OWNER, state)
    assert view.list_sizes == (Stats(tracks=1, followers=2, following=3, plays=4) if sees else Stats())


def test_who_follows_whom_is_told_where_one_of_the_two_is_seen_whole() -> None:
    whole, card = view_of(None, PUBLIC, None), view_of(None, PRIVATE, None)
    assert [may_see_follow(*pair) for pair in ((whole, card), (card, whole), (whole, whole))] == [True] * 3
    assert [may_see_follow(*pair) for pair in ((card, card), (whole, None), (None, whole))] == [False] * 3


@pytest.mark.parametrize(("viewer", "sees"), [(None, False), (STRANGER, False), (OWNER, True), (ADMIN, True)], ids=str)
def test_a_whole_feed_is_for_its_owner_and_admins(viewer: Viewer | None, sees: bool) -> None:
    assert may_see_whole_feed(viewer, OWNER.user_id) is sees


@pytest.mark.parametrize(("viewer", "sees"), [(None, False), (STRANGER, False), (OWNER, True), (ADMIN, False)], ids=str)
def test_preferences_are_for_the_owner_alone(viewer: Viewer | None, sees: bool) -> None:
    assert view_of(viewer, PUBLIC, FOLLOWING).preferences == (
        Preferences(email_notifications=False, show_online_status=False) if sees else None
    )


async def test_many_profiles_are_seen_through_one_viewers_eyes_in_their_order(house: House) -> None:
    store = house.store
    ann, bob, eve = [await store.profile(name) for name in ("ann", "bob", "eve")]
    await store.follow(ann, bob)
    for private in (bob, eve):
        await store.set_private(private, is_private=True)
    visibility = visibility_in(house)
    viewer = Viewer(ann, Role.LISTENER)
    plain = await store.profiles.plain_many([eve, bob, ann])
    profiles = [plain[user] for user in (eve, bob, ann)]
    assert [view.is_full for view in await visibility.views(viewer, profiles)] == [False, True, True]
    assert [view.is_full for view in await visibility.views(None, profiles)] == [False, False, True]
    assert set(await visibility.by_ids(viewer, [bob, NOBODY])) == {bob}
    assert [await visibility.may_see(viewer, user) for user in (eve, bob, ann, NOBODY)] == [False, True, True, False]


async def test_whoever_is_kept_out_sees_the_card_of_a_public_profile_and_the_other_way_round_nothing_is_hidden(
    house: House,
) -> None:
    ann, bob = [await house.store.profile(name) for name in ("ann", "bob")]
    await house.store.block(ann, bob)
    visibility = visibility_in(house)
    as_ann, as_bob = Viewer(ann, Role.LISTENER), Viewer(bob, Role.LISTENER)
    assert [await visibility.may_see(viewer, ann) for viewer in (as_bob, as_ann, None)] == [False, True, True]
    assert [await visibility.may_see(viewer, bob) for viewer in (as_bob, as_ann, None)] == [True, True, True]
    await house.store.follows.unblock(bob, ann)
    assert await visibility.may_see(as_bob, ann) is True


async def test_the_bytes_of_a_file_are_for_whoever_sees_the_profile_and_the_avatar_is_for_everyone(
    house: House,
) -> None:
    store = house.store
    ann, fan, asking, blocked = [await store.profile(name) for name in ("ann", "fan", "asking", "blocked")]
    await store.follow(fan, ann)
    await store.set_private(ann, is_private=True)
    await store.follow(asking, ann)
    await store.block(ann, blocked)
    viewers = [None, *(Viewer(user, Role.LISTENER) for user in (asking, fan, ann, blocked)), ADMIN]
    seen = {
        (is_private, file.type): [
            await visibility_in(house).may_have(each, OwnedFile(file, is_private)) for each in viewers
        ]
        for is_private in (False, True)
        for file in (track(ann), media(ann, FileType.AVATAR))
    }
    assert seen == {
        (False, FileType.TRACK): [True, True, True, True, False, True],
        (True, FileType.TRACK): [False, False, True, True, False, True],
        (False, FileType.AVATAR): [True] * 6,
        (True, FileType.AVATAR): [True] * 6,
    }


async def test_an_owner_sees_their_own_profile_as_others_do(house: House) -> None:
    store = house.store
    ann, bob, eve, kim = [await store.profile(name) for name in ("ann", "bob", "eve", "kim")]
    await store.follow(bob, ann)
    await store.set_private(ann, is_private=True)
    await store.block(ann, kim)
    visibility, owner = visibility_in(house), Viewer(ann, Role.LISTENER)
    for other, role in ((bob, Role.LISTENER), (eve, Role.LISTENER), (kim, Role.LISTENER), (ann, Role.LISTENER)):
        seen = (await visibility.by_ids(Viewer(other, role), [ann]))[ann]
        assert await visibility.own_as_seen_by(owner, other) == seen
        assert seen.is_full is (other in (bob, ann))
    assert await visibility.own_as_seen_by(owner, None) == (await visibility.by_ids(None, [ann]))[ann]
    assert await visibility.own_as_seen_by(owner, NOBODY) is None
    assert await visibility.own_as_seen_by(Viewer(NOBODY, Role.LISTENER), bob) is None


def visibility_in(house: House) -> Visibility:
    store, delivery = house.store, house.delivery
    follows = FollowService(store.follows, delivery, store.clock)
    return Visibility(ProfileService(store.profiles, delivery, store.clock), follows)
