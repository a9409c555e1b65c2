"""Weight files that were made to do harm, or were harmed: (name, bytes) pairs. Every one must end
in one line, in little time and memory. For the tests, and for longer trials with other numbers.
"""

from __future__ import annotations

import copy
import io
import random
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import torch

from config import Config
from tests.faults import pictures
from utils.files import checkpoint
from utils.files.tensor_files import CHECKED
from utils.imaging.images import ViewRule

TERA = 1 << 42


def tiny() -> dict[str, Any]:
    """A payload as training writes it, of a network of two tensors."""
    generator = torch.Generator().manual_seed(0)
    return {
        "config": Config().to_dict(),
        "num_classes": 1,
        "view": ViewRule((224, 224)).to_dict(),
        "model": {
            "mean": torch.zeros(1, 3, 1, 1),
            "std": torch.ones(1, 3, 1, 1),
            "backbone.conv.weight": torch.rand(2, 3, 3, 3, generator=generator),
            "heads.quality.fc.weight": torch.rand(1, 2, generator=generator),
        },
        "ema": None,
        "metrics": {"srcc": 0.5},
        "epoch": 3,
    }


def stored(payload: dict[str, Any]) -> bytes:
    """The file of a payload as training writes it."""
    return plain({**payload, "format": checkpoint.FORMAT, "digest": CHECKED})


def plain(content: Any) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's notices about the rarer kinds of tensors
        torch.save(content, buffer)
    return buffer.getvalue()


def archive(pickled: bytes, like: bytes | None = None, compression: int = 0) -> bytes:
    """An archive of torch with this for its pickle, and everything else of `like`."""
    old, new = zipfile.ZipFile(io.BytesIO(like or plain({}))), io.BytesIO()
    with zipfile.ZipFile(new, "w", compression) as target:
        for name in old.namelist():
            target.writestr(name, pickled if name.endswith("data.pkl") else old.read(name))
    return new.getvalue()


def pickle_of(data: bytes) -> bytes:
    return zipfile.ZipFile(io.BytesIO(data)).read("archive/data.pkl")


# ---- made by hand


def hand_made() -> Iterator[tuple[str, bytes]]:
    """About fifty files, none of which is a weight file that can be used."""
    yield "empty", b""
    yield "text", b"no weights, but a sentence\n"
    yield "keras", b"\x89HDF\r\n\x1a\n" + bytes(100)
    yield "export", _export()
    yield from _pickles()
    yield from _archives()
    yield from _tensors()
    yield from _payloads()


def _export() -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.ones(1)), buffer)
    return buffer.getvalue()


def _pickles() -> Iterator[tuple[str, bytes]]:
    start = b"\x80\x02"
    doubled = [b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(60)]
    yield (
        "lists of lists, 2 to the power of 60",
        archive(start + b"]q\0" + b"".join(doubled) + b"."),
    )
    wide = [b"](" + b"h%c" % i * 200 + b"eq%c" % (i + 1) for i in range(20)]
    yield "lists of lists, 200 to the power of 20", archive(start + b"]q\0" + b"".join(wide) + b".")
    pairs = [b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)]
    key = start + b")q\0" + b"".join(pairs)
    yield "a key that takes years to hash", archive(key + b"}(h\x3cK\x01u.")
    yield "the same, before torch 1.6", key + b"}(h\x3cK\x01u."
    yield "a key 100,000 deep", archive(start + b")" + b"\x85" * 100_000 + b"}q\0h\0.")
    yield "20,000 levels", archive(start + b"]" * 20_000 + b"a" * 19_999 + b".")
    yield "itself inside itself", archive(start + b"]q\0h\0a.")
    size = struct.pack("<q", TERA)
    for module in (b"builtins", b"__builtin__"):
        call = b"c" + module + b"\nbytearray\n\x8a\x08" + size + b"\x85R."
        yield f"4 TB of {module.decode()}.bytearray", archive(start + call)
    yield "a call of the system", archive(b"cos\nsystem\n(S'echo ran'\ntR.")
    yield "9 MB of nothing", archive(start + b"N0" * (9 << 19) + b"N.")
    yield "an unfinished pickle", archive(start + b"}q\0(X\xff\xff\xff\x7fabc")
    yield "more taken than there is", archive(start + b"aaa.")


def _archives() -> Iterator[tuple[str, bytes]]:
    whole = plain({"model": {"w": torch.zeros(1 << 22)}})  # 16 MB
    yield "compressed", archive(pickle_of(whole), whole, zipfile.ZIP_DEFLATED)
    yield "overlapping parts", _overlapping()
    small = plain({"model": {"w": torch.arange(12.0)}})
    body = pickle_of(small)
    assert body.count(b"K\x0c\x85") == 1 and body.count(b"K\x0ctq") == 1
    huge = b"\x8a\x08" + struct.pack("<q", TERA)
    yield "4 TB where 48 bytes lie", archive(body.replace(b"K\x0c\x85", huge + b"\x85"), small)
    yield "a part of 4 TB", archive(body.replace(b"K\x0ctq", huge + b"tq"), small)
    yield "an archive without weights", archive(b"")
    yield "a header of safetensors", b"\xff" * 8 + b"{}"


def _overlapping() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("archive/data.pkl", b"\x80\x02}.")
        target.writestr("archive/data/0", bytes(1 << 16))
        for number in range(1, 2000):
            again = copy.copy(target.filelist[1])
            again.filename = f"archive/data/{number}"
            target.filelist.append(again)
    return buffer.getvalue()


