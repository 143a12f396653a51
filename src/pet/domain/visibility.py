"""Who may see what: the one place that decides it, for both fronts, media bytes, feeds and subscriptions.

Who may do what is in `permissions.py`; what a block means, in `blocks.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pet.domain.files import OwnedFile
from pet.domain.follows import FollowService, FollowState
from pet.domain.ids import UserId
from pet.domain.permissions import may_act_for, owns
from pet.domain.plain_profiles import NO_TAGS, PlainProfile
from pet.domain.profiles import Preferences, Profile, ProfileService
from pet.domain.stats import Stats
from pet.domain.viewers import Viewer


@dataclass(slots=True)
class ProfileView:
    """A profile as one viewer may see it; nobody changes it. (Frozen it would take three times as long to make.)

    `profile` holds nothing that the viewer may not see: where `is_full` is False it is the card (names, avatar, role,
    counters, and whether it is private). `is_own` and `state` tell how the viewer stands to the profile.
    """

    profile: PlainProfile
    is_full: bool
    is_own: bool
    state: FollowState | None

    @property
    def user_id(self) -> UserId:
        """Whose profile it is."""
        return self.profile.user_id

    @property
    def is_private(self) -> bool:
        """Whether only accepted followers see more than the card; everyone may know."""
        return bool(self.profile.is_private)

    @property
    def preferences(self) -> Preferences | None:
        """What the person wishes; None for anyone but the owner."""
        wishes = self.profile
        if not self.is_own:
            return None
        return Preferences(bool(wishes.email_notifications), bool(wishes.show_online_status), self.is_private)

    @property
    def list_sizes(self) -> Stats:
        """How long the lists are that the viewer sees: where they are hidden, zero, whatever the counters say."""
        counters = self.profile
        if not self.is_full:
            return Stats()
        return Stats(counters.tracks, counters.followers, counters.following, counters.plays)


def may_see_all(viewer: Viewer | None, profile: Profile | PlainProfile | OwnedFile, state: FollowState | None) -> bool:
    """Tell whether a viewer, who stands to the profile as `state` says, sees more than the card."""
    if may_act_for(viewer, profile.user_id):
        return True
    if state is FollowState.BLOCKED:
        return False
    return not profile.is_private or state is FollowState.FOLLOWING


def may_see_follow(follower: ProfileView | None, followed: ProfileView | None) -> bool:
    """Tell whether a viewer may know if one follows the other: one of their two lists must be open to the viewer."""
    return follower is not None and followed is not None and (follower.is_full or followed.is_full)


def may_see_whole_feed(viewer: Viewer | None, user_id: UserId) -> bool:
    """Tell whether a viewer sees all that someone's feed holds: whoever follows was let in by everyone in it."""
    return may_act_for(viewer, user_id)


def view_of(viewer: Viewer | None, profile: PlainProfile, state: FollowState | None) -> ProfileView:
    """Return a profile as the viewer may see it."""
    is_full = may_see_all(viewer, profile, state)
    return ProfileView(profile if is_full else card(profile), is_full, owns(viewer, profile.user_id), state)


def card(profile: PlainProfile) -> PlainProfile:
    """Return what everyone may see of a profile."""
    return profile._replace(
        bio=None,
        location=None,
        genres=NO_TAGS,
        instruments=NO_TAGS,
        youtube=None,
        vk=None,
        telegram=None,
        email_notifications=True,
        show_online_status=True,
        cover_file_id=None,
    )


class Visibility:
    """Looks at many profiles at once through one viewer's eyes, in a constant number of reads."""

    def __init__(self, profiles: ProfileService, follows: FollowService) -> None:
        self._profiles = profiles
        self._follows = follows

    async def views(self, viewer: Viewer | None, profiles: Sequence[PlainProfile]) -> Sequence[ProfileView]:
        """Return the profiles as the viewer may see them, in the same order."""
        others = [profile.user_id for profile in profiles if not owns(viewer, profile.user_id)] if viewer else []
        states = await self._follows.states(viewer.user_id, others) if viewer and others else {}
        return [view_of(viewer, profile, states.get(profile.user_id)) for profile in profiles]

    async def cards_only(self, viewer: Viewer | None, profiles: Sequence[PlainProfile]) -> Collection[UserId]:
        """Return of whom the viewer sees no more than the card, of up to 1,000 people."""
        ids = [profile.user_id for profile in profiles]
        states = await self._follows.states(viewer.user_id, ids) if viewer and ids else {}
        return {
            profile.user_id for profile in profiles if not may_see_all(viewer, profile, states.get(profile.user_id))
        }

    async def by_ids(self, viewer: Viewer | None, user_ids: Sequence[UserId]) -> Mapping[UserId, ProfileView]:
        """Return those of the profiles that exist, by user id."""
        profiles = await self._profiles.plain_many(user_ids)
        views = await self.views(viewer, list(profiles.values()))
        return {view.user_id: view for view in views}

    async def may_see(self, viewer: Viewer | None, owner_id: UserId) -> bool:
        """Tell whether the viewer sees more than the card of someone: oneself always, nobody who is gone."""
        if owns(viewer, owner_id):
            return True
        view = (await self.by_ids(viewer, [owner_id])).get(owner_id)
        return view is not None and view.is_full

    async def may_have(self, viewer: Viewer | None, owned: OwnedFile) -> bool:
        """Tell whether the viewer may have the bytes of a file; the avatar is on the card."""
        if owned.file.is_avatar:
            return True
        is_someone_else = viewer is not None and not owns(viewer, owned.user_id)
        states = await self._follows.states(viewer.user_id, [owned.user_id]) if viewer and is_someone_else else {}
        return may_see_all(viewer, owned, states.get(owned.user_id))

    async def own_as_seen_by(self, owner: Viewer, other_id: UserId | None) -> ProfileView | None:
        """Return the owner's own profile as another user sees it, or whoever is not logged in (`other_id` is None).

        What decides is what decides when the other looks: nothing of the other is told but how they stand to the owner.
        None when one of the two is not there.
        """
        other = await self._profiles.find(other_id) if other_id else None
        if other_id and other is None:
            return None
        seen_by = Viewer(other.user_id, other.role) if other else None
        return (await self.by_ids(seen_by, [owner.user_id])).get(owner.user_id)
