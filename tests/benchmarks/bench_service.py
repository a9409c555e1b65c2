"""The service under load on loopback, against its runtime called directly, in turns: images per
second of both, by the clock and by the processor's, and how long clients wait.

python -m venv LOAD && LOAD/bin/pip install locust
python tests/benchmarks/bench_service.py --model FILE.onnx --images PHOTOS --locust LOAD/bin/locust

Direct is one process that decodes, cuts and scores the same photographs in batches of the same
size, one after the other. Exit code 1 where an answer was lost or was none of 200 and 429, or the
service's count of its answers is another one than its clients'.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from demos.serving.limits import Limits  # noqa: E402
from demos.serving.models import open_model  # noqa: E402
from tests.benchmarks.bench_service_bodies import start  # noqa: E402


def direct(args: argparse.Namespace) -> tuple[float, float]:
    """Images per second, and per second of the processor, without a service."""
    model = open_model(args.model, args.threads)
    contents = [path.read_bytes() for path in sorted(args.images.glob("*.jpg"))]
    most = max(1, Limits().batch_size // model.views)
    done, begun, used = 0, time.perf_counter(), time.process_time()
    while (taken := time.perf_counter() - begun) < args.seconds:
        chosen = random.choices(contents, k=most)
        rows = model.scores([model.pixels(content, "", 10**9) for content in chosen])
        assert all(row["error"] is None for row in rows)
        done += len(rows)
    return done / taken, done / (time.process_time() - used)


def served(args: argparse.Namespace, more: list[str]) -> tuple[float, float, str, list[str]]:
    """(images per second, and of the processor's, how long they took, what was lost)."""
    words = ["--model", str(args.model), "--threads", str(args.threads), *more]
    process, port = start(words)
    address = f"http://127.0.0.1:{port}"
    command = [
        args.locust, "-f", str(ROOT / "tests/benchmarks/locust_service.py"), "--headless", "--json",
        "-u", str(args.clients), "-r", str(args.clients), "-t", f"{args.seconds}s",
        "--stop-timeout", "300", "--host", address, "--loglevel", "ERROR",
    ]  # fmt: skip
    try:
        environment = {**os.environ, "IQA_PHOTOS": str(args.images)}
        used = processor(address)
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        metrics, used = asked(address), processor(address) - used
    finally:
        process.terminate()
        process.wait(120)
    found = {row["name"]: row for row in json.loads(done.stdout)}
    sent = dict(re.findall(r'iqa_requests_total\{code="(\d+)",path="/score"\} (\S+)', metrics))
    seen = {"200": found["/score"]["num_requests"]}
    if "429" in found:
        seen["429"] = found["429"]["num_requests"]
    lost = [] if seen == {code: int(float(n)) for code, n in sent.items()} else [f"sent {sent}"]
    if done.returncode or any(row["num_failures"] for row in found.values()):
        lost.append(done.stderr[-2000:])
    scored = found["/score"]
    times = sorted(float(ms) for ms, n in scored["response_times"].items() for _ in range(n))
    p50, p99 = (times[int(share * (len(times) - 1))] / 1000 for share in (0.5, 0.99))
    rate = scored["num_requests"] / (scored["last_request_timestamp"] - scored["start_time"])
    return (
        rate,
        scored["num_requests"] / used,
        f"p50 {p50:.2f} s, p99 {p99:.2f} s; answers: {seen}",
        lost,
    )


def asked(address: str) -> str:
    """What the service says of itself."""
    with urllib.request.urlopen(f"{address}/metrics") as answer:
        return answer.read().decode()


def processor(address: str) -> float:
    """Seconds of the processor that the service has had."""
    return float(re.search(r"^process_cpu_seconds_total (\S+)", asked(address), re.M)[1])


def main() -> int:
    """Prints a line of each round, and the ratio of medians."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--locust", default="locust")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    args, more = parser.parse_known_args()
    rounds, lost = [], []
    for _ in range(args.rounds):
        alone = direct(args)
        *together, said, gone = served(args, more)
        rounds.append((*alone, *together))
        lost += gone
        shown = "direct {:.1f} images/s ({:.1f} a processor second); service {:.1f} ({:.1f})"
        print(f"{shown.format(*rounds[-1])}, {args.clients} clients: {said}", flush=True)
    clock, cpu, clock_served, cpu_served = map(statistics.median, zip(*rounds, strict=True))
    print(f"medians, service over direct: {clock_served / clock:.2f} by the clock, ", end="")
    print(f"{cpu_served / cpu:.2f} by the processor's; lost: {len(lost)}")
    print("\n".join(lost), end="")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
