"""The page of the service, and what only it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from demos.serving.answers import File, again, answered
from demos.serving.batches import STATUS, UNREADABLE, Service
from demos.serving.maps import MOST_WAITING, Maps
from utils.imaging.images import ImageError

FOLDER = Path(__file__).resolve().parent.parent / "page"
# Nothing of the page can load from, or send to, any other server.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # asked again, and sent again only where it has changed
}


class _Files(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Any:
        """Starlette's, with our headers."""
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


def add_page(app: FastAPI, service: Service, body: dict[str, Any]) -> None:
    """The page at /, its files below /page, the limits of the service at /limits, and quality maps
    at /map. body: the schema of a request with images.
    """
    app.mount("/page", _Files(directory=FOLDER))
    maps, default = Maps(service), next(iter(service.models))

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        """The page itself."""
        return FileResponse(FOLDER / "index.html", headers=HEADERS)

    @app.get("/limits")
    async def limits() -> dict[str, float]:
        """What a request may have at most; max_body and max_held in MB, times in seconds."""
        return asdict(service.limits)

    @app.post("/map", openapi_extra={"requestBody": body})
    async def quality_map(request: Request, model: str = default) -> Response:
        """By how much the score of one image falls when a part of it is hidden."""

        async def work(files: Sequence[File]) -> Response:
            if len(files) != 1:
                raise HTTPException(422, f"a map is of one image, not of {len(files)}")
            if maps.waiting >= MOST_WAITING:
                raise again(429, f"{maps.waiting} maps wait", 5)
            ((name, content),) = files
            try:
                found = await maps.of(model, name, content)
            except ImageError as error:
                raise HTTPException(STATUS.get(type(error), UNREADABLE), error.reason) from None
            return JSONResponse({"model": model, "image": name, **found})

        return await answered(request, service, model, service.limits.map_timeout, work)
