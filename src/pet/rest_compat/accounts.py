"""Section 1 of the document: accounts."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pet.domain.errors import Conflict, Invalid, Unauthenticated
from pet.domain.ids import UserId, parse_uuid
from pet.domain.limits import LOGIN, REGISTER
from pet.openapi.operations import Described, Link, Token, answers
from pet.rest_compat import kinds
from pet.rest_compat.bodies import read_body
from pet.rest_compat.envelopes import success
from pet.rest_compat.shapes import Credentials, PasswordChange, RefreshToken, Registration, User
from pet.schema import accounts
from pet.schema.accounts import AuthSession, ChangePasswordInput, LoginInput, RegisterInput, SessionPayload
from pet.schema.call import DirectCall
from pet.schema.profile_parts import RoleName

SESSION = answers(user=User, accessToken=kinds.Token, refreshToken=kinds.Token)
"""What opens a session, or goes on with it."""

NEXT = (
    Link("getProfile", "The profile.", {"id": "$response.body#/user/id"}),
    Link("updateProfile", "Change the profile.", {"id": "$response.body#/user/id"}),
    Link("refreshTokens", "The next pair of tokens.", body={"refreshToken": "$response.body#/refreshToken"}),
    Link("logOut", "End the session.", body={"refreshToken": "$response.body#/refreshToken"}),
)


@Described(
    "Register",
    "Makes an account and its profile, and logs in; the profile is readable when the answer arrives.",
    token=Token.IGNORED,
    body=Registration,
    answer=SESSION,
    refused=(Conflict,),
    limit=REGISTER,
    links=(
        *NEXT,
        Link(
            "logIn", "Log in elsewhere.", body={"email": "$request.body#/email", "password": "$request.body#/password"}
        ),
        Link(
            "changePassword",
            "Choose another password.",
            body={"userId": "$response.body#/user/id", "oldPassword": "$request.body#/password"},
        ),
        Link("uploadTrack", "Publish something.", body={"userId": "$response.body#/user/id"}),
        Link("uploadAvatar", "Show a face.", body={"userId": "$response.body#/user/id"}),
        Link("listProfiles", "Find others.", {"excludeUserId": "$response.body#/user/id"}),
    ),
)
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


@Described(
    "Log in",
    "The answer is the same, and takes as long, for an unknown email and for a wrong password.",
    token=Token.IGNORED,
    body=Credentials,
    answer=SESSION,
    refused=(Unauthenticated,),
    limit=LOGIN,
    links=NEXT,
)
async def login(request: Request, call: DirectCall) -> Response:
    """1.2."""
    body = await read_body(request)
    return _session(await accounts.login(call, LoginInput(email=body.text("email"), password=body.text("password"))))


@Described(
    "Get the next pair of tokens",
    "A refresh token works once. For 10 seconds it gives the same successor again; later its use ends the session.",
    token=Token.IGNORED,
    body=RefreshToken,
    answer=SESSION,
    refused=(Unauthenticated,),
    links=NEXT,
)
async def refresh(request: Request, call: DirectCall) -> Response:
    """1.3."""
    body = await read_body(request)
    return _session(await accounts.refresh_session(call, body.text("refreshToken")))


@Described(
    "Log out",
    "Ends the session; doing so twice succeeds twice.",
    token=Token.IGNORED,
    body=RefreshToken,
    refused=(Unauthenticated,),
)
async def logout(request: Request, call: DirectCall) -> Response:
    """1.4."""
    body = await read_body(request)
    await accounts.logout(call, body.text("refreshToken"))
    return success()


@Described(
    "Change a password",
    "The old password is the proof, so no token is needed. All other sessions end.",
    token=Token.IGNORED,
    body=PasswordChange,
    refused=(Unauthenticated,),
    limit=LOGIN,
)
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
    user: User = {
        "id": account.user_id,
        "email": account.email,
        "username": account.username,
        "role": account.role,
    }
    return success(user=user, accessToken=tokens.access_token, refreshToken=tokens.refresh_token)
