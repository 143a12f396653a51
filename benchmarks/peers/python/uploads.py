"""Takes a form's file in by Starlette's `form()`, and copies it to the folder that FOLDER names, in a thread."""

import os
import shutil
from pathlib import Path
from uuid import uuid4

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

FOLDER = Path(os.environ["FOLDER"])


async def upload(request: Request) -> JSONResponse:
    """Keep the file and tell its size."""
    async with request.form(max_files=1, max_fields=32) as form:
        file = form["file"]
        assert isinstance(file, UploadFile)
        path = FOLDER / str(uuid4())
        with path.open("xb") as kept:
            await run_in_threadpool(shutil.copyfileobj, file.file, kept)
        return JSONResponse({"size": file.size})


app = Starlette(routes=[Route("/media/upload/track", upload, methods=["POST"])])
