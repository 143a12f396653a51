"""Who may see what of whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.contract_suites.scene import NOBODY
from tests.domain.conftest import House
from tests.domain.test_profiles import FULL

from pet.domain.follows import FollowService, FollowState
from pet.domain.ids import FileId, UserId
from pet.domain.profiles import Preferences, Profile, ProfileService, SocialLinks
from pet.domain.stats import Stats
from pet.domain.viewers import Role, Viewer
from pet.domain.visibility import Visibility, may_see_all, view_of

PUBLIC = replace(FULL, avatar_file_id=FileId("avatar"), stats=Stats(tracks=1, followers=2, following=3, plays=4))
PRIVATE = replace(PUBLIC, preferences=Preferences(private_profile=True))
CARD = Profile(
    object_id=PUBLIC.object_id,
    user_id=PUBLIC.user_id,
    username=PUBLIC.username,
    role=PUBLIC.role,
    created_at=PUBLIC.created_at,
    updated_at=PUBLIC.updated_at,
    display_name=PUBLIC.display_name,
    avatar_file_id=PUBLIC.avatar_file_id,
    stats=PUBLIC.stats,
    social_links=SocialLinks(),
    preferences=Preferences(private_profile=True),
)
OWNER = Viewer(PUBLIC.user_id, Role.MUSICIAN)
STRANGER = Viewer(UserId("bob"), Role.LISTENER)
ADMIN = Viewer(UserId("root"), Role.ADMIN)
PENDING, FOLLOWING = FollowState.PENDING, FollowState.FOLLOWING

SEES_PRIVATE = [
    (None, None, False),
    (STRANGER, None, False),
    (STRANGER, PENDING, False),
    (STRANGER, FOLLOWING, True),
    (OWNER, None, True),
    (ADMIN, None, True),
    (ADMIN, PENDING, True),
]
IDS = ["nobody", "stranger", "asking", "follower", "owner", "admin", "asking_admin"]


@pytest.mark.parametrize(("viewer", "state", "sees"), SEES_PRIVATE, ids=IDS)
def test_a_public_profile_is_for_everyone_and_a_private_one_for_some(
    viewer: Viewer | None, state: FollowState | None, sees: bool
) -> None:
    assert may_see_all(viewer, PUBLIC, state) is True
    assert may_see_all(viewer, PRIVATE, state) is sees


@pytest.mark.parametrize(("viewer", "state", "sees"), SEES_PRIVATE, ids=IDS)
def test_whoever_does_not_see_all_gets_the_card(viewer: Viewer | None, state: FollowState | None, sees: bool) -> None:
    view = view_of(viewer, PRIVATE, state)
    assert view.profile == (PRIVATE if sees else CARD)
    assert (view.is_full, view.is_private, view.user_id) == (sees, True, PRIVATE.user_id)


@pytest.mark.parametrize(("viewer", "sees"), [(None, False), (STRANGER, False), (OWNER, True), (ADMIN, False)], ids=str)
def test_preferences_are_for_the_owner_alone(viewer: Viewer | None, sees: bool) -> None:
    assert view_of(viewer, PUBLIC, FOLLOWING).preferences == (PUBLIC.preferences if sees else None)


async def test_many_profiles_are_seen_through_one_viewers_eyes_in_their_order(house: House) -> None:
    store, delivery = house.store, house.delivery
    ann, bob, eve = [await store.profile(name) for name in ("ann", "bob", "eve")]
    await store.follow(ann, bob)
    for private in (bob, eve):
        await store.set_private(private, is_private=True)
    follows = FollowService(store.follows, delivery, store.clock)
    visibility = Visibility(ProfileService(store.profiles, delivery, store.clock), follows)
    viewer = Viewer(ann, Role.LISTENER)
    profiles = [await store.shown(user) for user in (eve, bob, ann)]
    assert [view.is_full for view in await visibility.views(viewer, profiles)] == [False, True, True]
    assert [view.is_full for view in await visibility.views(None, profiles)] == [False, False, True]
    assert set(await visibility.by_ids(viewer, [bob, NOBODY])) == {bob}
    assert [await visibility.may_see(viewer, user) for user in (eve, bob, ann, NOBODY)] == [False, True, True, False]
