"""Everyone, for the legacy list that is complete, and one of them: plain values, with whom each follows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from pet.domain.ids import UserId
from pet.domain.paging import Page, Position
from pet.domain.plain_profiles import NOBODY, PlainPerson, PlainProfile
from pet.domain.visibility import card
from pet.schema.call import Info

FOLLOWS_AT_ONCE = 10_000
"""How many follows are read with a page of people: one of a hundred who follow thousands would fill the memory."""


@dataclass(frozen=True, slots=True)
class People:
    """A page of people as the viewer may see them, with everyone whom each follows as far as the viewer sees that."""

    page: Page[PlainProfile]
    following: Mapping[UserId, Sequence[UserId]]

    @property
    def next(self) -> Position | None:
        """Where the list goes on; None at its end."""
        return self.page.items[-1].position if self.page.has_next and self.page.items else None


async def people(info: Info, *, after: Position | None, limit: int, exclude: UserId | None) -> People:
    """Return up to so many people, the newest first; fewer where they follow very many."""
    services = info.context.services
    return await _seen(
        info, _not_too_many_follows(await services.profiles.plain_page(after=after, limit=limit, exclude=exclude))
    )


async def person(info: Info, user_id: UserId) -> PlainPerson | None:
    """Return one of them, by themselves, as the viewer may see them; None when there is no such person."""
    _ = info.context.viewer  # a bad token is refused whoever is asked for
    return await _person_as_seen(info, await info.context.services.profiles.find_person(user_id))


async def person_by_username(info: Info, username: str) -> PlainPerson | None:
    """Return the same of the person with that username, without regard to case."""
    return await _person_as_seen(info, await info.context.services.profiles.find_person_by_username(username))


async def _person_as_seen(info: Info, found: PlainPerson | None) -> PlainPerson | None:
    if found is None or not await info.context.services.visibility.cards_only(info.context.viewer, [found.profile]):
        return found
    return PlainPerson(card(found.profile), NOBODY)


async def _seen(info: Info, page: Page[PlainProfile]) -> People:
    services, viewer = info.context.services, info.context.viewer
    cards_only = await services.visibility.cards_only(viewer, page.items)
    open_ids = [person.user_id for person in page.items if person.user_id not in cards_only]
    following = await services.follows.following_ids(open_ids) if open_ids else {}
    return People(Page(_as_seen(page.items, cards_only), page.has_next), following)


def _not_too_many_follows(page: Page[PlainProfile]) -> Page[PlainProfile]:
    """Cut a page where the counters say that its people follow too many; the first one stays in any case."""
    totals = accumulate(person.following for person in page.items)
    fitting = max(1, sum(total <= FOLLOWS_AT_ONCE for total in totals))
    return page if fitting >= len(page.items) else Page(page.items[:fitting], has_next=True)


def _as_seen(people: Sequence[PlainProfile], cards_only: Collection[UserId]) -> Sequence[PlainProfile]:
    if not cards_only:
        return people
    return [card(person) if person.user_id in cards_only else person for person in people]
