"""What the endpoint answers over HTTP: the result of an operation, or why there is none."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

import orjson
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from strawberry.http import GraphQLHTTPResponse
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from pet.domain.errors import ErrorCode
from pet.schema.errors import RequestCode, failure
from pet.schema.media_types import EVENT_STREAM, GRAPHQL_RESPONSE, JSON, of_an_object

CONTENT_TYPES = {
    media_type: (b"content-type", f"{media_type}; charset=utf-8".encode()) for media_type in (JSON, GRAPHQL_RESPONSE)
}


class Answer(Response):
    """JSON that is encoded already, with two headers, which Starlette would make anew for each."""

    def __init__(self, body: bytes, media_type: str) -> None:
        self.status_code = HTTPStatus.OK
        self.background = None
        self.body = body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), CONTENT_TYPES[media_type]]


def rendered(result: ExecutionResult) -> GraphQLHTTPResponse:
    """Return the answer that a result is; without `data` where nothing could run."""
    answer: GraphQLHTTPResponse = {}
    if result.data is not None or not result.errors or any(error.path is not None for error in result.errors):
        answer["data"] = result.data
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        answer["extensions"] = result.extensions
    return answer


def answered(answer: GraphQLHTTPResponse, media_type: str) -> Response:
    """Make a response: 200, but 400 for whoever knows GraphQL's own media type, where nothing could run.

    A caller whose budget is spent gets 429 in any case, as over REST.
    """
    response = Answer(orjson.dumps(answer), media_type)
    if "data" not in answer:
        extensions = cast("Any", answer)["errors"][0]["extensions"]
        if extensions["code"] == ErrorCode.RATE_LIMITED:
            response.status_code = HTTPStatus.TOO_MANY_REQUESTS
            response.headers["Retry-After"] = str(extensions["retryAfter"])
        elif media_type == GRAPHQL_RESPONSE:
            response.status_code = HTTPStatus.BAD_REQUEST
    return response


def told(error: HTTPException) -> tuple[int, ErrorCode, str]:
    """Return the status, the code and the sentence for what Strawberry refuses."""
    if not isinstance(error.__cause__, InvalidOperationTypeError):
        return error.status_code, ErrorCode.INVALID, error.reason
    if error.__cause__.operation_type is OperationType.MUTATION:
        return HTTPStatus.METHOD_NOT_ALLOWED, ErrorCode.INVALID, "A mutation needs POST."
    sentence = f"A subscription is answered by events: send Accept: {EVENT_STREAM}, or use a WebSocket."
    return HTTPStatus.NOT_ACCEPTABLE, ErrorCode.INVALID, sentence


def refused(request: Request, status: int, code: ErrorCode | RequestCode, message: str) -> Response:
    """Answer a request that never reached the schema."""
    response = Response(orjson.dumps({"errors": [failure(code, message)]}), status)
    response.headers["Content-Type"] = f"{of_an_object(request.headers.get('accept', ''))}; charset=utf-8"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = "GET, POST"
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
