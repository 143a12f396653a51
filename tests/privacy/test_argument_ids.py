"""The ids of what is somebody else's, given to every argument of the schema that takes one.

The arguments are enumerated from the schema, so a new one fails here until it is said what it names. Nobody who is kept
out gets anything of Ann's but the card, her files, activities and sessions look as if they were not there, and nothing
of hers changes.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from graphql import GraphQLObjectType

from pet.schema.interfaces import Node
from tests.media_factory import png
from tests.privacy.asking import SCHEMA, arguments_with_ids, id_paths, operation
from tests.privacy.house import FRIEND, OWNER, House
from tests.schema.operations import send_form
from tests.setups import on_embedded

ARGUMENT_IDS = {
    "Query.profile(by.userId)": "user",
    "Query.profiles(excludeUserId)": "user",
    "Query.track(fileId)": "file",
    "Query.isFollowing(followerId)": "user",
    "Query.isFollowing(followingId)": "user",
    "Query.viewAs(as.userId)": "user",
    "Query.node(id)": "profile node",
    "Mutation.revokeSession(sessionId)": "session",
    "Mutation.deleteAccount(userId)": "user",
    "Mutation.uploadCover(trackId)": "file",
    "Mutation.updateTrack(fileId)": "file",
    "Mutation.deleteMedia(fileId)": "file",
    "Mutation.updateProfile(input.coverImageUrl)": "image url",
    "Mutation.follow(userId)": "user",
    "Mutation.unfollow(userId)": "user",
    "Mutation.acceptFollow(followerId)": "user",
    "Mutation.declineFollow(followerId)": "user",
    "Mutation.block(userId)": "user",
    "Mutation.unblock(userId)": "user",
}
"""What each argument names that takes an id, or the URL of a file here."""

TRIED = [*ARGUMENT_IDS.items(), ("Query.node(id)", "track node"), ("Query.node(id)", "activity node")]

HERS = (
    "Mutation.updateTrack(fileId)",
    "Mutation.uploadCover(trackId)",
    "Mutation.deleteMedia(fileId)",
)
"""The changes of what is Ann's; those of how she stands to others are made with the ids of others."""

NODES = {"Profile": "profile node", "Track": "track node", "TrackPublished": "activity node", "ProfileUpdated": None}
"""What the ids of each type of `Node` name; those of activities are of one kind."""


def test_it_is_known_what_every_id_names() -> None:
    assert arguments_with_ids().keys() == ARGUMENT_IDS.keys()
    implementations = SCHEMA.get_implementations(SCHEMA.type_map[Node.__name__])  # type: ignore[arg-type]
    assert {kind.name for kind in implementations.objects} == NODES.keys()
    nested = {
        f"{kind.name}.{name}({key})"
        for kind in SCHEMA.type_map.values()
        if isinstance(kind, GraphQLObjectType) and kind not in (SCHEMA.query_type, SCHEMA.mutation_type)
        for name, field in kind.fields.items()
        for key, argument in field.args.items()
        for _ in id_paths(key, argument.type)
    }
    assert nested == set()  # a field below the top that takes an id would have to be tried as well


async def ask(house: House, key: str, value: str, by: str | None) -> tuple[int, str]:
    """Give an id to an argument as somebody; return the answer, without what it did cost."""
    kind, field, path = arguments_with_ids()[key]
    query, given = operation(kind, field, path, value)
    person = house.world.homes[by].person if by else None
    if "file" in given and given["file"] is None:
        files = {"0": ("image.png", png())}
        operations = {"query": query, "variables": given}
        response = await send_form(house.world.service, operations, {"0": ["variables.file"]}, files, by=person)
    else:
        headers = person.headers if person else {}
        body = {"query": query, "variables": given}
        response = await house.world.service.client.post("/graphql", json=body, headers=headers)
    return response.status_code, re.sub(r'"extensions":\{"cost".*', "", response.text)


@on_embedded
async def test_no_argument_gives_outsiders_what_is_anns_nor_changes_it(house: House) -> None:
    before = await house.state()
    for argument, kind in TRIED:
        ids = house.ids()[kind]
        for by in house.outsiders:
            for own in ids.own.values():
                status, text = await ask(house, argument, own, by)
                assert status == HTTPStatus.OK or (by is None and "uploadCover" in argument), (argument, text)
                assert '"INTERNAL"' not in text
                assert '"INVALID"' not in text or kind == "image url", (argument, text)
                assert [secret for secret in house.secrets(but=own) if secret in text] == [], (argument, by)
                if ids.is_hidden:
                    assert (status, text) == await ask(house, argument, ids.unknown, by), (argument, by)
        assert await house.state() == before, argument


@on_embedded
async def test_the_same_questions_give_ann_what_is_hers(house: House) -> None:
    """Else the test above would find nothing because there is nothing."""
    silent = set()
    for argument, kind in TRIED:
        if argument.startswith("Query."):
            texts = [(await ask(house, argument, own, OWNER))[1] for own in house.ids()[kind].own.values()]
            if not any(f"{OWNER}'s" in text for text in texts):
                silent.add(argument)
    told_by_one_bit = {"Query.isFollowing(followerId)", "Query.isFollowing(followingId)"}
    assert silent == told_by_one_bit
    query = "query ($one: ID!, $other: ID!) { isFollowing(followerId: $one, followingId: $other) }"
    pair = {"one": house.world.user_id(OWNER), "other": house.world.user_id(FRIEND)}
    assert await house.world.graphql(query, pair, by=OWNER) == {"isFollowing": True}


@on_embedded
async def test_the_same_changes_of_anns_own_are_hers_to_make(house: House) -> None:
    """Else the test before would find no change because nothing can be changed so."""
    image = "Mutation.updateProfile(input.coverImageUrl)"  # which is her cover already
    for argument in (image, *HERS, "Mutation.revokeSession(sessionId)"):  # the last ends the session that asks
        before = await house.state()
        own = next(iter(house.ids()[ARGUMENT_IDS[argument]].own.values()))
        status, text = await ask(house, argument, own, OWNER)
        assert (status, '"userErrors":[]' in text) == (HTTPStatus.OK, True), (argument, text)
        if argument in HERS:
            assert await house.state() != before, argument
    assert (await house.world.service.graphql("{ me { userId } }", by=house.home.person))["data"] == {"me": None}
