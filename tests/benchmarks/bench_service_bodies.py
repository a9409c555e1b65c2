"""The service of an export against broken, hostile and odd bodies (tests/demos/bodies.py): what it
answers, whether it lives, and how much memory it had at most. Some ask for a quality map (/map),
each of which takes a hundred passes.

python tests/benchmarks/bench_service_bodies.py --model FILE.onnx [--bodies 5000] [--clients 8]

Exit code 1 for an answer of 500 or above, for none at all, for a word of the service on stderr, and
for other scores of a photograph than before.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAP_EVERY = 49  # bodies: has no factor in common with the number of their kinds
sys.path.insert(0, str(ROOT))

from tests.demos.bodies import Body, bodies, form, part, photo  # noqa: E402


def start(words: list[str]) -> tuple[subprocess.Popen[str], int]:
    """(process, port) of a service that is ready."""
    command = [sys.executable, str(ROOT / "demos" / "service.py"), "--port", "0", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    if not (found := re.search(r":(\d+)/ ", process.stderr.readline())):
        sys.exit("the service did not start: " + process.stderr.read())
    return process, int(found[1])


def most_memory(process: int) -> float:
    """MB that it has had at most."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


class Client:
    """One that keeps its connection where it is let; statuses: how often each was answered."""

    local = threading.local()

    def __init__(self, port: int) -> None:
        self.port = port
        self.statuses: collections.Counter[tuple[str, object]] = collections.Counter()
        self.slowest = 0.0

    def ask(self, kind: str, body: Body, path: str = "/score") -> bytes:
        """Its answer; one more try where the connection was closed between two requests."""
        begun = time.perf_counter()
        for last in (False, True):
            link = getattr(self.local, "link", None)
            if link is None:
                link = self.local.link = http.client.HTTPConnection("127.0.0.1", self.port, 120)
            said = body[0].encode("latin-1", "replace")
            try:
                link.request("POST", path, body[1], {"Content-Type": said})
                answer = link.getresponse()
                content = answer.read()
                self.statuses[kind, answer.status] += 1
                break
            except (OSError, http.client.HTTPException) as error:
                link.close()
                self.local.link = None
                if last:
                    self.statuses[kind, type(error).__name__] += 1
                    content = b""
        self.slowest = max(self.slowest, time.perf_counter() - begun)
        return content

    def leave(self, body: Body) -> None:
        """Declares more than it sends, and goes."""
        head = f"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {body[0]}\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as link:
            link.sendall(f"{head}Content-Length: {len(body[1]) + 1000}\r\n\r\n".encode("latin-1"))
            link.sendall(body[1][:5000])


def main() -> int:
    """Prints the answers by kind of body."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--bodies", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    process, port = start(["--model", args.model])
    try:
        client = Client(port)
        good = "multipart/form-data; boundary=b", form(part(random.Random(1), photo("JPEG")))
        before = json.loads(client.ask("good", good))["rows"]
        for _ in range(32):
            client.ask("good", good)
        usual = most_memory(process.pid)
        waiting = threading.Semaphore(4 * args.clients)  # bodies that are made ahead

        def one(number: int, kind: str, body: Body) -> None:
            try:
                if number % MAP_EVERY == 0:
                    client.ask(f"map: {kind}", body, "/map")
                else:
                    client.ask(kind, body)
                if number % 50 == 0:
                    client.leave(body)
            finally:
                waiting.release()

        begun = time.perf_counter()
        with ThreadPoolExecutor(args.clients) as pool:
            for number, (kind, body) in enumerate(bodies(args.seed, args.bodies)):
                waiting.acquire()
                pool.submit(one, number, kind, body)
        seconds = time.perf_counter() - begun
        after = json.loads(client.ask("good", good))["rows"]
        most = most_memory(process.pid)
    finally:
        process.terminate()
        code = process.wait(60)
        said = process.stderr.read() if process.stderr else ""
    statuses = sorted({status for _, status in client.statuses}, key=str)
    for kind in sorted({kind for kind, _ in client.statuses}):
        counts = [f"{s}: {client.statuses[kind, s]}" for s in statuses if client.statuses[kind, s]]
        print(f"{kind:20} {', '.join(counts)}")
    print(f"{args.bodies} bodies in {seconds:.0f} s, the slowest {client.slowest:.1f} s")
    print(f"memory at most: {usual:.0f} MB with whole photographs, {most:.0f} MB after all")
    print(f"the same scores before and after: {before == after}; exit code {code}")
    print(said, end="")
    lost = [s for s in statuses if not isinstance(s, int) or s >= 500]
    return 1 if lost or before != after or code or said else 0


if __name__ == "__main__":
    sys.exit(main())
