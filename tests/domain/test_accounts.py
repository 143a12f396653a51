"""Logging in beside what changes at the same moment. The documented outcomes are told with the fronts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.contract_suites.scene import NOBODY
from tests.domain.conftest import House

from pet.domain.accounts import Account, AccountService
from pet.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from pet.domain.events import UserDeleted, UserUpdated
from pet.domain.ids import UserId
from pet.domain.login_guard import LoginGuard
from pet.domain.sessions import SessionService
from pet.domain.times import utc_now
from pet.domain.viewers import Client, Role, Viewer
from pet.security.tokens import JwtSigner
from pet.storage.embedded.failures import UncountedFailures
from pet.storage.embedded.limits import UnlimitedRateLimits
from pet.storage.embedded.session_cache import EmbeddedSessionCache

HERE = Client("192.0.2.1")
PASSWORD = "correct horse 1"


class PlainHasher:
    """A hasher without its cost; `meanwhile` happens while a password is being proved."""

    def __init__(self) -> None:
        self.version = "v1"
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def hash(self, password: str) -> str:
        """Return the password behind the version."""
        return f"{self.version}:{password}"

    async def verify(self, hash: str | None, password: str) -> bool:
        """Compare, and let happen what happens meanwhile, once."""
        is_right = hash is not None and hash.partition(":")[2] == password
        if self.meanwhile:
            happening, self.meanwhile = self.meanwhile, None
            await happening()
        return is_right

    def needs_rehash(self, hash: str) -> bool:
        """Tell whether the version is an old one."""
        return not hash.startswith(f"{self.version}:")


@pytest.fixture
def hasher() -> PlainHasher:
    """The hasher of `accounts`."""
    return PlainHasher()


@pytest.fixture
def accounts(house: House, hasher: PlainHasher) -> AccountService:
    """The service, without limits."""
    store = house.store
    store.clock.now = utc_now()
    signer = JwtSigner(b"0" * 32, "https://pet.example")
    sessions = SessionService(store.sessions, EmbeddedSessionCache(), signer, store.clock)
    limits = UnlimitedRateLimits()
    guard = LoginGuard(store.networks, UncountedFailures(), limits, store.clock)
    return AccountService(store.accounts, sessions, hasher, guard, limits, house.delivery, store.clock)


@pytest.fixture
async def ann(accounts: AccountService) -> Account:
    """An account without a session."""
    return await accounts.create(email="ann@example.com", username="ann", password=PASSWORD, role=Role.LISTENER)


async def log_in(accounts: AccountService, password: str = PASSWORD) -> Viewer:
    _, pair = await accounts.log_in(HERE, email="ann@example.com", password=password)
    return await accounts.viewer(await accounts.sessions.authenticate(pair.access_token))


async def test_a_profile_is_there_when_registering_returns(house: House, accounts: AccountService) -> None:
    account, pair = await accounts.register(HERE, email="ann@example.com", username="ann", password=PASSWORD)
    assert (await house.store.shown(account.user_id)).username == "ann"
    assert (await accounts.refresh(pair.refresh_token))[0] == account
    assert await house.store.pending() == []


async def test_an_email_that_would_be_too_long_to_compare_is_refused(accounts: AccountService) -> None:
    with pytest.raises(Invalid) as refusal:
        await accounts.create(
            email="\ufdfa" * 20 + "@example.com", username="ann", password=PASSWORD, role=Role.LISTENER
        )
    assert refusal.value.field == "email"


@pytest.mark.parametrize(
    "email",
    [
        "ANN@EXAMPLE.COM",
        " ann@example.com ",
        "\uff41\uff4e\uff4e@example.com",
        "\u1d43nn@example.com",
        "ann@e\u2093ample.com",
        "ann@\u212fxample.com",
        "ann\uff20example.com",
        "ann@example\u3002com",
    ],
    ids=ascii,
)
async def test_an_email_that_is_the_same_in_other_letters_is_taken_or_refused(
    house: House, accounts: AccountService, ann: Account, email: str
) -> None:
    with pytest.raises((Conflict, Invalid)) as refusal:
        await accounts.register(HERE, email=email, username="mallory", password=PASSWORD)
    assert refusal.value.field == "email"
    assert await house.store.accounts.find_by_username("mallory") is None
    assert await house.store.accounts.find_by_email("ann@example.com") == ann


@pytest.mark.parametrize(
    "char", ["\u200b", "\u200d", "\u2060", "\u202e", "\u00ad", "\ufeff", "\ue000", "\0"], ids=ascii
)
async def test_an_email_has_no_character_that_nobody_sees(accounts: AccountService, ann: Account, char: str) -> None:
    for email in (f"ann{char}@example.com", f"ann@exam{char}ple.com"):
        with pytest.raises(Invalid) as refusal:
            await accounts.register(HERE, email=email, username="mallory", password=PASSWORD)
        assert refusal.value.field == "email"


@pytest.mark.parametrize(
    "username",
    ["ANN", "Ann", "\u0430nn", "\uff41nn", "ann\u200b", "\u1d43nn", "a\u0578n", "ann ", "ann\u0301"],
    ids=ascii,
)
async def test_a_username_that_looks_the_same_is_taken_or_refused(
    house: House, accounts: AccountService, ann: Account, username: str
) -> None:
    with pytest.raises((Conflict, Invalid)) as refusal:
        await accounts.register(HERE, email="mallory@example.com", username=username, password=PASSWORD)
    assert refusal.value.field == "username"
    assert await house.store.accounts.find_by_email("mallory@example.com") is None


@pytest.mark.parametrize(
    "email",
    [
        "\u0430nn@example.com",
        "ann@ex\u0430mple.com",
        "\u0251nn@example.com",
        "ann@example.c\u043em",
        "\u0131nn@example.com",
    ],
    ids=ascii,
)
async def test_an_email_that_only_looks_alike_is_another_account_and_opens_no_other(
    accounts: AccountService, ann: Account, email: str
) -> None:
    with pytest.raises(Unauthenticated):
        await accounts.log_in(HERE, email=email, password=PASSWORD)
    mallory, _ = await accounts.register(HERE, email=email, username="mallory", password="another horse 2")
    assert mallory.user_id != ann.user_id
    for given, password in ((ann.email, "another horse 2"), (email, PASSWORD)):
        with pytest.raises(Unauthenticated):
            await accounts.log_in(HERE, email=given, password=password)
    assert (await accounts.log_in(HERE, email=email, password="another horse 2"))[0].user_id == mallory.user_id
    assert (await log_in(accounts)).user_id == ann.user_id


async def test_a_password_that_is_changed_while_it_is_proved_opens_no_session(
    house: House, accounts: AccountService, hasher: PlainHasher, ann: Account
) -> None:
    hasher.meanwhile = lambda: accounts.change_password(
        HERE, ann.user_id, old_password=PASSWORD, new_password="another horse 2"
    )
    with pytest.raises(Unauthenticated, match="Invalid credentials"):
        await log_in(accounts)
    assert await accounts.sessions.listed(ann.user_id) == []
    assert (await log_in(accounts, "another horse 2")).user_id == ann.user_id


async def test_an_account_that_goes_while_its_password_is_proved_opens_no_session(
    accounts: AccountService, hasher: PlainHasher, ann: Account
) -> None:
    hasher.meanwhile = lambda: accounts.delete(HERE, Viewer(ann.user_id, ann.role), password=PASSWORD)
    with pytest.raises(Unauthenticated, match="Invalid credentials"):
        await log_in(accounts)
    assert await accounts.sessions.listed(ann.user_id) == []


async def test_an_admin_deletes_anyone_by_their_own_password(house: House, accounts: AccountService) -> None:
    ann = await accounts.create(email="ann@example.com", username="ann", password="another horse 2", role=Role.LISTENER)
    root = await accounts.create(email="root@example.com", username="root", password=PASSWORD, role=Role.ADMIN)
    admin = Viewer(root.user_id, Role.ADMIN)
    with pytest.raises(Unauthenticated):
        await accounts.delete(HERE, admin, password="another horse 2", user_id=ann.user_id)
    await accounts.delete(HERE, admin, password=PASSWORD, user_id=ann.user_id)
    assert list(await house.store.profiles.get_many([ann.user_id, root.user_id])) == [root.user_id]
    for gone in (ann.user_id, NOBODY):
        with pytest.raises(NotFound):
            await accounts.delete(HERE, admin, password=PASSWORD, user_id=gone)
    await accounts.delete(HERE, admin, password=PASSWORD)
    assert await house.store.accounts.find(root.user_id) is None


@pytest.mark.parametrize("role", [Role.LISTENER, Role.MUSICIAN])
async def test_nobody_but_an_admin_deletes_the_account_of_another(
    accounts: AccountService, ann: Account, role: Role
) -> None:
    bob = await accounts.create(email="bob@example.com", username="bob", password=PASSWORD, role=role)
    with pytest.raises(Forbidden):
        await accounts.delete(HERE, Viewer(bob.user_id, role), password=PASSWORD, user_id=ann.user_id)
    assert await accounts.get(ann.user_id) == ann


async def test_a_name_is_taken_until_all_that_belonged_to_its_owner_is_gone(
    house: House, accounts: AccountService, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def register_again() -> UserId:
        again = await accounts.create(email=ann.email, username="Ann", password=PASSWORD, role=Role.LISTENER)
        return again.user_id

    async def interrupted(user_id: UserId) -> None:
        raise TimeoutError(user_id)

    with monkeypatch.context() as patch:
        patch.setattr(house.store.plays, "purge", interrupted)
        await accounts.delete(HERE, Viewer(ann.user_id, ann.role), password=PASSWORD)
    with pytest.raises(Conflict):
        await register_again()
    assert await house.delivery.relay(even_held=True) == 1
    newer = await register_again()
    assert (await house.store.shown(newer)).username == "Ann"


async def test_an_old_hash_is_renewed_at_login_even_by_two_at_once(
    house: House, accounts: AccountService, hasher: PlainHasher, ann: Account
) -> None:
    hasher.version = "v2"
    hasher.meanwhile = lambda: log_in(accounts)
    assert (await log_in(accounts)).user_id == ann.user_id
    kept = await house.store.accounts.find(ann.user_id)
    assert kept is not None
    assert kept.password_hash == f"v2:{PASSWORD}"
    assert len(await accounts.sessions.listed(ann.user_id)) == 2


async def test_changing_a_password_ends_every_other_session_at_once(accounts: AccountService, ann: Account) -> None:
    own, other = await log_in(accounts), await log_in(accounts)
    await accounts.change_password(HERE, ann.user_id, old_password=PASSWORD, new_password="another horse 2", keep=own)
    assert [each.session_id for each in await accounts.sessions.listed(ann.user_id)] == [own.session_id]
    assert other.session_id != own.session_id


@pytest.mark.parametrize("password", ["ann@example.com", "sunshine", "short 1"])
async def test_a_password_that_would_be_guessed_first_changes_nothing(
    house: House, accounts: AccountService, ann: Account, password: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        await accounts.change_password(HERE, ann.user_id, old_password=PASSWORD, new_password=password)
    assert refusal.value.field == "newPassword"
    assert await house.store.accounts.find(ann.user_id) == ann


@pytest.mark.parametrize("password", ["bob.the.builder", "BOB@example.com", "sunshine", "short 1"])
async def test_nobody_registers_with_a_password_that_would_be_guessed_first(
    house: House, accounts: AccountService, password: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        await accounts.register(HERE, email="bob@example.com", username="bob.the.builder", password=password)
    assert refusal.value.field == "password"
    assert await house.store.accounts.find_by_username("bob.the.builder") is None


async def test_of_two_changes_of_a_password_at_once_one_is_told(
    house: House, accounts: AccountService, hasher: PlainHasher, ann: Account
) -> None:
    hasher.meanwhile = lambda: accounts.change_password(
        HERE, ann.user_id, old_password=PASSWORD, new_password="another horse 2"
    )
    with pytest.raises(Conflict):
        await accounts.change_password(HERE, ann.user_id, old_password=PASSWORD, new_password="a third horse 3")
    kept = await house.store.accounts.find(ann.user_id)
    assert kept is not None
    assert kept.password_hash == "v1:another horse 2"


async def test_whoever_is_promoted_has_the_role_at_once_in_a_session_that_is_open(
    accounts: AccountService, ann: Account
) -> None:
    _, pair = await accounts.log_in(HERE, email=ann.email, password=PASSWORD)
    claims = await accounts.sessions.authenticate(pair.access_token)
    assert (await accounts.viewer(claims)).role is ann.role
    await accounts.promote("ann")
    assert (await accounts.viewer(claims)).role is Role.ADMIN


async def test_promoting_shows_the_role_and_nobody_is_promoted_who_is_gone(
    house: House, accounts: AccountService, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await accounts.promote("ANN")).role is Role.ADMIN
    assert (await house.store.shown(ann.user_id)).role is Role.ADMIN
    event = UserDeleted(user_id=ann.user_id, occurred_at=house.store.clock())
    await house.store.accounts.remove(ann.user_id, event)

    async def still_found(username: str) -> Account:
        return ann

    monkeypatch.setattr(house.store.accounts, "find_by_username", still_found)
    async with house.broadcast.subscribe() as heard:
        await accounts.promote("ann")
        await house.broadcast.close()
        assert [each async for each in heard if isinstance(each, UserUpdated)] == []
    assert await house.store.pending() == [event]
