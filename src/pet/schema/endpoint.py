"""The endpoint `/graphql`: HTTP, uploads and WebSockets, on Strawberry's view, made strict where it is lenient."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from http import HTTPStatus
from re import Pattern
from typing import Any, cast

import orjson
from cross_web import HTTPException, StarletteRequestAdapter
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.unset import UNSET, UnsetType

from pet.context import Context
from pet.domain.errors import DomainError, Invalid, Unauthenticated, Unavailable
from pet.domain.media import TRACK_MAX_BYTES
from pet.forms import read_form
from pet.schema import parameters
from pet.schema.answers import answered, refused, rendered, told
from pet.schema.errors import STATUS, PersistedQueryNotFound, RequestCode
from pet.schema.executing import Schema
from pet.schema.media_types import EVENT_STREAM, JSON, NotAcceptable, of_an_object, preferred
from pet.schema.multipart import place_files
from pet.schema.sockets import CheckedSocket, SocketHandler
from pet.schema.streams import impatient, until

MAX_FILES = 2
"""A track and its cover: no mutation takes more."""

MAX_FIELDS = 4
"""`operations` and `map`, and a little room for what some client libraries add."""

MAX_OPERATIONS_FIELD = 1024 * 1024
log = logging.getLogger("pet.graphql")

INIT_WAIT = timedelta(seconds=10)
"""How long a WebSocket may say nothing before its `connection_init`."""

MAX_BRACKETS = 20_000
"""Of a request's JSON, those in its texts included: more than a document and its variables can have."""

TRY_AGAIN_LATER = 1013
"""The close code for an engine that is down: clients connect anew after a while, as they do not after 4xxx."""

UNFORESEEN = 1011

NOTHING_BEGUN = cast("Response", None)
"""In place of the response that Strawberry begins for resolvers to add headers to: none of ours does."""


