"""The files of a request, within limits: never more of a body in memory than is asked for, and
nothing on the disk.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import suppress

import anyio
from fastapi import HTTPException, Request
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from demos.serving.batches import Service
from demos.serving.limits import MB
from utils.text import quoted

FIELD = "images"
KIND = "multipart/form-data"
_MOST_DISCARDED, _DISCARDING = 8, 5.0  # bodies as large as one may be, and seconds


class _Parser(MultiPartParser):
    """Starlette's, which knows whether the body was whole, and writes nothing to the disk."""

    spool_max_size = sys.maxsize
    ended = False

    def on_end(self) -> None:
        """The last boundary."""
        self.ended = True


class Upload:
    """The body of one request of a service, counted as it comes, until `close`. files: (name as
    sent, content) of each, None until all are there.
    """

    def __init__(self, request: Request, service: Service) -> None:
        self.request, self.service, self.body = request, service, request.stream()
        self.most = int(service.limits.max_body * MB)
        self.size = 0
        self.files: list[tuple[str, bytes]] | None = None

    async def read(self) -> list[tuple[str, bytes]]:
        """The files. HTTPException 400 for a body that is cut or malformed, 413 for too large a one
        or too many files, 415 for another kind of body, 422 for one without images, 429 where the
        service holds too much already.
        """
        most = self.service.limits.max_files
        self.parser = _Parser(self._headers(), self._chunks(), max_files=most, max_fields=1)
        try:
            form = await self.parser.parse()
        except (MultiPartException, ValueError) as error:
            if len(self.parser.items) >= most:
                raise HTTPException(413, f"more than {most} files: send fewer at once") from None
            said = error.message if isinstance(error, MultiPartException) else str(error)
            raise HTTPException(400, f"the body is malformed: {said}") from None
        try:
            files = _images(form.multi_items())
            self.files = [(_name(file), await file.read()) for file in files]
        finally:
            await form.close()
        return self.files

    async def discard(self) -> None:
        """Takes what is left of a body that was refused, within bounds: many clients look for an
        answer only when they have sent all of theirs. One that asked before it sent need not.
        """
        left = _MOST_DISCARDED * self.most
        if "expect" in self.request.headers:
            return
        with anyio.move_on_after(_DISCARDING), suppress(ClientDisconnect):
            async for chunk in self.body:
                left -= len(chunk)
                if left < 0:
                    break

    def close(self) -> None:
        """What was held is given up."""
        self.service.held -= self.size
        self.size = 0

    def _headers(self) -> Headers:
        kind, *parameters = self.request.headers.get("content-type", "").split(";")
        if kind.strip().lower() != KIND:
            raise HTTPException(415, f"send {KIND} with files in the field {FIELD!r}")
        declared = self.request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > self.most:
            raise self._too_large()
        # A charset of a client's choice decodes names to anything.
        parameters = [p for p in parameters if p.strip()[:8].lower() != "charset="]
        return Headers({"content-type": ";".join([KIND, *parameters])})

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        limits = self.service.limits
        async for chunk in self.body:
            self.size += len(chunk)
            self.service.held += len(chunk)
            if self.size > self.most:
                raise self._too_large()
            if self.service.held > limits.max_held * MB:
                raise HTTPException(429, "too many bytes at once", {"Retry-After": "1"})
            yield chunk
        if not self.parser.ended:  # a file may be cut, or others may be missing
            raise HTTPException(400, "the body ends before its last boundary")

    def _too_large(self) -> HTTPException:
        most = f"more than {self.service.limits.max_body:g} MB"
        return HTTPException(413, f"{most}: send fewer or smaller images at once")


def _images(items: list[tuple[str, UploadFile | str]]) -> list[UploadFile]:
    """The files of a form that has nothing else."""
    files = []
    for name, value in items:
        if name != FIELD:
            raise HTTPException(422, f"unknown field {quoted(name)}: send {FIELD!r}")
        if isinstance(value, str):
            raise HTTPException(422, f"{FIELD!r} holds text: send files (curl -F images=@FILE)")
        files.append(value)
    if not files:
        raise HTTPException(422, f"no file in the field {FIELD!r}")
    return files


def _name(file: UploadFile) -> str:
    """As sent; what is no text (a lone surrogate) as a question mark."""
    return (file.filename or "").encode("utf-8", "replace").decode()
