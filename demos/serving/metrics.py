"""What GET /metrics says, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
PATHS = ("/score", "/map")
VIEWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one service. waiting: says how many images wait."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry, "namespace": "iqa"}
        self.requests = Counter(
            "requests", "Requests with images answered", ["path", "code"], **own
        )
        self.seconds = Histogram(
            "request_seconds", "From the head of a request with images to the end of its answer",
            ["path"], buckets=SECONDS, **own,
        )  # fmt: skip
        self.images = Counter("images", "Images by what became of them", ["model", "result"], **own)
        self.views = Histogram("batch_views", "Views of a pass", ["model"], buckets=VIEWS, **own)
        self.passes = Counter("pass_seconds", "Seconds in the runtime", ["model"], **own)
        Gauge("waiting_images", "Images that wait for their scores", **own).set_function(waiting)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self.registry)


class Counted:
    """The app, its answers to requests with images counted."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await self.app(scope, receive, send)
            return
        begun, code = time.perf_counter(), "none"

        async def noted(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = str(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            self.metrics.requests.labels(scope["path"], code).inc()
            self.metrics.seconds.labels(scope["path"]).observe(time.perf_counter() - begun)
