"""Scores photographs over HTTP with exports of this toolkit; torch is not needed.

    python main.py --export onnx --resume quality
    python demos/service.py --model checkpoints/onnx_tf_efficientnet_lite0.onnx
    curl -F images=@photo.jpg http://127.0.0.1:8000/score

Needs `pip install -r requirements-service.txt`. docs/serve.md says more.
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

try:
    import uvicorn
    from fastapi import FastAPI, HTTPException, Request
    from fastapi.responses import JSONResponse, Response
    from prometheus_client import CONTENT_TYPE_LATEST

    from demos.serving.answers import File, answered
    from demos.serving.callers import Callers, is_loopback
    from demos.serving.page import add_page
    from demos.serving.uploads import FIELD, KIND
except ImportError as error:
    sys.exit(f"error: {error}: pip install -r requirements-service.txt")

from demos.serving.batches import Found, Service  # noqa: E402
from demos.serving.limits import Limits  # noqa: E402
from demos.serving.metrics import Counted  # noqa: E402
from demos.serving.models import Model, open_models  # noqa: E402
from utils.text import printable  # noqa: E402

SCHEMA = {
    "type": "object",
    "properties": {FIELD: {"type": "array", "items": {"type": "string", "format": "binary"}}},
    "required": [FIELD],
}
BODY = {"required": True, "content": {KIND: {"schema": SCHEMA}}}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": 'model, and rows: image, score, "std", "p1", ..., and error of each'},
    400: {"description": "the body is malformed, or ends too early"},
    403: {"description": "a page of another site asks, or by a name that is none of the service"},
    408: {"description": "the body did not come in time"},
    413: {"description": "too many bytes, files or pixels"},
    415: {"description": "no multipart/form-data, or no file of it is an image"},
    422: {"description": "no images, an unknown model, or no image that can be read"},
    429: {"description": "too much is waiting: again after Retry-After seconds"},
    503: {"description": "the scores did not come in time: again after Retry-After seconds"},
}


def make_app(
    models: Sequence[Model], limits: Limits | None = None, hosts: Sequence[str] | None = None
) -> FastAPI:
    """The application of a service with these models (`open_models`), the first one the default.
    hosts: see `Callers`. app.state.service has what it works with.
    """
    service = Service(models, limits or Limits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service:
            yield

    # FastAPI's own pages load scripts of another site; /openapi.json says the same.
    app = FastAPI(title="IQA toolkit", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    app.add_middleware(Callers, hosts=hosts)
    app.add_middleware(Counted, metrics=service.metrics)
    default = models[0].name

    @app.post(
        "/score",
        responses=ANSWERS,
        openapi_extra={"requestBody": BODY},
    )
    async def score(request: Request, model: str = default) -> Response:
        """Scores of the files in the field `images`, a row each, higher is better."""

        async def work(files: Sequence[File]) -> Response:
            return _answer(model, files, await service.score(model, files))

        return await answered(request, service, model, service.limits.timeout, work)

    @app.get("/models")
    async def list_models() -> list[dict[str, Any]]:
        """What each model is; the first one is the default."""
        return [model.facts() for model in models]

    @app.get("/health")
    async def health() -> dict[str, str]:
        """The process lives."""
        return {"status": "ok"}

    @app.get("/ready", responses={503: {"description": "it is about to end"}})
    async def ready() -> dict[str, str]:
        """Whether requests are welcome."""
        if service.draining:
            raise HTTPException(503, "ending")
        return {"status": "ready"}

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """For Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    add_page(app, service, BODY)
    return app


def _answer(model: str, files: Sequence[File], found: Sequence[Found]) -> Response:
    """200 where an image has a score; else the status of what is wrong with all of them."""
    rows = [{"image": name, **f.row} for (name, _), f in zip(files, found, strict=True)]
    statuses = {f.status for f in found}
    content: dict[str, Any] = {"model": model, "rows": rows}
    if 200 in statuses:
        return JSONResponse(content)
    content["detail"] = "no image can be scored: the rows say why"
    return JSONResponse(content, statuses.pop() if len(statuses) == 1 else 422)


class Server(uvicorn.Server):
    """uvicorn's, but a first signal only says so at /ready, and `drain` seconds later nothing more
    is taken; what was taken is answered. A second one, and Ctrl-C, do not wait; the next one cuts.
    """

    def __init__(self, config: uvicorn.Config, service: Service, drain: float) -> None:
        super().__init__(config)
        self.service, self.drain = service, drain

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, then the address on stderr."""
        host, port = self.config.host, self.config.port
        try:
            await super().startup(sockets)
        except SystemExit:  # uvicorn has said why
            print(f"error: no --host {host} --port {port} to listen on here", file=sys.stderr)
            sys.exit(1)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        names = ", ".join(self.service.models)
        whom = "" if is_loopback(host) else ", for whoever reaches this machine"
        print(f"http://{shown}:{port}/ scores with {names}{whom}", file=sys.stderr, flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal."""
        if self.should_exit:
            self.force_exit = True
        elif self.service.draining or sig == signal.SIGINT:
            self.service.draining = self.should_exit = True
        else:
            self.service.draining = True
            timer = threading.Timer(self.drain, setattr, (self, "should_exit", True))
            timer.daemon = True
            timer.start()


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Scores photographs over HTTP with exports of this toolkit.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--model", action="append", required=True, type=Path, metavar="FILE",
        help="a .onnx or .xml of --export; again for more, the first is the default",
    )  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address that is listened on")
    parser.add_argument("--port", type=_from_zero(int, 65535), default=8000, help="0: any free one")
    parser.add_argument(
        "--allow_host", action="append", default=[], metavar="NAME",
        help="a name that browsers and proxies call it by, again for more; addresses and localhost "
        "always are. Without any, a --host that others reach takes every name",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=_from_zero(int, 1024), default=0, help="of a runtime; 0: its own choice"
    )
    parser.add_argument(
        "--drain", type=_from_zero(float, 3600), default=2.0,
        help="seconds between a SIGTERM, from which on /ready says 503, and the end of listening",
    )  # fmt: skip
    for limit in fields(Limits):
        kind = {"int": int, "float": float}[str(limit.type)]
        text = limit.metadata["help"]
        parser.add_argument(f"--{limit.name}", type=kind, default=limit.default, help=text)
    return parser.parse_args(argv)


def _from_zero(kind: type[int] | type[float], most: int) -> Callable[[str], float]:
    def number(text: str) -> float:
        if not 0 <= (value := kind(text)) <= most:
            raise argparse.ArgumentTypeError(f"{text}: must be 0 to {most}")
        return value

    return number


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until a signal; 0, or 1 where it cannot."""
    args = parse(argv)
    try:
        limits = Limits(**{limit.name: getattr(args, limit.name) for limit in fields(Limits)})
        models = open_models(args.model, args.threads)
    except (ValueError, OSError) as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        return 1
    for reader in ("python_multipart", "PIL"):  # clients are told themselves
        logging.getLogger(reader).setLevel(logging.CRITICAL)
    local = is_loopback(args.host)
    app = make_app(models, limits, args.allow_host if local or args.allow_host else None)
    config = uvicorn.Config(
        app, args.host, args.port, log_level="warning", access_log=False, server_header=False,
        workers=1, http="h11",  # bounds the head of a request; httptools keeps one of any size
        ws="none", limit_concurrency=limits.max_connections,
        timeout_graceful_shutdown=int(2 * limits.timeout + 5),
    )  # fmt: skip
    server = Server(config, app.state.service, args.drain)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
