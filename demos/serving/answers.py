"""What requests with images have in common: refusals, and answers in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import anyio
from fastapi import HTTPException, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from demos.serving.batches import Service
from demos.serving.uploads import Upload
from utils.text import quoted

File = tuple[str, bytes]  # its name as sent, its content
Work = Callable[[Sequence[File]], Awaitable[Response]]


async def answered(
    request: Request, service: Service, model: str, seconds: float, work: Work
) -> Response:
    """What `work` makes of the files of a request for a model in so many seconds; HTTPException
    where the service takes none now, or they, or what is made of them, do not come in time.
    """
    upload = Upload(request, service)
    try:
        if model not in service.models:
            known = ", ".join(service.models)
            raise HTTPException(422, f"unknown model {quoted(model)}: there are {known}")
        _refuse_when_busy(service, model)
        with anyio.fail_after(service.limits.timeout):
            files = await upload.read()
        _refuse_when_busy(service, model, len(files))
        with anyio.fail_after(seconds):
            return await _while_wanted(request, work(files))
    except TimeoutError:
        if upload.files is None:
            raise HTTPException(408, "the body did not come in time") from None
        raise again(503, "the scores did not come in time", 5) from None
    except asyncio.CancelledError:  # by the server's end, where it does not wait
        raise again(503, "the service ends", 5) from None
    except HTTPException:
        await upload.discard()
        raise
    except ClientDisconnect:
        if upload.files is None:
            raise HTTPException(400, "the body ends too early") from None
        raise HTTPException(499, "nobody waits for the answer any more") from None
    finally:
        upload.close()


async def _while_wanted(request: Request, work: Awaitable[Response]) -> Response:
    """What comes of the work, which ends where its client has gone: ClientDisconnect."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()


def again(code: int, what: str, seconds: int) -> HTTPException:
    """A refusal for now."""
    return HTTPException(
        code, f"{what}: again in {seconds} s", headers={"Retry-After": str(seconds)}
    )


def _refuse_when_busy(service: Service, model: str, more: int = 1) -> None:
    if seconds := service.busy(model, more):
        raise again(429, f"{service.waiting} images wait", seconds)
