"""Accounts: who may log in, and as whom."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from pet.domain.delivery import Delivery
from pet.domain.errors import Conflict, Invalid, NotFound, Unauthenticated
from pet.domain.events import Event, UserCreated, UserDeleted, UserUpdated
from pet.domain.ids import SessionId, UserId, new_uuid7
from pet.domain.limits import LOGIN, REGISTER, RateLimits, charged
from pet.domain.login_guard import LoginGuard
from pet.domain.passwords import MAX_PASSWORD, PasswordHasher, check_is_no_name, check_password
from pet.domain.permissions import require_acting_for
from pet.domain.sessions import SessionService, TokenPair
from pet.domain.texts import identity_key
from pet.domain.times import Clock
from pet.domain.tokens import AccessClaims
from pet.domain.viewers import Client, Role, Viewer

MAX_EMAIL = 254
"""RFC 5321, section 4.5.3.1.3, less the angle brackets."""

RESERVED_USERNAMES = frozenset({"username", "public", "profile", "tracks", "audio-files", "me"})
"""They would be taken for a part of a path."""

_USERNAME = re.compile(r"[A-Za-z0-9_.-]{3,30}")
_EMAIL = re.compile(
    r"[^\s@<>\"(),:;\\\[\]\x00-\x1f\x7f]{1,64}@(?:[^\s@<>\"(),:;\\\[\].\x00-\x1f\x7f]+\.)+[^\s@.\x00-\x1f\x7f]{2,}"
)
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Categories of characters that make two emails look the same: marks of direction, spaces without width."""

_WRONG = "Invalid credentials"


@dataclass(frozen=True, slots=True)
class Account:
    """A person who can log in. The email is shown as it was typed, and is unique without regard to case."""

    user_id: UserId
    email: str
    username: str
    role: Role
    password_hash: str
    created_at: datetime


class Accounts(Protocol):
    """Keeps accounts. A change and its event are stored in one transaction."""

    async def add(self, account: Account, event: Event) -> None:
        """Keep a new account.

        Raises:
            Conflict: the email or the username is taken, without regard to case; `field` tells which.
        """

    async def find(self, user_id: UserId) -> Account | None:
        """Return an account, or None."""

    async def find_by_email(self, email: str) -> Account | None:
        """Return the account with that email, without regard to case, or None."""

    async def find_by_username(self, username: str) -> Account | None:
        """Return the account with that username, without regard to case, or None."""

    async def set_password(self, user_id: UserId, *, old_hash: str, new_hash: str) -> bool:
        """Replace the hash if it is still the old one; False when another change came first."""

    async def change_password(
        self, user_id: UserId, *, old_hash: str, new_hash: str, keep: SessionId | None = None
    ) -> bool:
        """Replace the hash if it is still the old one, and end all sessions but one, in one transaction.

        False, and nothing is changed, when another change came first.
        """

    async def set_role(self, user_id: UserId, role: Role, event: Event) -> bool:
        """Change a role; False, without an event, when the account is gone."""

    async def remove(self, user_id: UserId, event: Event) -> bool:
        """End an account with its sessions; False, without an event, when it is gone already.

        Nobody finds it any more, and its password is forgotten. Its email and its username stay taken until `forget`:
        what is still to be delivered of it must not meet someone else of the same name.
        """

    async def forget(self, user_id: UserId) -> None:
        """Let go of what `remove` has left, so that email and username are free; an account that is open stays."""


