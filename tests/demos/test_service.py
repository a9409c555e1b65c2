"""The service: rows over HTTP, batches across clients, limits, what is refused and how it ends."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import anyio
import numpy as np
import pytest
from PIL import Image

from tests.cli import PATIENCE, ROOT, until
from tests.demos.bodies import bodies
from utils.imaging.view_rule import ViewRule

for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
    pytest.importorskip(package, reason="needs requirements-service.txt")
pytest.importorskip("httpx2", reason="starlette's TestClient needs httpx2")

import uvicorn  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from demos.service import Server, make_app  # noqa: E402
from demos.serving import batches  # noqa: E402
from demos.serving.batches import Service  # noqa: E402
from demos.serving.callers import is_loopback  # noqa: E402
from demos.serving.limits import Limits  # noqa: E402
from demos.serving.memory import usable_memory  # noqa: E402
from demos.serving.models import Model, open_models  # noqa: E402

SIZE = (8, 8)
Run = Callable[[np.ndarray], Sequence[np.ndarray]]


def picture(value: int = 100, size: tuple[int, int] = (20, 12), kind: str = "PNG") -> bytes:
    """The file of a grey image, whose score by `mean` is `value`."""
    out = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(out, kind)
    return out.getvalue()


def mean(pixels: np.ndarray) -> list[np.ndarray]:
    return [pixels.mean(axis=(1, 2, 3)) * 255]


def about(bins: int = 1, **rule) -> dict:
    return {
        "task": "emd" if bins > 1 else "regress", "num_classes": bins, "score_range": [None, None],
        "score_units": "MOS", "arch": "mean", "max_pixels": 10**6, "whole": False,
        "input_size": list(SIZE), "view": ViewRule(SIZE, **rule).to_dict(),
    }  # fmt: skip


def model(run: Run = mean, name: str = "mean", bins: int = 1, **rule) -> Model:
    return Model(name, about(bins, **rule), "numpy", "0" * 64, run)


@contextmanager
def serving(*models: Model, **limits) -> Iterator[TestClient]:
    with TestClient(make_app(models or [model()], Limits(**limits))) as client:
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with serving() as client:
        yield client


def post(client: TestClient, *contents: bytes, **more):
    files = [("images", (f"{i}.png", content)) for i, content in enumerate(contents)]
    return client.post("/score", files=files, **more)


def test_rows_come_in_the_order_sent_and_a_broken_image_is_one(client):
    answer = post(client, picture(10), b"no image", picture(20, (301, 7)), picture(30)[:60], b"")
    assert answer.status_code == 200
    rows = answer.json()["rows"]
    assert [row["image"] for row in rows] == [f"{i}.png" for i in range(5)]
    scores = [row["score"] for row in rows]
    assert scores == [pytest.approx(10), None, pytest.approx(20), None, None]
    assert rows[0]["error"] is None and "not an image of a known format" in rows[1]["error"]
    assert "replace the file" in rows[3]["error"] and "is empty" in rows[4]["error"]


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"no image", 415), (picture(1)[:60], 422), (picture(1, (1001, 1000)), 413), (b"", 422)],
)
def test_where_nothing_can_be_read_the_status_says_why(client, content, status):
    answer = post(client, content)
    assert answer.status_code == status and answer.json()["rows"][0]["error"]


def test_a_strip_that_would_be_resized_to_gigabytes_is_refused():
    strips = picture(1, (1, 60_000)), picture(1, (200_000, 1))
    with serving(model(crops=1, crop_size=(64, 64), resize="native")) as client:
        rows = post(client, *strips).json()["rows"]
        assert all("more than the cap" in row["error"] for row in rows)
    with serving(model()) as client:
        assert post(client, strips[0]).json()["rows"][0]["score"] == pytest.approx(1)
        assert post(client, strips[1]).status_code == 413


def test_a_histogram_has_std_and_shares():
    def run(pixels: np.ndarray) -> list[np.ndarray]:
        probs = np.tile(np.float32([0.5, 0, 0.5]), (len(pixels), 1))
        return [probs @ np.float32([1, 2, 3]), probs]

    with serving(model(run, bins=3, crops=4, crop_size=(4, 4), crop_pool="median")) as client:
        good, bad = post(client, picture(), b"x").json()["rows"]
    assert good == {"image": "0.png", "score": 2, "std": 1, "p1": 0.5, "p2": 0, "p3": 0.5,
                    "error": None}  # fmt: skip
    assert bad.keys() == good.keys() and bad["std"] is bad["p3"] is None


def test_a_score_that_is_no_number_and_a_size_that_the_runtime_refuses_are_rows():
    def run(pixels: np.ndarray) -> list[np.ndarray]:
        if pixels.shape[2] == 5:
            raise RuntimeError("no such size\nlong story")
        found = mean(pixels)
        return [np.where(found[0] < 1, np.nan, found[0])]

    with serving(model(run, resize="native")) as client:
        answer = post(client, *(picture(v, s) for v, s in ((7, (9, 9)), (7, (9, 5)), (0, (9, 9)))))
    assert answer.status_code == 200
    good, size, nan = answer.json()["rows"]
    assert good["score"] == pytest.approx(7)
    assert "no such size)" in size["error"] and "not a finite number" in nan["error"]


class Gate:
    """`mean` that waits until it is opened, and remembers how many views each pass had."""

    def __init__(self) -> None:
        self.open, self.passes = threading.Event(), []

    def __call__(self, pixels: np.ndarray) -> list[np.ndarray]:
        self.passes.append(len(pixels))
        assert self.open.wait(PATIENCE)
        return mean(pixels)


def test_images_of_all_clients_are_scored_together():
    gate = Gate()
    with serving(model(gate), batch_size=4) as client, ThreadPoolExecutor(8) as pool:
        lane = client.app.state.service.lanes["mean"]
        first = pool.submit(post, client, picture(1))
        until(lambda: gate.passes == [1])
        others = [pool.submit(post, client, picture(v)) for v in range(2, 8)]
        until(lambda: lane.decoded.qsize() == 6)
        gate.open.set()
        answers = [future.result().json()["rows"] for future in (first, *others)]
    assert gate.passes == [1, 4, 2]
    assert [rows[0]["score"] for rows in answers] == pytest.approx(list(range(1, 8)))


def test_large_images_are_decoded_as_many_at_once_as_there_is_memory_for(monkeypatch):
    assert 2**28 < usable_memory() < 2**50
    monkeypatch.setattr(batches, "_LARGE", 1000)
    monkeypatch.setattr(batches, "usable_cores", lambda: 4)
    monkeypatch.setattr(batches, "usable_memory", lambda: 2 * 16 * 10_000 * 2.5)
    inside, most, lock = Counter(), Counter(), threading.Lock()
    # Passed only by so many at once: two large images, and small ones of all decoders.
    gates = {"large": threading.Barrier(2, timeout=99), "small": threading.Barrier(4, timeout=99)}

    class Slow(Model):
        def pixels(self, content: bytes, name: str, max_pixels: int) -> np.ndarray:
            found = super().pixels(content, name, max_pixels)
            size = "large" if max_pixels > 1000 else "small"
            with lock:
                inside[size] += 1
            gates[size].wait()
            most[size] = max(most[size], inside[size])
            gates[size].wait()
            with lock:
                inside[size] -= 1
            return found

    slow = Slow("mean", about(), "numpy", "0" * 64, mean)
    with serving(slow, max_pixels=10_000) as client:
        rows = post(client, *[picture(v, (90, 90)) for v in range(8)]).json()["rows"]
        assert [row["score"] for row in rows] == pytest.approx(list(range(8)))
        post(client, *[picture(v) for v in range(8)])
        assert "more than the cap of 10000" in post(client, picture(1, (101, 100))).text
    assert most == {"large": 2, "small": 4}


def test_too_much_at_once_is_told_when_to_come_again():
    gate = Gate()
    with serving(model(gate), max_waiting=2, max_files=2) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, client, picture(1))
        until(lambda: gate.passes == [1])
        answer = post(client, picture(1), picture(2))
        assert answer.status_code == 429 and 1 <= int(answer.headers["Retry-After"]) <= 60
        gate.open.set()
        assert first.result().status_code == 200
        assert post(client, picture(1)).status_code == 200
        service = client.app.state.service
        assert service.waiting == service.held == 0


def test_scores_that_do_not_come_in_time_are_503_and_the_next_ones_come():
    gate = Gate()
    with serving(model(gate), timeout=1) as client:
        answer = post(client, picture(1))
        assert answer.status_code == 503 and answer.headers["Retry-After"]
        client.app.state.service.limits = Limits()  # which has more time
        gate.open.set()
        assert post(client, picture(1)).status_code == 200


def test_what_nobody_waits_for_is_not_scored():
    gate, left = Gate(), threading.Event()
    app = make_app([model(gate)], Limits(batch_size=1))
    content = body(HEAD + picture(1))

    async def asked(path: str) -> None:
        """A client that goes once its image is with the runtime, or waits for it."""
        messages = [{"type": "http.request", "body": content}]

        async def receive() -> dict:
            if messages:
                return messages.pop()
            await anyio.to_thread.run_sync(left.wait, abandon_on_cancel=True)
            return {"type": "http.disconnect"}

        async def send(message: dict) -> None:
            pass

        headers = [(b"content-type", MULTIPART.encode())]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        await app({**scope, "query_string": b"", "http_version": "1.1"}, receive, send)

    async def all_of_them() -> None:
        async with app.router.lifespan_context(app), anyio.create_task_group() as group:
            service = app.state.service
            for path in ("/score", "/score", "/map"):
                group.start_soon(asked, path)
            await anyio.to_thread.run_sync(until, lambda: service.lanes["mean"].decoded.qsize())
            left.set()
            await anyio.to_thread.run_sync(until, lambda: not service.waiting)
            gate.open.set()
        lines = service.metrics.text().decode()
        assert 'iqa_requests_total{code="499",path="/score"} 2.0' in lines
        assert 'iqa_requests_total{code="499",path="/map"} 1.0' in lines
        assert service.held == 0

    anyio.run(all_of_them)
    assert sum(gate.passes) == 1


def test_a_request_that_is_cut_is_told_to_come_again():
    gate, sent = Gate(), []
    app = make_app([model(gate)])
    messages = [{"type": "http.request", "body": body(HEAD + picture(1))}]

    async def receive() -> dict:
        return messages.pop() if messages else await anyio.sleep_forever()

    async def send(message: dict) -> None:
        sent.append(message)

    async def cut() -> None:
        headers = [(b"content-type", MULTIPART.encode())]
        scope = {"type": "http", "method": "POST", "path": "/score", "headers": headers}
        async with app.router.lifespan_context(app):
            full = {**scope, "query_string": b"", "http_version": "1.1"}
            asked = asyncio.ensure_future(app(full, receive, send))
            await anyio.to_thread.run_sync(until, lambda: gate.passes)
            asked.cancel()
            await asked
            gate.open.set()

    anyio.run(cut)
    assert sent[0]["status"] == 503 and b"the service ends" in sent[1]["body"]


SITES = {
    "by its address": ({}, 200),
    "its page": ({"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8000"}, 200),
    "behind a proxy": ({"sec-fetch-site": "same-origin", "origin": "null"}, 200),
    "its page in an old browser": ({"origin": "http://127.0.0.1:8000"}, 200),
    "by IPv6": ({"host": "[::1]:8000"}, 200),
    "by an allowed name": ({"host": "Photos.example:80"}, 200),
    "localhost": ({"host": "localhost:8000"}, 200),
    "a page elsewhere": ({"sec-fetch-site": "cross-site", "origin": "http://evil.example"}, 403),
    "a page of another port": ({"sec-fetch-site": "same-site"}, 403),
    "a page elsewhere in an old browser": ({"origin": "http://evil.example"}, 403),
    "a file": ({"origin": "null"}, 403),
    "a name that was made to lead here": ({"host": "evil.example:8000"}, 403),
    "an address before a name": ({"host": "127.0.0.1.evil.example"}, 403),
}  # fmt: skip


@pytest.fixture(scope="module")
def local() -> Iterator[TestClient]:
    app = make_app([model()], hosts=["photos.example"])
    with TestClient(app, "http://127.0.0.1:8000") as client:
        yield client


@pytest.mark.parametrize("name", SITES)
def test_pages_of_other_sites_are_refused(local, name):
    headers, status = SITES[name]
    answer = post(local, picture(3), headers=headers)
    assert answer.status_code == status, answer.text
    hosted = "host" in headers and status == 403
    assert local.get("/models", headers=headers).status_code == (403 if hosted else 200)
    if hosted:
        assert "--allow_host" in answer.json()["detail"]


def body(*parts: bytes, end: bytes = b"--b--\r\n") -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end


HEAD = b'Content-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'
MULTIPART = "multipart/form-data; boundary=b"
REFUSED = {
    "no body": (MULTIPART, b"", 400, "ends before its last boundary"),
    "json": ("application/json", b"{}", 415, "send multipart/form-data"),
    "no kind": ("", b"x", 415, "send multipart/form-data"),
    "no boundary": ("multipart/form-data", b"x", 400, "boundary"),
    "another boundary": ("multipart/form-data; boundary=c", body(HEAD), 400, "malformed"),
    "cut": (MULTIPART, body(HEAD + picture(1), HEAD + b"x")[:-30], 400, "last boundary"),
    "no file": (MULTIPART, body(), 422, "no file in the field 'images'"),
    "another field": (MULTIPART, body(HEAD.replace(b"images", b"image")), 422, "'image'"),
    "text": (MULTIPART, body(HEAD.replace(b'; filename="a.png"', b"")), 422, "holds text"),
    "a path": (MULTIPART, body(HEAD + b"x" * 9, b"X: y\r\n\r\n/etc/passwd"), 400, "malformed"),
    "files": (MULTIPART, body(*[HEAD] * 4), 413, "more than 3 files"),
    "bytes": (MULTIPART, body(HEAD + b"x" * 30_000), 413, "more than 0.02 MB"),
}  # fmt: skip


@pytest.fixture(scope="module")
def narrow() -> Iterator[TestClient]:
    with serving(max_files=3, max_body=0.02, max_held=0.03) as client:
        yield client


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_request_is_refused_with_a_reason(narrow, name):
    kind, content, status, said = REFUSED[name]
    answer = narrow.post("/score", content=content, headers={"content-type": kind})
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
    service = narrow.app.state.service
    assert service.held == service.waiting == 0


def test_a_body_without_a_declared_length_is_counted_as_it_comes(narrow):
    taken = []

    def endless() -> Iterator[bytes]:
        yield b"--b\r\n" + HEAD
        for _ in range(1000):
            taken.append(1)
            yield b"x" * 4096

    answer = narrow.post("/score", content=endless(), headers={"content-type": MULTIPART})
    assert answer.status_code == 413


def test_names_come_back_as_they_were_sent(client):
    names = ["../../etc/x.png", "ä 日本.png", 'a".png', "=1+1.png"]
    files = [("images", (name, picture(1))) for name in names]
    found = [row["image"] for row in client.post("/score", files=files).json()["rows"]]
    assert found[:2] + found[3:] == names[:2] + names[3:] and "a" in found[2]
    odd = HEAD.replace(b"a.png", rb"\ud800")
    kind = f"{MULTIPART}; charset=unicode_escape"
    answer = client.post("/score", content=body(odd + picture(1)), headers={"content-type": kind})
    assert answer.json()["rows"][0]["score"] == pytest.approx(1)


def test_the_client_of_the_docs(client, tmp_path, monkeypatch):
    text = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.S)
    for value, name in enumerate(re.findall(r"\w+\.(?:jpg|png)", block)):
        (tmp_path / name).write_bytes(picture(value))

    def asked(address: str, timeout: float, **words):
        assert address.startswith("http://127.0.0.1:8000/")
        return client.post(address.removeprefix("http://127.0.0.1:8000"), **words)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "httpx", SimpleNamespace(post=asked))
    exec(block, found := {})
    assert found["scores"] == pytest.approx({"photo.jpg": 0, "other.png": 1})
    for _, file in found["files"]:
        file.close()


def test_what_it_says_of_itself():
    other = model(name="other", bins=5)
    with serving(model(), other) as client:
        first, second = client.get("/models").json()
        assert first["name"] == "mean" and first["criterion"] == "regress" and first["bins"] == 1
        assert second["name"] == "other" and second["bins"] == 5
        assert {"range", "units", "runtime", "sha256", "view"} <= first.keys()
        assert client.get("/health").status_code == client.get("/ready").status_code == 200
        assert post(client, picture(1), params={"model": "mean"}).json()["model"] == "mean"
        answer = post(client, picture(1), params={"model": "more"})
        assert answer.status_code == 422 and "there are mean, other" in answer.json()["detail"]
        post(client, b"")
        for content in (picture(1), b"no image"):
            client.post("/map", files={"images": content})
        text = client.get("/metrics").text
        for line in (
            'iqa_requests_total{code="200",path="/score"} 1.0',
            'iqa_requests_total{code="422",path="/score"} 2.0',
            'iqa_requests_total{code="200",path="/map"} 1.0',
            'iqa_requests_total{code="415",path="/map"} 1.0',
            'iqa_request_seconds_count{path="/score"} 3.0',
            'iqa_request_seconds_count{path="/map"} 2.0',
            'iqa_images_total{model="mean",result="scored"} 1.0',
            'iqa_images_total{model="mean",result="unreadable"} 1.0',
            "iqa_waiting_images 0.0",
            "process_resident_memory_bytes ",
        ):  # fmt: skip
            assert line in text, line
        schema = client.get("/openapi.json").json()["paths"]["/score"]["post"]
        assert {"200", "413", "415", "422", "429", "503"} <= schema["responses"].keys()
        assert "multipart/form-data" in schema["requestBody"]["content"]
        client.app.state.service.draining = True
        assert client.get("/ready").status_code == 503
        assert post(client, picture(1)).status_code == 200


def test_no_body_is_a_fault_of_the_service():
    """tests/benchmarks/bench_service_bodies.py has 5,000 of them, against a process of its own."""
    found = Counter()
    with serving(max_pixels=10_000_000) as client:
        service = client.app.state.service
        for kind, (said, content) in bodies(seed=0, count=192):
            answer = client.post(
                "/score", content=content, headers={"content-type": said.encode("latin-1")}
            )
            found[answer.status_code] += 1
            assert answer.status_code in (200, 400, 413, 415, 422), (kind, answer.text)
            assert answer.json().keys() & {"rows", "detail"} and "Traceback" not in answer.text
            assert service.held == service.waiting == 0, kind
    assert found.keys() == {200, 400, 413, 415, 422}, found


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    """An .onnx whose score is the mean of the pixels, as --export describes it."""
    onnx = pytest.importorskip("onnx", reason="needs requirements-export.txt")
    pytest.importorskip("onnxruntime", reason="needs requirements-export.txt")
    make, kind = onnx.helper, onnx.TensorProto.FLOAT
    axes = make.make_tensor("axes", onnx.TensorProto.INT64, [3], [1, 2, 3])
    node = make.make_node("ReduceMean", ["pixels", "axes"], ["scores"], keepdims=0)
    given = make.make_tensor_value_info("pixels", kind, ["batch", 3, *SIZE])
    found = make.make_tensor_value_info("scores", kind, ["batch"])
    graph = make.make_graph([node], "mean", [given], [found], [axes])
    built = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9)
    built.metadata_props.add(key="about", value=json.dumps(about()))
    file = tmp_path_factory.mktemp("export") / "mean.onnx"
    onnx.save(built, file)
    return file


def test_files_that_it_cannot_serve_are_named_in_a_line(export, tmp_path):
    (named,) = open_models([export])
    assert named.name == "mean" and named.runtime.startswith("onnxruntime ")
    import onnx

    plain = onnx.load(export)
    del plain.metadata_props[:]
    onnx.save(plain, tmp_path / "plain.onnx")
    (tmp_path / "broken.onnx").write_bytes(export.read_bytes()[:50])
    (tmp_path / "other.onnx").write_bytes(export.read_bytes())
    (tmp_path / "other.json").write_text('{"file_sha256": "0"}')
    (tmp_path / "alone.xml").write_text("<net/>")
    for name, said in (
        ("quality", "main.py --export onnx --resume quality makes one"),
        ("none.onnx", "no such file"), ("plain.onnx", "is no export of this toolkit"),
        ("broken.onnx", "export again"), ("other.onnx", "other.json describes"),
        ("alone.xml", "alone.bin: no such file"),
    ):  # fmt: skip
        file = tmp_path / name if "." in name else Path(name)
        with pytest.raises(ValueError, match=re.escape(said)) as error:
            open_models([file])
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="another model is called mean"):
        open_models([export, export])
    for limits in ({"max_files": 2000}, {"timeout": 0}, {"max_body": 600}):
        with pytest.raises(ValueError, match=f"--{next(iter(limits))}"):
            Limits(**limits)


# What `python demos/service.py` does, and then says whether torch was there.
PROGRAM = """import os, sys
import demos.service
code = demos.service.main(sys.argv[1:])
print("torch" in sys.modules, "scipy" in sys.modules, os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.exit(code)
"""


def test_it_starts_without_torch_and_ends_when_what_was_taken_is_answered(export):
    words = [
        sys.executable,
        "-W",
        "error",
        "-c",
        PROGRAM,
        "--model",
        export,
        "--port",
        "0",
        "--drain",
        "3600",
    ]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"},
    )  # fmt: skip
    try:
        said = process.stderr.readline()
        port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/ scores with mean\n", said)[1])
        content = body(HEAD + picture(7))

        def head_of(kind: str, size: int) -> bytes:
            head = f"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
            return f"{head}Content-Length: {size}\r\n\r\n".encode()

        def ask(first: bytes, rest: Callable[[], bytes] = bytes) -> str:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as link:
                link.sendall(first)
                link.sendall(rest())
                answer = b""
                while block := link.recv(65536):
                    answer += block
            return answer.decode()

        ready = b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        assert " 200 " in ask(ready)
        # Refused before it was read, and told so when it has been sent.
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        link.request("POST", "/score", b"x" * 3_000_000, {"Content-Type": "image/png"})
        assert link.getresponse().status == 415
        link.close()
        # A head without an end.
        assert " 400 " in ask(b"GET / HTTP/1.1\r\nX: " + b"x" * 90_000)
        elsewhere = ready.replace(b"Host: 127.0.0.1", b"Host: evil.example")
        assert " 403 " in ask(elsewhere)
        with socket.create_connection(("127.0.0.1", port)) as link:  # and one that goes
            said = MULTIPART.replace("=b", "=c")
            link.sendall(head_of(said, 1000) + b"--b\r\n")

        def refuses() -> bool:
            try:
                ask(ready)
            except ConnectionRefusedError:
                return True
            except ConnectionResetError:  # it came with the end
                pass
            return False

        def told_to_end() -> bytes:
            process.send_signal(signal.SIGTERM)
            until(lambda: " 503 " in ask(ready))
            process.send_signal(signal.SIGTERM)  # as the end of --drain
            until(refuses)
            return content[40:]

        answer = ask(head_of(MULTIPART, len(content)) + content[:40], told_to_end)
        assert " 200 " in answer, answer
        (row,) = json.loads(answer.split("\r\n\r\n")[1])["rows"]
        assert row["score"] == pytest.approx(7 / 255)
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out) == (0, "False False 1\n")
        assert err == "WARNING:  Invalid HTTP request received.\n"
    finally:
        process.kill()
        process.communicate()


def test_a_command_that_cannot_serve_says_so_in_one_line(tmp_path, capsys):
    from demos.service import main

    assert main(["--model", str(tmp_path / "none.onnx")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and "no such file" in err and err.count("\n") == 1
    for flag, value in (("--port", "70000"), ("--threads", "-1"), ("--drain", "nan")):
        with pytest.raises(SystemExit, match="2"):
            main(["--model", "x.onnx", flag, value])
        assert f"{flag}: {value}: must be 0 to " in capsys.readouterr().err
    for flag in ("--timeout", "--max_body"):
        assert main(["--model", "x.onnx", flag, "inf"]) == 1
        assert f"{flag} inf: must be a number above 0" in capsys.readouterr().err
    for name, cure in (
        ("x.pt2", "--resume WEIGHTS"),
        ("x.pth", "--resume x.pth"),
        ("x\ny", "x\\ny"),
    ):
        assert main(["--model", name, "--max_body", "0.5"]) == 1
        err = capsys.readouterr().err
        assert cure in err and err.count("\n") == 1


def test_which_signal_waits():
    """uvicorn ends what listens once it is to exit, and cuts what is left where that is forced."""

    def told(*signals: int, drain: float = 3600) -> Server:
        service = Service([model()], Limits())
        server = Server(uvicorn.Config(service), service, drain)
        for sig in signals:
            server.handle_exit(sig, None)
        return server

    def after(*signals: int) -> tuple[bool, bool, bool]:
        server = told(*signals)
        return server.service.draining, server.should_exit, server.force_exit

    assert after(signal.SIGTERM) == (True, False, False)
    assert after(signal.SIGTERM, signal.SIGTERM) == after(signal.SIGINT) == (True, True, False)
    assert after(signal.SIGINT, signal.SIGINT) == after(*[signal.SIGTERM] * 3) == (True, True, True)
    drained = told(signal.SIGTERM, drain=0.01)
    until(lambda: drained.should_exit)
    assert not drained.force_exit


def test_a_port_that_is_taken_is_named(export, capfd, monkeypatch):
    from demos.service import main

    monkeypatch.setenv("WEB_CONCURRENCY", "many")  # is uvicorn's own, and not ours
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit, match="1"):
        port = str(taken.getsockname()[1])
        main(["--model", str(export), "--port", port])
    assert f"error: no --host 127.0.0.1 --port {port} to listen on" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.2", True), ("::1", True), ("localhost", True), ("", False),
                        ("0.0.0.0", False), ("::", False), ("photos.example", False)]
)  # fmt: skip
def test_which_addresses_only_this_machine_reaches(host, local):
    assert is_loopback(host) == local


def test_nothing_warns_about_images(client):
    """Pillow's warnings are off while any thread decodes, and on again afterwards."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: post(client, picture(1, (999, 999))), range(16)))
    with pytest.warns(UserWarning):
        warnings.warn("still seen", UserWarning, stacklevel=1)
