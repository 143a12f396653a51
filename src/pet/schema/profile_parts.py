"""The parts of a profile, as GraphQL shows them."""

from __future__ import annotations

from enum import Enum

import strawberry

from pet.domain.audit import Verdict
from pet.domain.follows import FollowState
from pet.domain.plain_profiles import PlainProfile
from pet.domain.profiles import Preferences
from pet.domain.stats import Stats


@strawberry.enum(name="Role", description="What a person is on the network.")
class RoleName(Enum):
    """Roles, spelt as the legacy routes spell them."""

    musician = strawberry.enum_value("musician", description="Publishes tracks.")
    listener = strawberry.enum_value("listener", description="Listens; may publish tracks as well.")
    admin = strawberry.enum_value("admin", description="May delete any media and account; given by operators alone.")


ROLE_NAMES = {str(name.value): name for name in RoleName}
"""By the role as it is stored. Looked up for everyone in a list: a call of the enum takes more than twice as long."""


@strawberry.enum(name="FollowState", description="How one person stands to another.")
class FollowStateName(Enum):
    """The states of a follow, and the absence of one."""

    NONE = strawberry.enum_value("none", description="Does not follow, and has not asked to.")
    PENDING = strawberry.enum_value("pending", description="Has asked to follow a private profile, and waits.")
    FOLLOWING = strawberry.enum_value("following", description="Follows.")

    @classmethod
    def of(cls, state: FollowState | None) -> FollowStateName:
        """Return the name of a state; NONE for the absence of a follow, and for whoever is kept out."""
        return cls.NONE if state in (None, FollowState.BLOCKED) else cls(state.value)


@strawberry.type(description="Counters. They follow every change at once.")
class ProfileStats:
    """The counters of a profile."""

    counters: strawberry.Private[Stats | PlainProfile]

    @strawberry.field(description="Published tracks.")
    def tracks_count(self) -> int:
        return self.counters.tracks

    @strawberry.field(description="Accepted followers.")
    def followers_count(self) -> int:
        return self.counters.followers

    @strawberry.field(description="People followed.")
    def following_count(self) -> int:
        return self.counters.following

    @strawberry.field(description="Plays of all tracks ever published; never falls.")
    def total_plays(self) -> int:
        return self.counters.plays


@strawberry.type(description="A profile's counters compared with what they count, at one moment.")
class StatsAudit:
    """The verdict on one profile's counters."""

    stored: ProfileStats = strawberry.field(description="The counters as everyone sees them.")
    recomputed: ProfileStats = strawberry.field(description="What counting again gives, undelivered events included.")
    is_exact: bool = strawberry.field(
        description="Whether the two differ by nothing but events that still wait for their delivery."
    )
    at_event: strawberry.ID | None = strawberry.field(
        description="The newest event that was stored at that moment; null when none is kept any more."
    )

    @classmethod
    def of(cls, verdict: Verdict) -> StatsAudit:
        """Return the verdict."""
        return cls(
            stored=ProfileStats(counters=verdict.seen.stored),
            recomputed=ProfileStats(counters=verdict.seen.counted),
            is_exact=verdict.is_exact,
            at_event=strawberry.ID(verdict.last_event) if verdict.last_event else None,
        )


@strawberry.type(description="Where else a person is found: http(s) URLs or @names.")
class SocialLinks:
    """Links to other networks."""

    youtube: str | None = strawberry.field(description="A YouTube channel.")
    vk: str | None = strawberry.field(description="A VK page.")
    telegram: str | None = strawberry.field(description="A Telegram name or channel.")

    @classmethod
    def of(cls, profile: PlainProfile) -> SocialLinks:
        """Return the links of a profile."""
        return cls(youtube=profile.youtube, vk=profile.vk, telegram=profile.telegram)


@strawberry.type(name="Preferences", description="What a person wishes; shown to them alone.")
class PreferencesView:
    """Preferences of the viewer's own profile."""

    email_notifications: bool = strawberry.field(description="Whether they want to be told by email.")
    show_online_status: bool = strawberry.field(description="Whether others may see that they are online.")
    private_profile: bool = strawberry.field(description="Whether only accepted followers see more than the card.")

    @classmethod
    def of(cls, preferences: Preferences) -> PreferencesView:
        """Return the preferences."""
        return cls(
            email_notifications=preferences.email_notifications,
            show_online_status=preferences.show_online_status,
            private_profile=preferences.private_profile,
        )
