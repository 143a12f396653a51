"""Accounts and sessions: registering, logging in, and what belongs to the viewer alone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from pet.domain.accounts import Account
from pet.domain.errors import NotFound
from pet.domain.follows import FollowList
from pet.domain.ids import SessionId, UserId, parse_uuid
from pet.domain.sessions import Session as SessionEntity
from pet.domain.sessions import TokenPair
from pet.schema.call import Info
from pet.schema.connections import After, First
from pet.schema.errors import Payload
from pet.schema.exports import DataExport, data_export_of
from pet.schema.follows import FollowRequestConnection, follow_requests
from pet.schema.profile_parts import ROLE_NAMES, RoleName
from pet.schema.profiles import Profile

RefreshTokenArgument = Annotated[str, strawberry.argument(description="The newest refresh token of the session.")]


@strawberry.type(description="A login on one device.")
class Session:
    """One of the viewer's sessions."""

    entity: strawberry.Private[SessionEntity]

    @strawberry.field(description="For `revokeSession`.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(self.entity.session_id)

    @strawberry.field(description="When the login was.")
    def created_at(self) -> datetime:
        return self.entity.created_at

    @strawberry.field(description="When its tokens were last refreshed.")
    def last_used_at(self) -> datetime:
        return self.entity.last_used_at

    @strawberry.field(description="The User-Agent at the login, cut to 200 characters.")
    def user_agent(self) -> str:
        return self.entity.user_agent

    @strawberry.field(description="Whether this request's token belongs to it.")
    def current(self, info: Info) -> bool:
        viewer = info.context.known_viewer
        return viewer is not None and viewer.session_id == self.entity.session_id


@strawberry.type(description="The viewer's own account; nobody else can see it.")
class User:
    """The viewer's own account."""

    account: strawberry.Private[Account]

    @strawberry.field(description="The id that the REST routes use.")
    def user_id(self) -> strawberry.ID:
        return strawberry.ID(self.account.user_id)

    @strawberry.field(description="As it was typed; unique without regard to case.")
    def email(self) -> str:
        return self.account.email

    @strawberry.field(description="Unique without regard to case; never changes.")
    def username(self) -> str:
        return self.account.username

    @strawberry.field(description="What the person is.")
    def role(self) -> RoleName:
        return ROLE_NAMES[self.account.role]

    @strawberry.field(description="When the account was registered.")
    def created_at(self) -> datetime:
        return self.account.created_at

    @strawberry.field(description="What others see of the person.")
    async def profile(self, info: Info) -> Profile | None:
        view = await info.context.loaders.profile.load(self.account.user_id)
        return Profile(view=view) if view else None

    @strawberry.field(description="Open sessions, last used first, at most 100.")
    async def sessions(self, info: Info) -> list[Session]:
        listed = await info.context.services.accounts.sessions.listed(self.account.user_id)
        return [Session(entity=session) for session in listed]

    @strawberry.field(description="The archive of everything that is kept of the person; null when there is none.")
    async def data_export(self, info: Info) -> DataExport | None:
        return await data_export_of(info, self.account.user_id)

    @strawberry.field(description="Who asks to follow, the newest request first.")
    async def follow_requests(self, info: Info, first: First = None, after: After = None) -> FollowRequestConnection:
        return await follow_requests(info, self.account.user_id, FollowList.REQUESTS, first, after)

    @strawberry.field(description="Whom the person has asked to follow, and who has not answered, the newest first.")
    async def sent_follow_requests(
        self, info: Info, first: First = None, after: After = None
    ) -> FollowRequestConnection:
        return await follow_requests(info, self.account.user_id, FollowList.SENT_REQUESTS, first, after)


@strawberry.type(description="Tokens of a session that has just been opened or refreshed.")
class AuthSession:
    """What a client keeps."""

    account: strawberry.Private[Account]
    tokens: strawberry.Private[TokenPair]

    @strawberry.field(description="Send it as `Authorization: Bearer <accessToken>`; good for 15 minutes.")
    def access_token(self) -> str:
        return self.tokens.access_token

    @strawberry.field(description="Good for one `refreshSession` within 30 days. Keep it secret.")
    def refresh_token(self) -> str:
        return self.tokens.refresh_token

    @strawberry.field(description="When the access token expires.")
    def expires_at(self) -> datetime:
        return self.tokens.expires_at

    @strawberry.field(description="Whose session it is.")
    def user(self) -> User:
        return User(account=self.account)


@strawberry.input(description="Whom to register.")
class RegisterInput:
    """A new account."""

    email: str = strawberry.field(description="An email address, at most 254 characters.")
    username: str = strawberry.field(
        description="3 to 30 Latin letters, digits, dots, dashes and underscores; it never changes."
    )
    password: str = strawberry.field(
        description="8 to 128 characters; none of the commonest passwords, nor one's own email or username."
    )
    role: RoleName | None = strawberry.field(default=None, description="musician or listener; without it: listener.")


@strawberry.input(description="Who logs in.")
class LoginInput:
    """Credentials."""

    email: str = strawberry.field(description="In any case of letters.")
    password: str = strawberry.field(description="The password.")


@strawberry.input(description="The old password and the new one.")
class ChangePasswordInput:
    """Passwords."""

    old_password: str = strawberry.field(description="The password until now.")
    new_password: str = strawberry.field(
        description="8 to 128 characters; none of the commonest passwords, nor one's own email or username."
    )


@strawberry.type(description="The session that was opened or refreshed, or the mistakes.")
class SessionPayload(Payload):
    """The result of `register`, `login` and `refreshSession`."""

    session: AuthSession | None = strawberry.field(default=None, description="The tokens and their user.")


@strawberry.type(description="Whether it was done, or the mistakes.")
class SuccessPayload(Payload):
    """The result of a mutation that has nothing to show."""

    success: bool = strawberry.field(default=False, description="Whether it was done.")


async def register(
    info: Info, input: Annotated[RegisterInput, strawberry.argument(description="Whom to register.")]
) -> SessionPayload:
    """Make an account and its profile, and log in."""
    opened = await info.context.services.accounts.register(
        info.context.client,
        email=input.email,
        username=input.username,
        password=input.password,
        role=input.role.name if input.role else None,
    )
    return _session(opened)


async def login(
    info: Info, input: Annotated[LoginInput, strawberry.argument(description="Who logs in.")]
) -> SessionPayload:
    """Prove who one is, and open a session."""
    accounts = info.context.services.accounts
    return _session(await accounts.log_in(info.context.client, email=input.email, password=input.password))


async def refresh_session(info: Info, refresh_token: RefreshTokenArgument) -> SessionPayload:
    """Exchange a refresh token for the next pair."""
    return _session(await info.context.services.accounts.refresh(refresh_token))


async def logout(info: Info, refresh_token: RefreshTokenArgument) -> SuccessPayload:
    """End the session of a refresh token."""
    await info.context.services.accounts.sessions.close(refresh_token)
    return SuccessPayload(success=True)


async def change_password(
    info: Info, input: Annotated[ChangePasswordInput, strawberry.argument(description="The old one and the new one.")]
) -> SuccessPayload:
    """Replace the viewer's password; every other session ends."""
    return await change_password_of(info, info.context.required_viewer.user_id, input)


async def change_password_of(info: Info, user_id: UserId, input: ChangePasswordInput) -> SuccessPayload:
    """Replace a user's password; the old one is the proof, so that the legacy route needs no token."""
    context = info.context
    await context.services.accounts.change_password(
        context.client,
        user_id,
        old_password=input.old_password,
        new_password=input.new_password,
        keep=context.known_viewer,
    )
    return SuccessPayload(success=True)


async def me(info: Info) -> User | None:
    """Return the viewer's own account, or None without a token."""
    viewer = info.context.viewer
    if viewer is None:
        return None
    return User(account=await info.context.services.accounts.get(viewer.user_id))


async def revoke_session(
    info: Info, session_id: Annotated[strawberry.ID, strawberry.argument(description="The session's `id`.")]
) -> SuccessPayload:
    """End one of the viewer's sessions."""
    viewer = info.context.required_viewer
    found = parse_uuid(session_id)
    if found is None:
        raise NotFound("Session not found", field="sessionId")
    await info.context.services.accounts.sessions.revoke(viewer, SessionId(found))
    return SuccessPayload(success=True)


async def revoke_sessions(
    info: Info,
    keep_current: Annotated[
        bool, strawberry.argument(description="Whether the session of this request's token goes on.")
    ] = True,
) -> SuccessPayload:
    """End the viewer's sessions, all of them or all others."""
    await info.context.services.accounts.sessions.revoke_all(info.context.required_viewer, keeps_current=keep_current)
    return SuccessPayload(success=True)


async def delete_account(
    info: Info,
    password: Annotated[str, strawberry.argument(description="The viewer's own password, as the proof.")],
    user_id: Annotated[
        strawberry.ID | None,
        strawberry.argument(description="Whose account; without it the viewer's own. An admin may name anyone."),
    ] = None,
) -> SuccessPayload:
    """Remove an account and everything that belongs to it."""
    context = info.context
    viewer, whose = context.required_viewer, parse_uuid(user_id) if user_id else None
    if user_id and whose is None:
        raise NotFound("User not found", field="userId")
    await context.services.accounts.delete(
        context.client, viewer, password=password, user_id=UserId(whose) if whose else None
    )
    return SuccessPayload(success=True)


def _session(opened: tuple[Account, TokenPair]) -> SessionPayload:
    account, tokens = opened
    return SessionPayload(session=AuthSession(account=account, tokens=tokens))
