"""Clients of the service, for locust (pip install locust): each posts one photograph after the
other, IQA_PHOTOS (a folder) in an order of its own, and waits where it is told to.

bench_service.py starts it.
"""

import os
import random
from pathlib import Path

import gevent
from locust import FastHttpUser, task

PHOTOS = [(p.name, p.read_bytes()) for p in sorted(Path(os.environ["IQA_PHOTOS"]).glob("*.jpg"))]


class Client(FastHttpUser):
    """One that waits for its answer before it asks again."""

    network_timeout = connection_timeout = 300.0

    @task
    def score(self) -> None:
        """A row with a score, or 429, counted under a name of its own."""
        files = {"images": random.choice(PHOTOS)}
        with self.client.post("/score", files=files, catch_response=True) as answer:
            if answer.status_code == 429:
                answer.request_meta["name"] = "429"
                answer.success()
                gevent.sleep(int(answer.headers["Retry-After"]))
            elif answer.status_code != 200 or answer.json()["rows"][0]["score"] is None:
                answer.failure(f"{answer.status_code}: {answer.text}")
