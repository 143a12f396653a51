"""People: profiles, lists of them, and changing one's own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from pet.domain.errors import NotFound
from pet.domain.follows import Follow, FollowList
from pet.domain.ids import UserId, parse_uuid
from pet.domain.paging import Page, Position
from pet.domain.permissions import require_auditor
from pet.domain.times import Milliseconds
from pet.domain.visibility import ProfileView
from pet.schema.call import Info
from pet.schema.connections import After, Cursor, First, PageInfo, asked, cursors, page_info
from pet.schema.files import MediaFileConnection, TrackConnection, media_file_connection, track_connection
from pet.schema.interfaces import Node
from pet.schema.profile_parts import (
    ROLE_NAMES,
    FollowStateName,
    PreferencesView,
    ProfileStats,
    RoleName,
    SocialLinks,
    StatsAudit,
)
from pet.schema.scalars import global_id, read_tags

_PEOPLE = "profiles"


@strawberry.input(one_of=True, description="Whose profile: exactly one of the two.")
class ProfileBy:
    """A person, by id or by name."""

    user_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="The `userId`.")
    username: str | None = strawberry.field(default=strawberry.UNSET, description="In any case of letters.")


@strawberry.type(description="A person on the network. What a private profile hides is null or empty.")
class Profile(Node):
    """A profile as the viewer may see it."""

    view: strawberry.Private[ProfileView]

    def global_id(self) -> strawberry.ID:
        """Return the global id."""
        return global_id("Profile", self.view.user_id)

    @strawberry.field(description="The id that the REST routes use.")
    def user_id(self) -> strawberry.ID:
        return strawberry.ID(self.view.profile.user_id)

    @strawberry.field(description="Unique without regard to case; never changes.")
    def username(self) -> str:
        return self.view.profile.username

    @strawberry.field(description="The name to show, at most 100 characters; null: show the username.")
    def display_name(self) -> str | None:
        return self.view.profile.display_name

    @strawberry.field(description="URL of the avatar, null before the first. It stays the same when the image changes.")
    def avatar_url(self, info: Info) -> str | None:
        return info.context.services.links.avatar(self.view)

    @strawberry.field(description="URL of the image behind the profile's head.")
    def cover_image_url(self, info: Info) -> str | None:
        return info.context.services.links.profile_cover(self.view, info.context.viewer)

    @strawberry.field(description="What the person is.")
    def role(self) -> RoleName:
        return ROLE_NAMES[self.view.profile.role]

    @strawberry.field(description="Whether only accepted followers see more than names, avatar, role and counters.")
    def is_private(self) -> bool:
        return self.view.is_private

    @strawberry.field(description="Counters, visible to everyone.")
    def stats(self) -> ProfileStats:
        return ProfileStats(counters=self.view.profile)

    @strawberry.field(
        description="The counters recomputed from what they count. For admins: FORBIDDEN for anyone else."
    )
    async def stats_audit(self, info: Info) -> StatsAudit | None:
        require_auditor(info.context.required_viewer)
        return StatsAudit.of(await info.context.services.audit.verdict(self.view.user_id))

    @strawberry.field(description="Whether this is the profile of the token's user.")
    def viewer_is_self(self) -> bool:
        return self.view.is_own

    @strawberry.field(description="How the token's user stands to this person; NONE without a token.")
    def viewer_follow_state(self) -> FollowStateName:
        return FollowStateName.of(self.view.state)

    @strawberry.field(description="About the person, at most 2,000 characters.")
    def bio(self) -> str | None:
        return self.view.profile.bio

    @strawberry.field(description="Where the person is, at most 100 characters.")
    def location(self) -> str | None:
        return self.view.profile.location

    @strawberry.field(description="At most 20 genres, in the person's own order.")
    def genres(self) -> list[str]:
        return read_tags(self.view.profile.genres)

    @strawberry.field(description="At most 20 instruments, in the person's own order.")
    def instruments(self) -> list[str]:
        return read_tags(self.view.profile.instruments)

    @strawberry.field(description="Links to other networks.")
    def social_links(self) -> SocialLinks:
        return SocialLinks.of(self.view.profile)

    @strawberry.field(description="Null for anyone but the owner.")
    def preferences(self) -> PreferencesView | None:
        return PreferencesView.of(self.view.preferences) if self.view.preferences else None

    @strawberry.field(description="When the person joined.")
    def created_at(self) -> Milliseconds:
        return self.view.profile.created_ms

    @strawberry.field(description="When the person last changed the profile.")
    def updated_at(self) -> Milliseconds:
        return self.view.profile.updated_ms

    @strawberry.field(description="Published tracks, newest first; empty where the viewer may not see them.")
    async def tracks(self, info: Info, first: First = None, after: After = None) -> TrackConnection:
        return await track_connection(info, self.view, first, after)

    @strawberry.field(description="Everything uploaded whose bytes are audio, tracks included, newest first.")
    async def audio_files(self, info: Info, first: First = None, after: After = None) -> MediaFileConnection:
        return await media_file_connection(info, self.view, first, after)

    @strawberry.field(description="Accepted followers, the newest follow first.")
    async def followers(self, info: Info, first: First = None, after: After = None) -> FollowConnection:
        return await _follow_connection(info, self.view, FollowList.FOLLOWERS, first, after)

    @strawberry.field(description="People followed, the newest follow first.")
    async def following(self, info: Info, first: First = None, after: After = None) -> FollowConnection:
        return await _follow_connection(info, self.view, FollowList.FOLLOWING, first, after)


@strawberry.type(description="A person in a list.")
class ProfileEdge:
    """A person in a list."""

    view: strawberry.Private[ProfileView]

    @strawberry.field(description="The place in the list.")
    def cursor(self) -> str:
        return str(_cursor(self.view))

    @strawberry.field(description="The person.")
    def node(self) -> Profile:
        return Profile(view=self.view)


@strawberry.type(description="A page of people.")
class ProfileConnection:
    """A page of people."""

    edges: list[ProfileEdge] = strawberry.field(description="The people of this page.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")
    search: strawberry.Private[str | None]
    exclude: strawberry.Private[UserId | None]

    @strawberry.field(description="How many people the list has on all pages; counted only when asked for.")
    async def total_count(self, info: Info) -> int:
        return await info.context.services.profiles.count(search=self.search, exclude=self.exclude)


@strawberry.type(description="A person in a list of follows.")
class FollowEdge:
    """A person in a list of follows."""

    cursor: Cursor = strawberry.field(graphql_type=str, description="The place in the list.")
    followed_at: datetime = strawberry.field(description="When the follow was made or asked for.")
    node: Profile = strawberry.field(description="The person on the other side.")


@strawberry.type(description="A page of follows.")
class FollowConnection:
    """A page of follows."""

    edges: list[FollowEdge] = strawberry.field(description="The follows of this page.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")
    total_count: int = strawberry.field(description="How many follows the list has on all pages.")


async def profile(
    info: Info, by: Annotated[ProfileBy, strawberry.argument(description="Whose profile.")]
) -> Profile | None:
    """Return a person, or None."""
    user_id = await _user_id(info, by)
    view = await info.context.loaders.profile.load(user_id) if user_id else None
    return Profile(view=view) if view else None


async def profiles(
    info: Info,
    first: First = None,
    after: After = None,
    search: Annotated[
        str | None,
        strawberry.argument(
            description="The beginning of a username or of a word of a display name, in any case, accents or not."
        ),
    ] = None,
    exclude_user_id: Annotated[strawberry.ID | None, strawberry.argument(description="Someone to leave out.")] = None,
) -> ProfileConnection:
    """Return people, the newest first."""
    limit, position = asked(_PEOPLE, first, after)
    exclude = UserId(parse_uuid(exclude_user_id) or "") if exclude_user_id else None
    page = await people_page(info, after=position, limit=limit, search=search, exclude=exclude)
    edges = [ProfileEdge(view=view) for view in page.items]
    info_of_page = page_info([*map(_cursor, (*page.items[:1], *page.items[-1:]))], page, after=position)
    return ProfileConnection(edges=edges, page_info=info_of_page, search=search, exclude=exclude)


async def people_page(
    info: Info, *, after: Position | None, limit: int, search: str | None = None, exclude: UserId | None = None
) -> Page[ProfileView]:
    """Return a page of people as the viewer may see them."""
    services = info.context.services
    page = await services.profiles.plain_page(after=after, limit=limit, search=search, exclude=exclude)
    views = await services.visibility.views(info.context.viewer, page.items)
    info.context.loaders.profile.prime({view.user_id: view for view in views})
    return Page(items=views, has_next=page.has_next)


def position_of_view(view: ProfileView) -> Position:
    """Return where someone stands in the list of people."""
    return view.profile.position


def _cursor(view: ProfileView) -> Cursor:
    return Cursor(_PEOPLE, view, position_of_view)


async def existing_view(info: Info, user_id: UserId) -> ProfileView:
    """Return someone who must be there.

    Raises:
        NotFound: they are gone.
    """
    view = await info.context.loaders.profile.load(user_id)
    if view is None:
        raise NotFound("User not found", field="userId")
    return view


async def changed_profile(info: Info, user_id: UserId) -> Profile:
    """Return someone whom a mutation has just changed, read anew.

    Raises:
        NotFound: they are gone.
    """
    info.context.forget_loaded()
    return Profile(view=await existing_view(info, user_id))


async def _user_id(info: Info, by: ProfileBy) -> UserId | None:
    if by.user_id:
        found = parse_uuid(by.user_id)
        return UserId(found) if found else None
    entity = await info.context.services.profiles.find_by_username(by.username or "")
    return entity.user_id if entity else None


async def _follow_connection(
    info: Info, view: ProfileView, which: FollowList, first: int | None, after: str | None
) -> FollowConnection:
    limit, position = asked(which.value, first, after)
    page = await follows_page(info, view, which, after=position, limit=limit)
    others = await people_of(info, which, page)
    edges = [
        FollowEdge(cursor=cursor, followed_at=follow.created_at, node=other)
        for cursor, follow, other in zip(
            cursors(which.value, page, position_of_follow), page.items, others, strict=True
        )
        if other
    ]
    total = view.list_sizes.followers if which is FollowList.FOLLOWERS else view.list_sizes.following
    return FollowConnection(
        edges=edges, page_info=page_info([edge.cursor for edge in edges], page, after=position), total_count=total
    )


async def follows_page(
    info: Info, view: ProfileView, which: FollowList, *, after: Position | None, limit: int
) -> Page[Follow]:
    """Return a page of a person's follows, newest first; empty where the viewer may not see them."""
    if not view.is_full:
        return Page(items=[], has_next=False)
    return await info.context.loaders.follows.load(view.user_id, which, after=after, limit=limit)


async def people_of(info: Info, which: FollowList, page: Page[Follow]) -> list[Profile | None]:
    """Return who is on the other side of each follow of a list; None for someone who is just being deleted."""
    is_mine = which in {FollowList.FOLLOWING, FollowList.SENT_REQUESTS}
    ids = [follow.following_id if is_mine else follow.follower_id for follow in page.items]
    views = await info.context.loaders.profile.load_many(ids)
    return [Profile(view=view) if view else None for view in views]


def position_of_follow(follow: Follow) -> Position:
    """Return where a follow stands in its lists."""
    return Position(at=follow.created_at, id=follow.object_id)
