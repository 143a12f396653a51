"""Who may see what: the one place that decides it, for both fronts, media bytes, feeds and subscriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pet.domain.follows import FollowService, FollowState
from pet.domain.ids import UserId
from pet.domain.profiles import Preferences, Profile, ProfileService, SocialLinks
from pet.domain.viewers import Viewer


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A profile as one viewer may see it.

    `profile` holds nothing that the viewer may not see: where `is_full` is False it is the card (names, avatar, role,
    counters). `preferences` is None for anyone but the owner. `is_private` is for everyone.
    """

    profile: Profile
    is_private: bool
    is_full: bool
    preferences: Preferences | None

    @property
    def user_id(self) -> UserId:
        """Whose profile it is."""
        return self.profile.user_id


def may_see_all(viewer: Viewer | None, profile: Profile, state: FollowState | None) -> bool:
    """Tell whether a viewer, who stands to the profile as `state` says, sees more than the card."""
    if not profile.is_private:
        return True
    if viewer is None:
        return False
    return viewer.is_admin or viewer.user_id == profile.user_id or state is FollowState.FOLLOWING


def view_of(viewer: Viewer | None, profile: Profile, state: FollowState | None) -> ProfileView:
    """Return a profile as the viewer may see it."""
    is_own = viewer is not None and viewer.user_id == profile.user_id
    is_full = may_see_all(viewer, profile, state)
    return ProfileView(
        profile=profile if is_full else _card(profile),
        is_private=profile.is_private,
        is_full=is_full,
        preferences=profile.preferences if is_own else None,
    )


def _card(profile: Profile) -> Profile:
    return replace(
        profile,
        bio=None,
        location=None,
        genres=(),
        instruments=(),
        social_links=SocialLinks(),
        preferences=Preferences(private_profile=True),
        cover_file_id=None,
    )


class Visibility:
    """Looks at many profiles at once through one viewer's eyes, in a constant number of reads."""

    def __init__(self, profiles: ProfileService, follows: FollowService) -> None:
        self._profiles = profiles
        self._follows = follows

    async def views(self, viewer: Viewer | None, profiles: Sequence[Profile]) -> Sequence[ProfileView]:
        """Return the profiles as the viewer may see them, in the same order."""
        hidden = [p.user_id for p in profiles if not may_see_all(viewer, p, None)]
        states = await self._follows.states(viewer.user_id, hidden) if viewer and hidden else {}
        return [view_of(viewer, profile, states.get(profile.user_id)) for profile in profiles]

    async def by_ids(self, viewer: Viewer | None, user_ids: Sequence[UserId]) -> Mapping[UserId, ProfileView]:
        """Return those of the profiles that exist, by user id."""
        profiles = await self._profiles.get_many(user_ids)
        views = await self.views(viewer, list(profiles.values()))
        return {view.user_id: view for view in views}

    async def may_see(self, viewer: Viewer | None, owner_id: UserId) -> bool:
        """Tell whether the viewer sees more than the card of someone; False when they are gone."""
        view = (await self.by_ids(viewer, [owner_id])).get(owner_id)
        return view is not None and view.is_full