def _tensors() -> Iterator[tuple[str, bytes]]:
    one = torch.zeros(1)
    odd: dict[str, Callable[[], Any]] = {
        "4 TB of one number": lambda: one.expand(TERA),
        "a sparse tensor": lambda: torch.eye(3).to_sparse(),
        "a sparse tensor of 4 TB": lambda: torch.sparse_coo_tensor([[0]], [1.0], (TERA,)),
        "a compressed sparse tensor": lambda: torch.eye(3).to_sparse_csr(),
        "a quantised tensor": lambda: torch.quantize_per_tensor(one, 0.1, 0, torch.qint8),
        "a tensor without values": lambda: torch.empty(TERA, device="meta"),
        "a complex tensor": lambda: one.to(torch.complex64),
        "a number": lambda: 3,
        "a list": lambda: [one],
    }
    for name, make in odd.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tensor = make()
        payload = tiny()
        payload["model"]["backbone.conv.weight"] = tensor
        yield f"{name} among the weights", stored(payload)
    yield "plain weights named by tuples", plain({("a", "b"): one})
    yield "plain weights of 4 TB", plain({"backbone.conv.weight": one.expand(TERA)})
    yield "a list of tensors", plain([one, one])


PARTS: dict[str, list[Any]] = {
    "model": [None, {}, [], 3, {("a", "b"): torch.zeros(2)}, {3: torch.zeros(2)}],
    "ema": [3, {"module": None}, {"module": [1]}, {"model": {}}, [1]],
    "num_classes": [0, -1, 10**12, 2.5, "1", True, torch.tensor(1)],
    "metrics": ["srcc", {"srcc": "high"}, {3: 1.0}, [0.5]],
    "trained_for": ["rank", [1], {"rank": 1}, ["a\x1b[31m"]],
    "mean_histogram": [[], ["a"], [float("nan")], 3, {"a": 1}],
    "mean_score": ["a", float("nan"), [], True],
    "untrained": [3, [1, 2, 3], {"srcc": 1}, {"srcc": [1, 2]}, {"srcc": ["a", 1, 2]}],
    "view": [[], "squash", {}, {"image_size": [0, 3]}, {"image_size": [32, 32], "crops": 10**9,
             "crop_size": [32, 32]}, {"image_size": "large"}, {"image_size": [32, 32], "other": 1}],
    "config": [[1], "arch", 3],
}  # fmt: skip
SETTINGS: dict[str, list[Any]] = {
    "test_crops": [10**9, -1, "5", 2.5, [5], 10**30],
    "image_size": [[0, 0], ["a"], [32, 32, 32], 10**9, "32", {"h": 1}],
    "crop_size": [[10**6, 2], "x"],
    "resize": ["stretch", 3, ["squash"]],
    "arch": [3, "a\x1b[31m\nb", ["resnet18"], {"name": "resnet18"}],
    "criterion": ["none", 4],
    "bucket_width": [float("nan"), "wide", float("inf")],
    "test_list": [{"a": 1}, torch.zeros(2)],
    "seed": [-1, "\ud800", 1.5],
}


def _payloads() -> Iterator[tuple[str, bytes]]:
    for part, values in PARTS.items():
        for number, value in enumerate(values):
            if value is not None or part == "model":
                yield f"{part} {number}", stored({**tiny(), part: value})
    for name, values in SETTINGS.items():
        for number, value in enumerate(values):
            config = {**Config().to_dict(), name: value}
            yield f"setting {name} {number}", stored({**tiny(), "config": config})
    without = tiny()
    del without["model"]
    yield "no model", stored(without)
    yield "a number of 5,000 digits", stored({**tiny(), "epoch": 10**5000})
    first = {**tiny(), "format": 1, "digest": "0"}
    yield "half a character below a digest", plain({**first, "note": "\ud800"})
    yield "a set", plain({**first, "position": {1, 2}})
    yield "a digest that is a tensor", plain({**first, "digest": torch.zeros(2)})
    yield "a format that is a tensor", plain({**first, "format": torch.ones(2)})
    yield "a format of 5,000 digits", plain({**first, "format": 10**5000})


# ---- damaged at random


def damaged(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Copies of a whole file, each with one damage: bytes as those of a damaged image; the same of
    its pickle, below a check sum that is right; or a part of its content replaced below a digest
    that is right. Some damage is harmless.
    """
    rng = random.Random(seed)
    whole = stored(tiny())
    body = pickle_of(whole)
    for number in range(count):
        if number % 8 < 6:
            yield f"{number} bytes", pictures.damaged(whole, rng)
        elif number % 8 == 6:
            yield f"{number} pickle", archive(pictures.damaged(body, rng), whole)
        else:
            payload = tiny()
            where = _replace_a_part(payload, rng)
            yield f"{number} replaced {where}", stored(payload)


def _replace_a_part(payload: dict[str, Any], rng: random.Random) -> str:
    """Puts something strange in place of one value, at any level; its place."""
    strange: list[Any] = [
        None, True, -1, 10**18, 0.5, float("nan"), "", "\x1b[2J", [], {}, [[[]]], {"a": {}},
        torch.zeros(0), torch.ones(3, dtype=torch.int8), {1: torch.zeros(1)}, "x" * 1000,
    ]  # fmt: skip
    inside: Any = payload
    place = []
    while True:
        key = rng.choice(list(inside))
        place.append(str(key))
        if not (isinstance(inside[key], dict) and inside[key] and rng.random() < 0.7):
            inside[key] = rng.choice(strange)
            return ".".join(place)
        inside = inside[key]
