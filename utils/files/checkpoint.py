"""Checkpoints on top of the one writer of `utils.files.writing`.

A checkpoint holds tensors and built-in types only and carries a digest of its own content, so that
a flipped bit or a torn file is found wherever the file was copied to.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from utils.files.tensor_files import CheckpointError, load_tensors
from utils.files.writing import write_atomic

FORMAT = 1


def save(path: Path, payload: Mapping[str, Any], keep: Path | None = None) -> None:
    """Writes a checkpoint atomically.

    payload: nested dicts, lists and tuples of tensors and built-in types. Tensors are stored on the
    CPU. keep: where the checkpoint that stood there stays.
    """
    stored = _to_cpu(dict(payload))
    stored["format"] = FORMAT
    stored["digest"] = digest(stored)
    buffer = io.BytesIO()  # a file name inside the archive would make equal contents differ
    torch.save(stored, buffer)
    data = buffer.getbuffer()
    write_atomic(path, lambda file: file.write(data), keep=keep)


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
    if type(form) is not int or form != FORMAT:
        known = form if type(form) is int and abs(form) < 10**9 else "unknown"
        raise CheckpointError(f"{path}: checkpoint format {known}, this version reads {FORMAT}")
    stored = payload.pop("digest")
    try:
        whole = isinstance(stored, str) and digest(payload) == stored
    except (TypeError, ValueError):  # what no checkpoint holds, or text that has no UTF-8
        whole = False
    if not whole:
        raise CheckpointError(
            f"{path}: damaged: its content does not match the digest it was saved with; "
            "use another copy"
        )
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


def _to_cpu(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        # A view would drag its whole storage into the file.
        return value.detach().to("cpu", copy=True).contiguous()
    if isinstance(value, Mapping):
        return {key: _to_cpu(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_cpu(item) for item in value]
    return value


def publish(source: Path, target: Path) -> None:
    """Puts a finished file at a second place, atomically; the source stays."""
    data = Path(source).read_bytes()
    write_atomic(target, lambda file: file.write(data))
