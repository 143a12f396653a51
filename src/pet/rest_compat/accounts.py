"""Section 1 of the document: accounts."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pet.domain.errors import Invalid, Unauthenticated
from pet.domain.ids import UserId, parse_uuid
from pet.rest_compat.bodies import read_body
from pet.rest_compat.envelopes import Json, success
from pet.schema import accounts
from pet.schema.accounts import AuthSession, ChangePasswordInput, LoginInput, RegisterInput, SessionPayload
from pet.schema.call import DirectCall
from pet.schema.profile_parts import RoleName


async def register(request: Request, call: DirectCall) -> Response:
    """1.1: the worked example reads tokens from the answer, so it has them too."""
    body = await read_body(request)
    role = body.text_or_none("role")
    if role is not None and role not in RoleName.__members__:
        raise Invalid("role must be musician or listener.", field="role")
    given = RegisterInput(
        email=body.text("email"),
        username=body.text("username"),
        password=body.text("password"),
        role=RoleName(role) if role else None,
    )
    return _session(await accounts.register(call, given))


async def login(request: Request, call: DirectCall) -> Response:
    """1.2."""
    body = await read_body(request)
    return _session(await accounts.login(call, LoginInput(email=body.text("email"), password=body.text("password"))))


async def refresh(request: Request, call: DirectCall) -> Response:
    """1.3."""
    body = await read_body(request)
    return _session(await accounts.refresh_session(call, body.text("refreshToken")))


async def logout(request: Request, call: DirectCall) -> Response:
    """1.4."""
    body = await read_body(request)
    await accounts.logout(call, body.text("refreshToken"))
    return success()


async def change_password(request: Request, call: DirectCall) -> Response:
    """1.5: the old password is the proof, so the route needs no token."""
    body = await read_body(request)
    user_id = parse_uuid(body.text("userId"))
    given = ChangePasswordInput(old_password=body.text("oldPassword"), new_password=body.text("newPassword"))
    if user_id is None:
        raise Unauthenticated("Invalid credentials")
    await accounts.change_password_of(call, UserId(user_id), given)
    return success()


def _session(payload: SessionPayload) -> Response:
    session: AuthSession | None = payload.session
    if session is None:
        raise TypeError("a resolver that does not raise opens a session")
    account, tokens = session.account, session.tokens
    user: Json = {
        "id": account.user_id,
        "email": account.email,
        "username": account.username,
        "role": account.role.value,
    }
    return success(user=user, accessToken=tokens.access_token, refreshToken=tokens.refresh_token)
