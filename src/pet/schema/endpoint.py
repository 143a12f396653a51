"""The endpoint `/graphql`: HTTP, uploads and WebSockets, on Strawberry's view, made strict where it is lenient."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from http import HTTPStatus
from re import Pattern
from typing import Any, cast

import orjson
from cross_web import HTTPException, StarletteRequestAdapter
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.unset import UNSET, UnsetType

from pet.context import Context
from pet.domain.errors import DomainError, ErrorCode, Invalid, Unauthenticated, Unavailable
from pet.domain.media import TRACK_MAX_BYTES
from pet.forms import read_form
from pet.schema.errors import STATUS, failure
from pet.schema.multipart import place_files
from pet.schema.root import Schema
from pet.schema.sockets import CheckedSocket

MAX_FILES = 2
"""A track and its cover: no mutation takes more."""

MAX_FIELDS = 4
"""`operations` and `map`, and a little room for what some client libraries add."""

MAX_OPERATIONS_FIELD = 1024 * 1024
INIT_WAIT = timedelta(seconds=10)
"""How long a WebSocket may say nothing before its `connection_init`."""

GRAPHQL_RESPONSE = "application/graphql-response+json"
"""The media type of GraphQL over HTTP; whoever asks for it can tell by the status whether an operation ran."""


async def open_context(connection: HTTPConnection) -> Context:
    """Make the context of a request or of a WebSocket: both fronts use this one way."""
    state = connection.state
    return await Context.open(state.services, state.client, connection.headers.getlist("authorization"))


class OpenRequest(StarletteRequestAdapter):
    """Strawberry's view of a request, with the request itself: a form is read from its stream."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.raw = request


class GraphQLEndpoint(GraphQL[Context, None]):
    """One schema over HTTP and WebSockets.

    A multipart request needs a good token before its body is read: whoever may not write may not fill the disk, and
    since cookies are never an identity, no foreign page can send one in somebody's name.
    """

    request_adapter_class = OpenRequest
    websocket_adapter_class = CheckedSocket

    def __init__(self, schema: Schema, *, origin_pattern: Pattern[str]) -> None:
        super().__init__(
            schema,
            multipart_uploads_enabled=True,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=INIT_WAIT,
        )
        self._origin_pattern = origin_pattern

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; files that it brought are let go when the answer is given."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive)
        async with AsyncExitStack() as request.state.uploads:
            try:
                response = await self.run(request)
            except HTTPException as error:
                response = _refused(request, error.status_code, ErrorCode.INVALID, error.reason)
            except DomainError as error:
                response = _refused(request, STATUS[error.code], error.code, error.message)
                if isinstance(error, Unavailable):
                    response.headers["Retry-After"] = str(error.retry_after_seconds)
            await response(scope, receive, send)

    def should_render_graphql_ide(self, request: Any) -> bool:
        """Never show a page: browsers get the explorer of `pages`, which needs no other server."""
        del request
        return False

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        """Make the context; a WebSocket may still bring its token in `connection_init`."""
        del response
        return await open_context(request)

    async def on_ws_connect(self, context: Context) -> UnsetType | dict[str, object] | None:
        """Take the token from the payload of `connection_init`, when it has one; a bad one closes the socket."""
        parameters: dict[str, object] = context.connection_params or {}
        token = parameters.get("Authorization", parameters.get("authorization"))
        if token is not None:
            await context.identify([str(token)])
            if context.known_viewer is None:
                raise ConnectionRejectionError
        return cast("UnsetType", UNSET)

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:
        """Allow the pages that CORS allows."""
        del request
        return self._origin_pattern.fullmatch(origin) is not None

    async def parse_http_body(self, request: Any) -> GraphQLRequestData | list[GraphQLRequestData]:
        """Parse a request; what the base class lets through unseen is checked here."""
        parsed = await super().parse_http_body(request)
        if isinstance(parsed, GraphQLRequestData) and not isinstance(parsed.operation_name, str | None):
            raise Invalid("operationName must be a string or null.", field="operationName")
        return parsed

    async def parse_multipart(self, request: Any) -> dict[str, Any]:
        """Read files to temporary objects as they arrive, and put them where `map` says."""
        raw: Request = request.raw
        context = await open_context(raw)
        if context.known_viewer is None:
            raise Unauthenticated("Uploads need the header Authorization: Bearer <accessToken>.")
        reading = read_form(
            raw,
            context.services.uploads.stage,
            file_limit=TRACK_MAX_BYTES,
            files_limit=MAX_FILES,
            fields_limit=MAX_FIELDS,
            field_limit=MAX_OPERATIONS_FIELD,
        )
        form = await raw.state.uploads.enter_async_context(reading)
        operations, places = (self.parse_json(form.fields.get(name, "null")) for name in ("operations", "map"))
        return place_files(operations, places, form.files)

    def parse_json(self, data: str | bytes) -> dict[str, Any]:
        """Return an object; null, which stands for an absent one, is empty.

        Raises:
            Invalid: the text is no JSON, or something else than an object; batches are not taken.
        """
        try:
            decoded = self.decode_json(data)
        except ValueError as error:
            raise Invalid("The request holds text that is not valid JSON.") from error
        if not isinstance(decoded, dict | None):
            raise Invalid("A GraphQL request is one JSON object.")
        return decoded or {}

    def decode_json(self, data: str | bytes) -> Any:
        """Decode strictly: no NaN, no invalid UTF-8, no bottomless nesting."""
        return orjson.loads(data)

    def encode_json(self, data: object) -> bytes:
        """Encode an answer."""
        return orjson.dumps(data)

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """Begin a response in the media type that the client asks for."""
        response = await super().get_sub_response(request)
        response.media_type = _media_type(request)
        return response

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """Return the answer; without `data` where nothing could run."""
        answer = await super().process_result(request, result)
        if result.data is None and result.errors and all(error.path is None for error in result.errors):
            del answer["data"]
        return answer

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """Make the response: 200, but 400 for whoever knows GraphQL's own media type, where nothing could run."""
        response = super().create_response(response_data, sub_response)
        response.headers["Content-Type"] = f"{sub_response.media_type}; charset=utf-8"
        if sub_response.media_type == GRAPHQL_RESPONSE and "data" not in response_data:
            response.status_code = HTTPStatus.BAD_REQUEST
        return response


def _refused(request: Request, status: int, code: ErrorCode, message: str) -> Response:
    """Answer a request that never reached the schema."""
    response = Response(orjson.dumps({"errors": [failure(code, message)]}), status)
    response.headers["Content-Type"] = f"{_media_type(request)}; charset=utf-8"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = "GET, POST"
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _media_type(request: Request | WebSocket) -> str:
    """Return the newer media type where the client names it, not after the older one."""
    accepted = request.headers.get("accept", "").lower()
    newer, older = accepted.find(GRAPHQL_RESPONSE), accepted.find("application/json")
    return GRAPHQL_RESPONSE if newer >= 0 and (older < 0 or newer < older) else "application/json"
