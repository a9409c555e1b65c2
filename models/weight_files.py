"""Weight files: find them by name, read them without unpickling objects, download them."""

from __future__ import annotations

import hashlib
import os
import queue
import re
import threading
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor

from utils.files.checkpoint import load_tensors
from utils.files.reading import UnreadableFile, check_regular

SUFFIXES = (".safetensors", ".pth")
HUB = "https://huggingface.co/"
RESOLVE = "/resolve/main/"
CONNECT_SECONDS = 5
# What the end of a file's name says of its SHA-256.
HASH = re.compile(r"(?:^|-)([0-9a-f]{8}|[0-9a-f]{64})$")
# Where training programs put the network's tensors in their checkpoints.
NESTED = (
    "state_dict_ema", "model_ema", "params_ema", "state_dict", "model_state_dict", "model",
    "params", "net",
)  # fmt: skip
NESTED_LEVELS = 3


def find_local(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first file of `folder` that is named after one of `names`, in their order.

    Case does not matter, nor - against _, nor the hash at the end of a downloaded file's name
    (`resnet18-f37072fd.pth`). A .safetensors file comes before a .pth file.
    """
    if not folder.is_dir():
        return None
    files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    files.sort(key=lambda path: (SUFFIXES.index(path.suffix.lower()), path.name))
    for name in names:
        pattern = re.compile(re.escape(plain(name)) + r"(_[0-9a-f]{8})?")
        for path in files:
            if pattern.fullmatch(plain(path.stem)):
                return path
    return None


def plain(name: str) -> str:
    """A name as it is compared and as it may stand in a file name: lower case, no -, no colon."""
    return name.lower().replace("-", "_").replace(":", "_")


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors or .pth file by name, on the CPU.

    Raises ValueError when the file is damaged or holds anything that would have to be unpickled.
    """
    return named_tensors(load_tensors(path), path)


def named_tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """Tensors by name in what a weight file holds, wherever its program put them.

    `module.` before the names, a distributed wrapper's, is taken off. Raises ValueError when there
    are none.
    """
    for _ in range(NESTED_LEVELS):
        inside = content if isinstance(content, dict) else {}
        content = next((inside[k] for k in NESTED if isinstance(inside.get(k), dict)), content)
    items = content.items() if isinstance(content, dict) else ()
    state = {n: t for n, t in items if isinstance(n, str) and isinstance(t, Tensor)}
    if not state:
        raise ValueError(f"{path}: holds no named tensors: save the network's state_dict in it")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its type when it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def why_offline() -> str:
    """Why no network is to be asked; "" where one may be."""
    off = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    return "HF_HUB_OFFLINE is set" if off else ""


def cached(source: str) -> Path | None:
    """The file of a URL in its library's cache, None where it is not there; asks no network."""
    if not source.startswith(HUB):
        path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(source).path).name
        return path if path.is_file() else None
    import huggingface_hub

    found = huggingface_hub.try_to_load_from_cache(*_on_hub(source))
    return Path(found) if isinstance(found, str) else None


def download(source: str) -> Path:
    """The file of a URL, into its library's cache, with a bar of progress; the network is given
    CONNECT_SECONDS to answer. Raises OSError when it cannot be had, ValueError when what came is
    damaged.
    """
    if not source.startswith(HUB):
        _wait_for(source)
        path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(source).path).name
        path.parent.mkdir(parents=True, exist_ok=True)
        named = HASH.search(path.stem)
        try:
            torch.hub.download_url_to_file(source, str(path), named[1] if named else None)
        except RuntimeError as error:
            raise ValueError(f"{source}: the download is damaged: {first_line(error)}") from None
        return path
    import huggingface_hub

    repository, file = _on_hub(source)
    # The hub's client tries for most of a minute, with warnings, where there is no network.
    _wait_for(huggingface_hub.hf_hub_url(repository, file))
    return Path(huggingface_hub.hf_hub_download(repository, file))


def _on_hub(source: str) -> tuple[str, str]:
    repository, file = source.removeprefix(HUB).split(RESOLVE)
    return repository, file


def _wait_for(url: str) -> None:
    """OSError where no server answers in time, looking up its name included."""
    answers: queue.Queue[Exception | None] = queue.Queue()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=CONNECT_SECONDS):
                answers.put(None)
        except (OSError, HTTPException) as error:
            knows_head = getattr(error, "code", None) not in (405, 501)
            answers.put(error if knows_head else None)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        raise OSError(f"no answer within {CONNECT_SECONDS} seconds") from None
    if answer is not None:
        raise OSError(first_line(answer)) from answer


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits; UnreadableFile, without a wait, for what is none."""
    try:
        check_regular(path)
    except FileNotFoundError:
        raise UnreadableFile(f"{path}: links to no file: remove the link") from None
    state = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):  # hashlib.file_digest came with Python 3.11
            state.update(part)
    return state.hexdigest()


def check_named_hash(path: Path, sha256: str) -> None:
    """ValueError where the name of a file that was published or cached says another SHA-256:
    `resnet18-f37072fd.pth`, or a file of Hugging Face's cache, which links to one called after it.
    """
    named = HASH.search(path.resolve().stem)
    if named and not sha256.startswith(named[1]):
        raise ValueError(
            f"{path}: damaged: its SHA-256 begins with {sha256[:8]} and not with {named[1][:8]}: "
            "remove it, and get it anew"
        )
