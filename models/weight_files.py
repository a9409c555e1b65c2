"""Weight files: find them by name, read them without unpickling objects, download them."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from utils.files.checkpoint import load_tensors

SUFFIXES = (".safetensors", ".pth")
HUB = "https://huggingface.co/"
RESOLVE = "/resolve/main/"
CONNECT_SECONDS = 15
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


def download(source: str) -> dict[str, Tensor]:
    """The tensors of a file at a URL, from the library's cache if it is there.

    Raises OSError when it cannot be had, ValueError when what came is damaged.
    """
    if source.startswith(HUB):
        return read_state(_from_hub(*source.removeprefix(HUB).split(RESOLVE)))
    try:
        return torch.hub.load_state_dict_from_url(
            source, map_location="cpu", weights_only=True, check_hash=True
        )
    except RuntimeError as error:
        raise ValueError(f"{source}: the download is damaged: {first_line(error)}") from None


def _from_hub(repository: str, file: str) -> Path:
    import huggingface_hub

    cached = huggingface_hub.try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set")
    # The hub's client tries for most of a minute, with warnings, where there is no network.
    url = huggingface_hub.hf_hub_url(repository, file)
    request = urllib.request.Request(url, method="HEAD")
    with urllib.request.urlopen(request, timeout=CONNECT_SECONDS):
        return Path(huggingface_hub.hf_hub_download(repository, file))
