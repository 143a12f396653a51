"""Changing one's own profile."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import strawberry

from pet.domain.errors import Invalid
from pet.domain.ids import FileId
from pet.domain.permissions import owns
from pet.domain.profiles import UNSET, ProfileChange, Unset
from pet.schema.call import Info
from pet.schema.errors import Payload
from pet.schema.profiles import Profile, changed_profile


@strawberry.input(description="Links to change: an absent one stays, null clears.")
class SocialLinksInput:
    """Links to change."""

    youtube: str | None = strawberry.field(default=strawberry.UNSET, description="An http(s) URL or @name.")
    vk: str | None = strawberry.field(default=strawberry.UNSET, description="An http(s) URL or @name.")
    telegram: str | None = strawberry.field(default=strawberry.UNSET, description="An http(s) URL or @name.")


@strawberry.input(description="Preferences to change: an absent one stays, null goes back to the default.")
class PreferencesInput:
    """Preferences to change."""

    email_notifications: bool | None = strawberry.field(default=strawberry.UNSET, description="By default true.")
    show_online_status: bool | None = strawberry.field(default=strawberry.UNSET, description="By default true.")
    private_profile: bool | None = strawberry.field(
        default=strawberry.UNSET, description="By default false. Going public accepts everyone who has asked to follow."
    )


@strawberry.input(description="What to change of one's own profile: an absent field stays, null clears.")
class UpdateProfileInput:
    """What to change."""

    display_name: str | None = strawberry.field(default=strawberry.UNSET, description="At most 100 characters.")
    bio: str | None = strawberry.field(default=strawberry.UNSET, description="At most 2,000 characters.")
    location: str | None = strawberry.field(default=strawberry.UNSET, description="At most 100 characters.")
    genres: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Replaces the list: at most 20.")
    instruments: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="Replaces the list: at most 20."
    )
    social_links: SocialLinksInput | None = strawberry.field(default=strawberry.UNSET, description="Merged by key.")
    preferences: PreferencesInput | None = strawberry.field(default=strawberry.UNSET, description="Merged by key.")
    cover_image_url: str | None = strawberry.field(
        default=strawberry.UNSET, description="The URL of one's own image here."
    )


@strawberry.type(description="The profile after the change, or the mistakes.")
class UpdateProfilePayload(Payload):
    """The result of `updateProfile`."""

    profile: Profile | None = strawberry.field(default=None, description="The profile after the change.")


async def update_profile(
    info: Info, input: Annotated[UpdateProfileInput, strawberry.argument(description="What to change.")]
) -> UpdateProfilePayload:
    """Change the viewer's own profile."""
    viewer = info.context.required_viewer
    await info.context.services.profiles.update(viewer, viewer.user_id, await _change(info, input))
    return UpdateProfilePayload(profile=await changed_profile(info, viewer.user_id))


async def _change(info: Info, input: UpdateProfileInput) -> ProfileChange:
    return ProfileChange(
        display_name=_given(input.display_name),
        bio=_given(input.bio),
        location=_given(input.location),
        genres=_given(input.genres),
        instruments=_given(input.instruments),
        social_links=_merged(input.social_links),
        preferences=_merged(input.preferences),
        cover_file_id=await _own_image(info, _given(input.cover_image_url)),
    )


async def _own_image(info: Info, url: str | Unset | None) -> FileId | Unset | None:
    """Return the image that a URL of this service names, if it is the viewer's own."""
    if url is None or isinstance(url, Unset):
        return url
    services = info.context.services
    file_id = services.links.own_image(url)
    file = await services.files.cover_for(file_id) or await services.files.find(file_id) if file_id else None
    if file is None or file.width is None or not owns(info.context.required_viewer, file.user_id):
        raise Invalid("coverImageUrl must be the URL of an image that you have uploaded here.", field="coverImageUrl")
    return file.file_id


def _given(value: Any) -> Any:
    """Translate Strawberry's absence into the domain's."""
    return UNSET if value is strawberry.UNSET else value


def _merged(value: SocialLinksInput | PreferencesInput | None) -> Any:
    """Return the keys that were given, UNSET where the whole input is absent."""
    given = _given(value)
    if given is UNSET or given is None:
        return given
    return {key: item for key, item in asdict(given).items() if item is not strawberry.UNSET}