class AccountService:
    """Registers people, lets them in, and lets them go."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: SessionService,
        hasher: PasswordHasher,
        guard: LoginGuard,
        limits: RateLimits,
        delivery: Delivery,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self.sessions = sessions
        self._hasher = hasher
        self._guard = guard
        self._limits = limits
        self._delivery = delivery
        self._clock = clock

    async def register(
        self, client: Client, *, email: str, username: str, password: str, role: str | None = None
    ) -> tuple[Account, TokenPair]:
        """Make an account and its profile, and log in; the profile is readable when this returns.

        Raises:
            RateLimited: five attempts were made this minute from this address.
            Invalid: a field is malformed.
            Conflict: the email or the username is taken.
        """
        async with charged(self._limits, REGISTER, client.address):
            account = await self.create(email=email, username=username, password=password, role=_chosen_role(role))
            await self._guard.welcome(client, account.user_id)
            return account, await self.sessions.open(account.user_id, client)

    async def create(self, *, email: str, username: str, password: str, role: Role) -> Account:
        """Make an account and its profile with any role, without a limit: for operators.

        Raises:
            Invalid: a field is malformed.
            Conflict: the email or the username is taken.
        """
        _check_username(username)
        check_password(password, field="password")
        check_is_no_name(password, (email.strip(), username), field="password")
        account = Account(
            user_id=UserId(new_uuid7()),
            email=_checked_email(email),
            username=username,
            role=role,
            password_hash=await self._hasher.hash(password),
            created_at=self._clock(),
        )
        event = UserCreated(user_id=account.user_id, occurred_at=account.created_at, username=username, role=role.value)
        await self._accounts.add(account, event)
        await self._delivery.deliver([event])
        return account

    async def log_in(self, client: Client, *, email: str, password: str) -> tuple[Account, TokenPair]:
        """Prove who one is, and start a session.

        Raises:
            RateLimited: five attempts were made this minute from this address, or too many failed (`LoginGuard`).
            Unauthenticated: for any failure the same sentence, after the same time.
        """
        async with charged(self._limits, LOGIN, f"address:{client.address}"):
            named = email.strip()[: MAX_EMAIL + 1]  # longer ones are nobody's, and take time to compare
            account = await self._proven(client, await self._accounts.find_by_email(named), password, claimed=named)
            return account, await self._opened(account, client)

    async def refresh(self, refresh_token: str) -> tuple[Account, TokenPair]:
        """Exchange a refresh token for the next pair.

        Raises:
            Unauthenticated: the token is bad or was used before, or the account is gone.
        """
        user_id, pair = await self.sessions.refresh(refresh_token)
        account = await self._accounts.find(user_id)
        if account is None:
            raise Unauthenticated("The session has ended. Please log in again.")
        return account, pair

    async def viewer(self, claims: AccessClaims) -> Viewer:
        """Return the viewer behind a token's claims.

        Raises:
            Unauthenticated: the session has ended, or the user is gone.
        """
        return await self.sessions.viewer(claims, self._role_of)

    async def get(self, user_id: UserId) -> Account:
        """Return an account.

        Raises:
            NotFound: there is none.
        """
        account = await self._accounts.find(user_id)
        if account is None:
            raise NotFound("User not found", field="userId")
        return account

    async def change_password(
        self, client: Client, user_id: UserId, *, old_password: str, new_password: str, keep: Viewer | None = None
    ) -> None:
        """Replace a password, given the old one; every other session ends.

        Args:
            keep: the viewer whose own session goes on.

        Raises:
            RateLimited: an old password was tried too often.
            Unauthenticated: there is no such user, or the old password is wrong: the two are not told apart.
            Invalid: the new password is malformed.
        """
        check_password(new_password, field="newPassword")
        async with charged(self._limits, LOGIN, f"address:{client.address}"):
            account = await self._proven(client, await self._accounts.find(user_id), old_password, claimed=user_id)
        check_is_no_name(new_password, (account.email, account.username), field="newPassword")
        new_hash = await self._hasher.hash(new_password)
        kept = keep.session_id if keep and keep.user_id == user_id else None
        if not await self._accounts.change_password(
            user_id, old_hash=account.password_hash, new_hash=new_hash, keep=kept
        ):
            raise Conflict("The password was changed at the same moment. Please try again.")
        await self.sessions.forget_user(user_id)

    async def delete(self, client: Client, viewer: Viewer, *, password: str, user_id: UserId | None = None) -> None:
        """End an account and its sessions and, by its event, everything that belonged to it.

        The last admin may go like anyone: operators make another one from the command line.

        Args:
            password: the viewer's own.
            user_id: whose account; without it the viewer's own.

        Raises:
            RateLimited: a password was tried too often.
            Unauthenticated: the password is wrong.
            Forbidden: it is someone else's account, and the viewer is no admin.
            NotFound: there is no such account.
        """
        whose = user_id or viewer.user_id
        require_acting_for(viewer, whose, "This account belongs to someone else.", field="userId")
        async with charged(self._limits, LOGIN, f"address:{client.address}"):
            account = await self._accounts.find(viewer.user_id)
            await self._proven(client, account, password, claimed=viewer.user_id)
        event = UserDeleted(user_id=whose, occurred_at=self._clock())
        if await self._accounts.remove(whose, event):
            await self.sessions.forget_user(whose)
            await self._delivery.deliver([event])
        elif whose != viewer.user_id:
            raise NotFound("User not found", field="userId")

    async def promote(self, username: str) -> Account:
        """Make a user an admin: for operators.

        Raises:
            NotFound: there is no such user.
        """
        account = await self._accounts.find_by_username(username)
        if account is None:
            raise NotFound(f"There is no user called {username}.", field="username")
        event = UserUpdated(user_id=account.user_id, occurred_at=self._clock(), role=Role.ADMIN.value)
        if await self._accounts.set_role(account.user_id, Role.ADMIN, event):
            await self.sessions.forget_user(account.user_id)  # they go on, with the new role
            await self._delivery.deliver([event])
        return replace(account, role=Role.ADMIN)

    async def _proven(self, client: Client, account: Account | None, password: str, *, claimed: str) -> Account:
        """Return the account when the password is right; all takes as long when there is no account."""
        user_id = account.user_id if account else None
        async with self._guard.attempt(client, user_id=user_id, claimed=claimed):
            return await self._checked(account, password)

    async def _checked(self, account: Account | None, password: str) -> Account:
        known = account.password_hash if account else None
        if not await self._hasher.verify(known, password[: MAX_PASSWORD + 1]) or account is None:
            raise Unauthenticated(_WRONG)
        if not self._hasher.needs_rehash(account.password_hash):
            return account
        new_hash = await self._hasher.hash(password)
        if await self._accounts.set_password(account.user_id, old_hash=account.password_hash, new_hash=new_hash):
            return replace(account, password_hash=new_hash)
        return await self._checked(await self._accounts.find(account.user_id), password)

    async def _opened(self, account: Account, client: Client) -> TokenPair:
        """Start a session; not for a password that was changed, or an account that went, while it was being proved.

        That change ended all sessions, perhaps just before this one began.
        """
        pair = await self.sessions.open(account.user_id, client)
        current = await self._accounts.find(account.user_id)
        if current is None or current.password_hash != account.password_hash:
            await self.sessions.close(pair.refresh_token)
            raise Unauthenticated(_WRONG)
        return pair

    async def _role_of(self, user_id: UserId) -> str | None:
        account = await self._accounts.find(user_id)
        return account.role.value if account else None


def _chosen_role(role: str | None) -> Role:
    if role is None:
        return Role.LISTENER
    if role not in (Role.MUSICIAN, Role.LISTENER):
        raise Invalid("role must be musician or listener.", field="role")
    return Role(role)


def _check_username(username: str) -> None:
    if not _USERNAME.fullmatch(username):
        message = "username must be 3 to 30 Latin letters, digits, dots, dashes or underscores."
        raise Invalid(message, field="username")
    if username.lower() in RESERVED_USERNAMES:
        raise Invalid("This username is reserved. Please choose another one.", field="username")


def _checked_email(email: str) -> str:
    text = email.strip()
    is_seen = not any(unicodedata.category(char) in _UNSEEN for char in text)
    if max(len(text), len(identity_key(text))) > MAX_EMAIL or not _EMAIL.fullmatch(text) or not is_seen:
        raise Invalid("email must be a valid email address.", field="email")
    return text
