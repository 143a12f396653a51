"""Every documented route, in the document's order. A test compares this table with the document, both ways."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pet.openapi.operations import Operation
from pet.rest_compat import accounts, everyone, feed, files, follows, profiles, uploads, waveforms
from pet.schema.call import DirectCall
from pet.schema.endpoint import open_context

Handler = Callable[[Request, DirectCall], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class LegacyRoute:
    """A documented route: method and path as the document spells them, its section, who answers, and its name."""

    method: str
    path: str
    section: str
    operation: Operation[Handler]
    id: str

    @property
    def template(self) -> str:
        """The path with its parameters in braces."""
        return re.sub(r":(\w+)", r"{\1}", self.path)


ROUTES = (
    LegacyRoute("POST", "/auth/register", "1.1", accounts.register, "register"),
    LegacyRoute("POST", "/auth/login", "1.2", accounts.login, "logIn"),
    LegacyRoute("POST", "/auth/refresh", "1.3", accounts.refresh, "refreshTokens"),
    LegacyRoute("POST", "/auth/logout", "1.4", accounts.logout, "logOut"),
    LegacyRoute("POST", "/auth/change_pass", "1.5", accounts.change_password, "changePassword"),
    LegacyRoute("GET", "/users/:id/profile", "2.1", profiles.by_id, "getProfile"),
    LegacyRoute("GET", "/users/username/:username", "2.2", profiles.by_username, "getProfileByUsername"),
    LegacyRoute("GET", "/users", "2.3", everyone.all_profiles, "listProfiles"),
    LegacyRoute("GET", "/users/:username/public", "2.4", profiles.public, "getPublicProfile"),
    LegacyRoute("GET", "/users/:username/tracks", "2.5", profiles.tracks, "getTracks"),
    LegacyRoute("GET", "/users/:username/audio-files", "2.6", profiles.audio_files, "getAudioFiles"),
    LegacyRoute("PUT", "/users/:id/profile", "2.7", profiles.update, "updateProfile"),
    LegacyRoute("POST", "/media/upload/avatar", "3.1", uploads.avatar, "uploadAvatar"),
    LegacyRoute("POST", "/media/upload/track", "3.2", uploads.track, "uploadTrack"),
    LegacyRoute("POST", "/media/upload/cover", "3.3", uploads.cover, "uploadCover"),
    LegacyRoute("GET", "/media/avatar/:userId", "3.4", files.avatar, "getAvatar"),
    LegacyRoute("GET", "/media/track/:trackId", "3.5", files.track, "getTrack"),
    LegacyRoute("GET", "/media/cover/:trackId", "3.6", files.cover, "getCover"),
    LegacyRoute("GET", "/media/file/:fileId", "3.7", files.file, "getFile"),
    LegacyRoute("DELETE", "/media/file/:fileId", "3.8", files.delete, "deleteFile"),
    LegacyRoute("DELETE", "/media/track/:trackId", "3.9", files.delete, "deleteTrack"),
    LegacyRoute("POST", "/social/follow/:userId", "4.1", follows.follow, "follow"),
    LegacyRoute("POST", "/social/unfollow/:userId", "4.2", follows.unfollow, "unfollow"),
    LegacyRoute("DELETE", "/social/unfollow/:userId", "4.2", follows.unfollow, "unfollowByDelete"),
    LegacyRoute("GET", "/social/followers/:userId", "4.3", follows.followers, "getFollowers"),
    LegacyRoute("GET", "/social/following/:userId", "4.4", follows.following, "getFollowing"),
    LegacyRoute("GET", "/social/isFollowing/:followerId/:followingId", "4.5", follows.is_following, "isFollowing"),
    LegacyRoute("GET", "/social/profile/:username", "4.6", profiles.public, "getSocialProfile"),
    LegacyRoute("GET", "/social/feed", "4.7", feed.of_user, "getFeed"),
)


ADDED_ROUTES = (LegacyRoute("GET", "/media/track/:trackId/waveform.svg", "3", waveforms.picture, "getWaveform"),)
"""What the document does not have, in its manner, and in the chapter where it would stand."""


def legacy_routes() -> list[Route]:
    """Return one Starlette route per path: a wrong method is answered with all the right ones (RFC 9110, 15.5.6)."""
    by_path: dict[str, dict[str, Handler]] = defaultdict(dict)
    for route in (*ROUTES, *ADDED_ROUTES):
        by_path[route.template][route.method] = route.operation.handler
    return [Route(path, _Endpoint(handlers), methods=list(handlers)) for path, handlers in by_path.items()]


class _Endpoint:
    """Answers at one path. An application by itself: around a function Starlette would look for errors twice."""

    def __init__(self, handlers: dict[str, Handler]) -> None:
        self._handlers = handlers if "GET" not in handlers else {**handlers, "HEAD": handlers["GET"]}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        response = await self._handlers[request.method](request, DirectCall(await open_context(request)))
        await response(scope, receive, send)
