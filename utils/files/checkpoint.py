"""Checkpoints on top of the one writer of `utils.files.writing`.

A checkpoint holds tensors and built-in types only and carries checksums of its own content, so that
a flipped bit or a torn file is found wherever the file was copied to.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch

from utils.files.tensor_files import CHECKED, DAMAGED, CheckpointError, load_tensors
from utils.files.writing import link_atomic, write_atomic

# 1: a SHA-256 of the content is its entry "digest". 2: the CRC-32 of each part of the archive,
# which torch.save computes while it writes, is compared when the file is read.
FORMAT = 2


def save(path: Path, payload: Mapping[str, Any], keep: Path | None = None) -> None:
    """Writes a checkpoint atomically.

    payload: nested dicts, lists and tuples of tensors and built-in types. Tensors are stored on the
    CPU. keep: where the checkpoint that stood there stays.
    """
    stored = _stored({**payload, "format": FORMAT, "digest": CHECKED})
    write_atomic(path, partial(_write_tensors, stored), keep=keep)


def _write_tensors(stored: Any, file: BinaryIO) -> None:
    """torch.save, which hides a full disk behind an error of its own."""
    try:
        torch.save(stored, file)  # by its name, equal contents would be different files
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def load(path: Path) -> dict[str, Any]:
    """The payload of a checkpoint written by `save`; CheckpointError (one line) when it is anything
    else.
    """
    payload = load_tensors(path)
    if not is_checkpoint(payload):
        raise CheckpointError(
            f"{path}: not a checkpoint of this toolkit (weights alone can be used with --resume)"
        )
    return verified(payload, path)


def is_checkpoint(content: Any) -> bool:
    """Whether the content of a file was written by `save`; it may be damaged all the same."""
    return isinstance(content, dict) and "digest" in content and "format" in content


def verified(payload: dict[str, Any], path: Path) -> dict[str, Any]:
    """The payload without its digest; CheckpointError when the content is not what was saved."""
    form = payload["format"]
    if type(form) is not int or form not in range(1, FORMAT + 1):
        known = form if type(form) is int and abs(form) < 10**9 else "unknown"
        raise CheckpointError(
            f"{path}: checkpoint format {known}, this version reads 1 to {FORMAT}"
        )
    stored = payload.pop("digest")
    try:
        found = digest(payload) if form == 1 else CHECKED
        whole = isinstance(stored, str) and found == stored
    except (TypeError, ValueError):  # what no checkpoint holds, or text that has no UTF-8
        whole = False
    if not whole:
        raise CheckpointError(f"{path}: {DAMAGED}")
    return payload


def digest(value: Any) -> str:
    """SHA-256 over names, types, shapes and bytes of a nested structure; the key "digest" itself is
    left out.
    """
    state = hashlib.sha256()
    _feed(
        state,
        {k: v for k, v in value.items() if k != "digest"} if isinstance(value, dict) else value,
    )
    return state.hexdigest()


def _feed(state: Any, value: Any) -> None:
    if isinstance(value, torch.Tensor):
        tensor = value.detach().cpu().contiguous()
        state.update(f"T{tensor.dtype}{tuple(tensor.shape)}".encode())
        state.update(
            memoryview(tensor.reshape(-1).view(torch.uint8).numpy()) if tensor.numel() else b""
        )
    elif isinstance(value, Mapping):
        state.update(f"D{len(value)}".encode())
        for key, item in value.items():
            _feed(state, key)
            _feed(state, item)
    elif isinstance(value, (list, tuple)):
        state.update(f"L{len(value)}".encode())
        for item in value:
            _feed(state, item)
    elif isinstance(value, float):
        state.update(b"F" + struct.pack("<d", value))
    elif value is None or isinstance(value, (str, int, bool)):
        state.update(f"{type(value).__name__}:{len(str(value))}:{value}".encode())
    else:
        raise TypeError(
            f"a checkpoint holds tensors and built-in types, not {type(value).__name__}"
        )


def _stored(value: Any) -> Any:
    """The value as it is written; TypeError for what is neither a tensor nor built in."""
    if isinstance(value, torch.Tensor):
        tensor = value.detach().to("cpu").contiguous()
        # A view would drag its whole storage into the file.
        whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
        return tensor if whole else tensor.clone()
    if isinstance(value, Mapping):
        return {_stored(key): _stored(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stored(item) for item in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"a checkpoint holds tensors and built-in types, not {type(value).__name__}")


def publish(source: Path, target: Path) -> None:
    """Puts a finished file at a second place, atomically; the source stays. Nothing writes into a
    finished file, so it gets a second name where the disk allows that, and is copied elsewhere.
    """
    if not link_atomic(Path(source), Path(target)):
        with open(source, "rb") as file:
            write_atomic(target, lambda copy: shutil.copyfileobj(file, copy))
