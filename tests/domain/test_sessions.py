"""How sessions live: refreshing, the grace of two tabs, reuse, expiry and ending."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.contract_suites.scene import ANN, Store

from pet.domain.errors import NotFound, Unauthenticated
from pet.domain.ids import SessionId, UserId
from pet.domain.sessions import REFRESH_LIFETIME, ROTATION_GRACE, SessionService, TokenPair
from pet.domain.times import utc_now
from pet.domain.tokens import AccessClaims
from pet.domain.viewers import Client, Role, Viewer
from pet.security.tokens import JwtSigner
from pet.storage.embedded.session_cache import EmbeddedSessionCache

PHONE = Client("192.0.2.1", "Phone/1.0")


class Roles:
    """Who is there, and how often it was asked."""

    def __init__(self) -> None:
        self.known = {ANN: "listener"}
        self.asked = 0

    async def __call__(self, user_id: UserId) -> str | None:
        self.asked += 1
        return self.known.get(user_id)


@pytest.fixture
def roles() -> Roles:
    """The roles of users."""
    return Roles()


@pytest.fixture
def signer() -> JwtSigner:
    """What signs the tokens; it checks them against the true time."""
    return JwtSigner(b"0" * 32, "https://pet.example")


@pytest.fixture
def sessions(store: Store, signer: JwtSigner) -> SessionService:
    """The service, on a clock that begins now."""
    store.clock.now = utc_now()
    return SessionService(store.sessions, EmbeddedSessionCache(), signer, store.clock)


def uncached(store: Store, signer: JwtSigner) -> SessionService:
    """Return the service of another process."""
    return SessionService(store.sessions, EmbeddedSessionCache(), signer, store.clock)


async def claims(sessions: SessionService, pair: TokenPair) -> AccessClaims:
    return await sessions.authenticate(pair.access_token)


async def is_open(sessions: SessionService, pair: TokenPair, roles: Roles) -> bool:
    try:
        await sessions.viewer(await claims(sessions, pair), roles)
    except Unauthenticated:
        return False
    return True


async def test_a_session_that_was_opened_has_a_viewer(sessions: SessionService, roles: Roles) -> None:
    pair = await sessions.open(ANN, PHONE)
    claimed = await claims(sessions, pair)
    assert claimed.user_id == ANN
    assert await sessions.viewer(claimed, roles) == Viewer(ANN, Role.LISTENER, claimed.session_id)
    [listed] = await sessions.listed(ANN)
    assert (listed.session_id, listed.user_agent) == (claimed.session_id, "Phone/1.0")
    assert listed.expires_at - listed.created_at == REFRESH_LIFETIME


async def test_a_token_is_kept_nowhere(sessions: SessionService, store: Store, signer: JwtSigner) -> None:
    pair = await sessions.open(ANN, PHONE)
    token_id = signer.read_refresh(pair.refresh_token).token_id
    _, renewed = await sessions.refresh(pair.refresh_token)
    successor_id = signer.read_refresh(renewed.refresh_token).token_id
    kept = await store.sessions.find((await claims(sessions, pair)).session_id)
    assert kept is not None
    assert not {kept.token_hash, kept.previous_hash} & {token_id, successor_id}


async def test_a_known_session_is_looked_up_once(sessions: SessionService, roles: Roles) -> None:
    pair = await sessions.open(ANN, PHONE)
    for _ in range(3):
        assert await is_open(sessions, pair, roles)
    assert roles.asked == 1


async def test_a_refresh_gives_the_next_pair_of_the_same_session(sessions: SessionService) -> None:
    first = await sessions.open(ANN, PHONE)
    user_id, second = await sessions.refresh(first.refresh_token)
    _, third = await sessions.refresh(second.refresh_token)
    assert user_id == ANN
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert len({(await claims(sessions, pair)).session_id for pair in (first, second, third)}) == 1


async def test_two_tabs_get_the_same_successor_within_the_grace(sessions: SessionService, store: Store) -> None:
    first = await sessions.open(ANN, PHONE)
    pairs = await asyncio.gather(*(sessions.refresh(first.refresh_token) for _ in range(10)))
    store.clock.now += ROTATION_GRACE
    pairs.append(await sessions.refresh(first.refresh_token))
    assert len({pair.refresh_token for _, pair in pairs}) == 1
    assert await sessions.refresh(pairs[0][1].refresh_token)


async def test_a_token_that_is_used_again_after_the_grace_ends_the_session(
    sessions: SessionService, store: Store, roles: Roles
) -> None:
    first = await sessions.open(ANN, PHONE)
    _, second = await sessions.refresh(first.refresh_token)
    assert await is_open(sessions, second, roles)
    store.clock.now += ROTATION_GRACE + timedelta(milliseconds=1)
    with pytest.raises(Unauthenticated):
        await sessions.refresh(first.refresh_token)
    assert not await is_open(sessions, second, roles)
    with pytest.raises(Unauthenticated):
        await sessions.refresh(second.refresh_token)


async def test_a_token_from_before_the_last_one_ends_the_session_at_once(
    sessions: SessionService, roles: Roles
) -> None:
    first = await sessions.open(ANN, PHONE)
    _, second = await sessions.refresh(first.refresh_token)
    _, third = await sessions.refresh(second.refresh_token)
    with pytest.raises(Unauthenticated):
        await sessions.refresh(first.refresh_token)
    assert not await is_open(sessions, third, roles)


async def test_a_stolen_token_ends_its_own_session_alone(sessions: SessionService, store: Store, roles: Roles) -> None:
    phone, laptop = await sessions.open(ANN, PHONE), await sessions.open(ANN, PHONE)
    await sessions.refresh(phone.refresh_token)
    store.clock.now += timedelta(minutes=1)
    with pytest.raises(Unauthenticated):
        await sessions.refresh(phone.refresh_token)
    assert await is_open(sessions, laptop, roles)


async def test_a_session_expires_unless_it_is_refreshed(
    sessions: SessionService, store: Store, signer: JwtSigner, roles: Roles
) -> None:
    idle, busy = await sessions.open(ANN, PHONE), await sessions.open(ANN, PHONE)
    claimed = [await claims(sessions, pair) for pair in (idle, busy)]
    store.clock.now += timedelta(days=1)
    await sessions.refresh(busy.refresh_token)
    store.clock.now += REFRESH_LIFETIME - timedelta(days=1)
    elsewhere = uncached(store, signer)
    with pytest.raises(Unauthenticated):
        await elsewhere.viewer(claimed[0], roles)
    assert await elsewhere.viewer(claimed[1], roles) == Viewer(ANN, Role.LISTENER, claimed[1].session_id)
    assert [each.session_id for each in await sessions.listed(ANN)] == [claimed[1].session_id]
    with pytest.raises(Unauthenticated):
        await sessions.refresh(idle.refresh_token)


async def test_logging_out_ends_the_session_everywhere_and_twice_does_nothing(
    sessions: SessionService, store: Store, signer: JwtSigner, roles: Roles
) -> None:
    pair = await sessions.open(ANN, PHONE)
    assert await is_open(sessions, pair, roles)
    for _ in range(2):
        await sessions.close(pair.refresh_token)
    assert [await is_open(each, pair, roles) for each in (sessions, uncached(store, signer))] == [False, False]
    with pytest.raises(Unauthenticated):
        await sessions.refresh(pair.refresh_token)


async def test_ones_own_session_can_be_revoked_and_anothers_cannot(sessions: SessionService, roles: Roles) -> None:
    pair = await sessions.open(ANN, PHONE)
    session_id = (await claims(sessions, pair)).session_id
    for viewer, wanted in (
        (Viewer(UserId("bob"), Role.ADMIN), session_id),
        (Viewer(ANN, Role.LISTENER), SessionId("-")),
    ):
        with pytest.raises(NotFound):
            await sessions.revoke(viewer, wanted)
    assert await is_open(sessions, pair, roles)
    await sessions.revoke(Viewer(ANN, Role.LISTENER), session_id)
    assert not await is_open(sessions, pair, roles)


async def test_the_session_of_a_user_who_is_gone_is_no_good(sessions: SessionService, roles: Roles) -> None:
    pair = await sessions.open(ANN, PHONE)
    roles.known.clear()
    assert not await is_open(sessions, pair, roles)


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "é"])
async def test_what_is_no_token_is_refused(sessions: SessionService, token: str) -> None:
    for attempt in (sessions.authenticate(token), sessions.refresh(token), sessions.close(token)):
        with pytest.raises(Unauthenticated):
            await attempt


async def test_the_one_kind_of_token_is_not_the_other(sessions: SessionService, roles: Roles) -> None:
    pair = await sessions.open(ANN, PHONE)
    with pytest.raises(Unauthenticated):
        await sessions.refresh(pair.access_token)
    with pytest.raises(Unauthenticated):
        await sessions.authenticate(pair.refresh_token)
    assert await is_open(sessions, pair, roles)