async def open_context(connection: HTTPConnection) -> Context:
    """Make the context of a request or of a WebSocket: both fronts use this one way."""
    state, headers = connection.scope["state"], connection.scope["headers"]
    authorizations = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
    return await Context.open(state["services"], state["client"], authorizations)


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
    graphql_transport_ws_handler_class = SocketHandler
    schema: Schema

    def __init__(self, schema: Schema, *, origin_pattern: Pattern[str]) -> None:
        super().__init__(
            schema,
            multipart_uploads_enabled=True,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
            connection_init_wait_timeout=INIT_WAIT,
            max_subscriptions_per_connection=None,  # the handler counts by itself, and says so with a code
        )
        self._origin_pattern = origin_pattern

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; files that it brought are let go when the answer is given."""
        if scope["type"] != "http":
            await self._talk(WebSocket(scope, receive, send))
            return
        request = Request(scope, receive)
        if scope["method"] == "POST" and _media_type(_field(scope, b"content-type")) == JSON:
            await self._serve(request, self._run_json, send)
            return
        async with AsyncExitStack() as request.state.uploads:
            await self._serve(request, self.run, send)

    async def _serve(self, request: Request, run: Callable[[Request], Awaitable[Response]], send: Send) -> None:
        response = await self._answer(request, run)
        is_stream = isinstance(response, StreamingResponse)
        await response(request.scope, request.receive, impatient(request.scope, send) if is_stream else send)

    async def _run_json(self, request: Request) -> Response:
        """Answer as `run` does, without what that has for everything but the commonest: one operation, one answer."""
        wanted = preferred(_field(request.scope, b"accept"))
        if wanted == EVENT_STREAM:
            return await self.run(request)
        context = await open_context(request)
        given = self.parse_json(await _body(request.receive))
        text, variables = self._document(given), parameters.variables(given)
        name, extensions = parameters.text(given, "operationName"), given.get("extensions")
        if query := self.schema.known_query(text, name):
            result = await self.schema.run_query(query, variables, context, None, name, extensions)
        else:
            asked = GraphQLRequestData(text, variables, name, extensions)
            result = await self.execute_single(request, OpenRequest(request), NOTHING_BEGUN, context, None, asked)
        return answered(rendered(result), wanted)

    async def _answer(self, request: Request, run: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            return await run(request)
        except HTTPException as error:
            return refused(request, *told(error))
        except PersistedQueryNotFound as error:
            ran = of_an_object(request.headers.get("accept", "")) == JSON
            status = HTTPStatus.OK if ran else HTTPStatus.BAD_REQUEST
            return refused(request, status, RequestCode.PERSISTED_QUERY_NOT_FOUND, str(error))
        except DomainError as error:
            status = HTTPStatus.NOT_ACCEPTABLE if isinstance(error, NotAcceptable) else STATUS[error.code]
            response = refused(request, status, error.code, error.message)
            if isinstance(error, Unavailable):
                log.warning(error.diagnosis, exc_info=error)
                response.headers["Retry-After"] = str(error.retry_after_seconds)
            return response

    async def _talk(self, socket: WebSocket) -> None:
        """Serve a WebSocket to its end; a failure of ours has a close code as well."""
        try:
            await self.run(socket)
        except Unavailable as error:
            log.warning(error.diagnosis, exc_info=error)
            await _close(socket, TRY_AGAIN_LATER, error.message)
        except Exception:
            log.exception("a WebSocket failed")
            await _close(socket, UNFORESEEN, "Something went wrong on our side.")

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

    async def parse_http_body(self, request: Any) -> GraphQLRequestData:
        """Parse a request, strictly; of the document it may have the hash alone."""
        wanted = preferred(request.raw.headers.get("accept", ""))
        given = await self._parameters(request)
        return GraphQLRequestData(
            query=self._document(given),
            variables=parameters.variables(given),
            operation_name=parameters.text(given, "operationName"),
            extensions=given.get("extensions"),
            protocol="sse" if wanted == EVENT_STREAM else "http",
        )

    def _document(self, given: Mapping[str, Any]) -> str:
        return self.schema.documents.text_of(
            parameters.text(given, "query"),
            parameters.text(given, "documentId"),
            parameters.mapping(given, "extensions"),
        )

    async def _parameters(self, request: Any) -> dict[str, Any]:
        if request.method == "GET":
            return parameters.from_query(request.query_params, self.parse_json)
        media_type = _media_type(request.content_type)
        if media_type == JSON:
            return self.parse_json(await request.get_body())
        if media_type == "multipart/form-data":
            return await self.parse_multipart(request)
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {JSON}, or multipart/form-data with files.")

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
            announced=self._announced_files,
        )
        form = await raw.state.uploads.enter_async_context(reading)
        operations, places = (self.parse_json(form.fields.get(name, "null")) for name in ("operations", "map"))
        return place_files(operations, places, form.files)

    def _announced_files(self, fields: Mapping[str, str]) -> int:
        """Return how many files `map` speaks of; it comes before them, as the specification wants, or says nothing."""
        return len(self.parse_json(fields["map"])) if "map" in fields else MAX_FILES

    def parse_json(self, data: str | bytes) -> dict[str, Any]:
        """Return an object; null, which stands for an absent one, is empty.

        Raises:
            Invalid: the text is no JSON, or something else than an object; batches are not taken.
        """
        try:
            decoded = self.decode_json(data)
        except ValueError as error:
            raise Invalid("The request holds text that is not valid JSON.") from error
        if decoded is not None and not isinstance(decoded, dict):
            raise Invalid("A GraphQL request is one JSON object.")
        return decoded or {}

    def decode_json(self, data: str | bytes) -> Any:
        """Decode strictly: no NaN, no invalid UTF-8, no bottomless nesting, no lists by the hundred thousand.

        Raises:
            JSONDecodeError: it is not such a text.
        """
        brackets = ("[", "{") if isinstance(data, str) else (b"[", b"{")
        if len(data) > MAX_BRACKETS and sum(map(data.count, brackets)) > MAX_BRACKETS:  # type: ignore[arg-type]
            message = "too many lists and objects"
            raise orjson.JSONDecodeError(message, "", 0)
        return orjson.loads(data)

    def encode_json(self, data: object) -> bytes:
        """Encode an answer."""
        return orjson.dumps(data)

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """Begin a response in the media type that the client asks for."""
        response = await super().get_sub_response(request)
        response.media_type = of_an_object(request.headers.get("accept", ""))
        return response

    async def create_streaming_response(
        self,
        request: Request | WebSocket,
        stream: Callable[[], AsyncIterator[str]],
        sub_response: Response,
        headers: Mapping[str, str],
    ) -> Response:
        """Begin a stream, which ends when the server begins to stop (`stopping` in the state of its connections)."""
        stopping: asyncio.Event | None = getattr(request.state, "stopping", None)

        def ending() -> AsyncIterator[str]:
            events = cast("AsyncGenerator[str, None]", stream())
            return until(stopping, events) if stopping else events

        return await super().create_streaming_response(request, ending, sub_response, headers)

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """Return the answer; without `data` where nothing could run."""
        del request
        return rendered(result)

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """Make the response in the media type that was begun with."""
        answer = cast("GraphQLHTTPResponse", response_data)  # a batch is never parsed
        return answered(answer, cast("str", sub_response.media_type))


def _field(scope: Scope, wanted: bytes) -> str:
    """Return the first header of a name, as Starlette does; the server has made all names lower-case."""
    for name, value in scope["headers"]:
        if name == wanted:
            return cast("bytes", value).decode("latin-1")
    return ""


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


async def _body(receive: Receive) -> bytes:
    """Read a body; most come in one piece, for which `Request.body` opens two generators."""
    chunks, is_whole = list[bytes](), False
    while not is_whole:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        is_whole = not message.get("more_body", False)
    return b"".join(chunks)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):  # it may be closed already
        await socket.close(code, reason)
