"""Quality maps of the service: what is refused, and exports that cut their views themselves."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from tests.demos.test_service import Gate, Limits, mean, model, picture, serving


def ask(client, *contents: bytes):
    files = [("images", (f"{i}.png", content)) for i, content in enumerate(contents)]
    return client.post("/map", files=files)


def lit() -> bytes:
    """A photograph that is darker to the left."""
    pixels = np.random.default_rng(0).integers(0, 200, (24, 40, 3)) + np.arange(40)[None, :, None]
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def bright(pixels: np.ndarray) -> list[np.ndarray]:
    return [np.square(pixels).mean(axis=(1, 2, 3)) * 255]


def whole(image: np.ndarray) -> list[np.ndarray]:
    return bright(image.transpose(2, 0, 1)[None].astype(np.float32) / 255)


def test_an_export_of_whole_images_has_the_map_of_one_that_gets_its_pixels():
    own = model(bright, resize="native")
    of_whole = dataclasses.replace(own, run=whole, about={**own.about, "whole": True})
    with serving(own) as client, serving(of_whole) as other:
        found, same = ask(client, lit()).json(), ask(other, lit()).json()
    assert np.ptp(found["grid"]) > 1e-3 and found["size"] == [40, 24]
    assert found["columns"][-1] == 40 and len(found["rows"]) == len(found["grid"]) + 1
    np.testing.assert_allclose(same["grid"], found["grid"], atol=1e-5)
    assert same["columns"] == found["columns"]


def test_where_no_view_looks_nothing_is_known():
    with serving(model(bright, resize="native", crops=1, crop_size=(8, 8))) as client:
        grid = ask(client, lit()).json()["grid"]
    assert grid[0][0] is None and any(value is not None for line in grid for value in line)


def broken(pixels: np.ndarray) -> list[np.ndarray]:
    return [np.full(len(pixels), np.nan, np.float32)]


@pytest.mark.parametrize(
    ("run", "contents", "status", "said"),
    [
        (mean, (picture(), picture()), 422, "of one image, not of 2"),
        (mean, (b"no image",), 415, "not an image of a known format"),
        (mean, (picture(1, (1001, 1000)),), 413, "more than the cap"),
        (broken, (picture(),), 422, "not a finite number"),
    ],
)
def test_what_has_no_map_says_why(run, contents, status, said):
    with serving(model(run)) as client:
        answer = ask(client, *contents)
        assert answer.status_code == status and said in answer.json()["detail"]
        assert client.app.state.service.held == 0


def test_a_map_that_takes_too_long_is_given_up_and_the_next_one_has_its_turn():
    gate = Gate()
    with serving(model(gate), map_timeout=0.05) as client:
        answer = ask(client, lit())
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"
        client.app.state.service.limits = Limits()  # which has more time
        gate.open.set()
        assert ask(client, picture()).status_code == 200


def test_the_page_and_its_files_forbid_other_servers():
    with serving() as client:
        for path in ("/", "/page/page.js", "/page/page.css"):
            policy = client.get(path).headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "http" not in policy
        assert client.get("/page/../service.py").status_code == 404
        assert client.get("/limits").json()["max_files"] == 64
        assert client.get("/score").status_code == 405
