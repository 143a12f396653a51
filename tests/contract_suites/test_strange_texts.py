"""Ids and names that no record can have reach the stores as well: nothing is found, and no engine breaks off."""

from __future__ import annotations

import pytest
from tests.contract_suites.scene import NOON, Store

from pet.domain.feed import Activity
from pet.domain.files import FileList
from pet.domain.follows import FollowList
from pet.domain.ids import EventId, FileId, ObjectId, SessionId, UserId
from pet.domain.texts import search_key

STRANGE = {
    "nul": "a\0b",
    "surrogate": "a\ud800b",
    "empty": "",
    "long": "a" * 10_000,
    "quote": "'\"; --",
    "emoji": "\U0001f3b5",
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
async def test_what_no_record_is_called_is_not_found(store: Store, text: str) -> None:
    user_id, ann = UserId(text), await store.profile("ann")
    assert await store.profiles.get_many([user_id]) == {}
    assert await store.profiles.find_by_username(text) is None
    if sought := search_key(text):
        assert (await store.profiles.plain_page(after=None, limit=5, search=sought)).items == []
    others = await store.profiles.plain_page(after=None, limit=5, exclude=user_id)
    assert [person.user_id for person in others.items] == [ann]
    assert await store.accounts.find(user_id) is None
    assert await store.accounts.find_by_email(text) is None
    assert await store.accounts.find_by_username(text) is None
    assert await store.sessions.find(SessionId(text)) is None
    assert await store.sessions.of_user(user_id, NOON) == []
    assert await store.files.get_many([FileId(text)]) == {}
    assert (await store.files.pages([user_id], FileList.TRACKS, after=None, limit=5))[user_id].items == []
    assert await store.files.count_audio([user_id]) == {user_id: 0}
    assert await store.files.remove(FileId(text), NOON) == []
    assert await store.follows.states(user_id, [ann]) == {}
    assert await store.follows.states(ann, [user_id]) == {}
    assert (await store.follows.pages([user_id], FollowList.FOLLOWERS, after=None, limit=5))[user_id].items == []
    found: Activity | None = await store.activities.find(ObjectId(text))
    assert found is None
    assert (await store.activities.feed(user_id, seen_by=None, after=None, limit=5)).items == []
    assert await store.outbox.settle(EventId(text)) is False
