"""What one operation may ask for as a whole."""

from __future__ import annotations

from pet.context import MAX_ITEMS
from tests.conftest import Service

FOLLOW = "mutation ($userId: ID!) { follow(userId: $userId) { follow { state } } }"


def nested(*lists: str) -> str:
    """Return a query for pages of 100 people within pages of 100 people."""
    query = "userId"
    for name in reversed(lists):
        query = f"{name}(first: 100) {{ edges {{ node {{ {query} }} }} }}"
    return f"{{ {query} }}"


async def test_pages_within_pages_are_bounded(service: Service) -> None:
    people = [await service.register(f"person{number}") for number in range(8)]
    for follower in people:
        for followed in people:
            if follower is not followed:
                await service.graphql(FOLLOW, {"userId": followed.user_id}, by=follower)

    within = await service.graphql(nested("profiles", "followers", "following"))
    assert "errors" not in within
    assert len(within["data"]["profiles"]["edges"][0]["node"]["followers"]["edges"]) == 7

    beyond = await service.graphql(nested("profiles", "followers", "following", "followers"))
    assert beyond["data"] is None
    sentence = f"The operation asks for more than {MAX_ITEMS} items. Ask for smaller pages."
    assert {(error["message"], error["extensions"]["code"]) for error in beyond["errors"]} == {(sentence, "INVALID")}
