"""What a change makes of a profile, and what it tells of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pet.domain.errors import Invalid
from pet.domain.events import UserUpdated
from pet.domain.ids import FileId, ObjectId, UserId
from pet.domain.profiles import UNSET, Preferences, Profile, ProfileChange, SocialLinks, edited
from pet.domain.viewers import Role

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)
FULL = Profile(
    object_id=ObjectId("0" * 24),
    user_id=UserId("ann"),
    username="ann",
    role=Role.MUSICIAN,
    created_at=AT,
    updated_at=AT,
    display_name="Ann",
    bio="About me",
    location="Tomsk",
    genres=("rock",),
    instruments=("bass",),
    social_links=SocialLinks(youtube="https://example.com/a", vk="@ann"),
    preferences=Preferences(email_notifications=False),
    cover_file_id=FileId("cover"),
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"display_name": " Анна "}, {"display_name": "Анна"}),
        ({"display_name": None}, {"display_name": None}),
        ({"display_name": "  "}, {"display_name": None}),
        ({"bio": "line\nline"}, {"bio": "line\nline"}),
        ({"location": None}, {"location": None}),
        ({"genres": ["jazz", "jazz", ""]}, {"genres": ("jazz",)}),
        ({"genres": []}, {"genres": ()}),
        ({"genres": None, "instruments": None}, {"genres": (), "instruments": ()}),
        (
            {"social_links": {"telegram": "@t", "vk": None}},
            {"social_links": SocialLinks(youtube="https://example.com/a", telegram="@t")},
        ),
        ({"social_links": None}, {"social_links": SocialLinks()}),
        ({"cover_file_id": None}, {"cover_file_id": None}),
        ({"cover_file_id": FileId("other")}, {"cover_file_id": FileId("other")}),
    ],
)
def test_absent_keeps_null_clears_links_merge_and_lists_replace(
    change: dict[str, Any], expected: dict[str, Any]
) -> None:
    profile, events = edited(FULL, ProfileChange(**change), LATER)
    assert profile == replace(FULL, updated_at=LATER, **expected)
    assert events == (UserUpdated(user_id=FULL.user_id, occurred_at=LATER, is_news=True, event_id=events[0].event_id),)


@pytest.mark.parametrize(
    ("change", "expected", "went_public"),
    [
        ({"private_profile": True}, Preferences(email_notifications=False, private_profile=True), False),
        ({"email_notifications": None}, Preferences(), False),
        ({"show_online_status": False}, Preferences(email_notifications=False, show_online_status=False), False),
        (None, Preferences(), False),
    ],
)
def test_preferences_merge_and_are_no_news(
    change: dict[str, bool | None] | None, expected: Preferences, went_public: bool
) -> None:
    profile, events = edited(FULL, ProfileChange(preferences=change), LATER)
    assert profile == replace(FULL, updated_at=LATER, preferences=expected)
    assert [(event.is_news, event.went_public) for event in events if isinstance(event, UserUpdated)] == [
        (False, went_public)
    ]


@pytest.mark.parametrize("change", [{"private_profile": False}, {"private_profile": None}, None])
def test_a_private_profile_that_goes_public_says_so(change: dict[str, bool | None] | None) -> None:
    private = replace(FULL, preferences=Preferences(private_profile=True))
    profile, [event] = edited(private, ProfileChange(preferences=change), LATER)
    assert profile.is_private is False
    assert isinstance(event, UserUpdated)
    assert (event.is_news, event.went_public) == (False, True)


@pytest.mark.parametrize(
    "change",
    [
        ProfileChange(),
        ProfileChange(display_name="Ann ", genres=["rock", "rock"]),
        ProfileChange(social_links={}, preferences={}),
        ProfileChange(social_links={"vk": "@ann", "myspace": "@x"}, preferences={"email_notifications": False}),
        ProfileChange(cover_file_id=FileId("cover"), bio=UNSET),
    ],
    ids=["nothing", "the_same_again", "empty_maps", "unknown_keys", "the_same_cover"],
)
def test_a_change_that_changes_nothing_has_no_event(change: ProfileChange) -> None:
    assert edited(FULL, change, LATER) == (FULL, ())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"display_name": "x" * 101}, "displayName"),
        ({"bio": "x" * 2001}, "bio"),
        ({"location": "a\nb"}, "location"),
        ({"genres": ["x"] * 21}, "genres"),
        ({"instruments": ["x" * 51]}, "instruments"),
        ({"social_links": {"youtube": "javascript:alert(1)"}}, "socialLinks.youtube"),
        ({"social_links": {"vk": "ftp://example.com"}}, "socialLinks.vk"),
        ({"social_links": {"vk": "//example.com"}}, "socialLinks.vk"),
        ({"social_links": {"vk": "ann"}}, "socialLinks.vk"),
        ({"social_links": {"vk": 'http://a.b/" onclick'}}, "socialLinks.vk"),
        ({"social_links": {"telegram": "https://example.com/" + "x" * 200}}, "socialLinks.telegram"),
    ],
)
def test_a_malformed_field_is_refused_by_its_name(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        edited(FULL, ProfileChange(**change), LATER)
    assert refusal.value.field == field


@pytest.mark.parametrize("link", ["https://vk.com/ann", "HTTP://example.com", "@ann.b-1", "https://музыка.рф/я"])
def test_a_link_is_a_url_or_a_name(link: str) -> None:
    profile, _ = edited(FULL, ProfileChange(social_links={"vk": link}), LATER)
    assert profile.social_links.vk == link
