"""Serves the file that FILE names at any path, as Starlette's documentation has it."""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

FILE = os.environ["FILE"]


async def file(request: Request) -> FileResponse:
    return FileResponse(FILE)


app = Starlette(routes=[Route("/{path:path}", file)])
