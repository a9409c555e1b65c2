"""A trained network as a folder that can be given away: model.safetensors, config.json, README.md.

Hubs of models expect these three files. What a training alone needs (optimizer, generators of
random numbers, paths of a machine) is not in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from utils.files.reading import UnreadableFile, read_bytes, read_object
from utils.files.tensor_files import CheckpointError, load_tensors
from utils.files.weight_names import CARD, FACTS, WEIGHTS
from utils.files.writing import write_atomic, write_json, write_text

FORMAT = 1
HELD = "held."  # before the names of the record of held-out images, beside the network's tensors


def write_folder(
    folder: Path,
    state: Mapping[str, Tensor],
    held: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    card: Callable[[str], str],
    half: bool,
) -> None:
    """Writes the three files.

    state: the network's tensors by name. held: those of applications/inputs/tables/held.py, or
    none. facts: built-in values that JSON has. card: the SHA-256 of the weights -> Markdown. half:
    the network's floating point numbers are stored in 16 bits. config.json, with the SHA-256 of the
    weights, is written last: a folder without it is not taken for a model.
    """
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    if half:
        tensors = {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}
    tensors |= {HELD + name: tensor.contiguous() for name, tensor in held.items()}
    data = save(tensors, metadata={"format": "pt"})
    write_atomic(folder / WEIGHTS, lambda file: file.write(data))
    digest = hashlib.sha256(data).hexdigest()
    write_text(folder / CARD, card(digest))
    write_json(folder / FACTS, {"format": FORMAT, "sha256": digest, **facts})


def read_folder(folder: Path) -> dict[str, Any]:
    """The facts of the folder, with the network's tensors as "model", floating point numbers in 32
    bits, and the held-out images as "held".

    CheckpointError (one line) for a folder whose files are damaged or do not belong together.
    """
    weights = folder / WEIGHTS
    try:
        facts = read_object(folder / FACTS)
        digest = hashlib.sha256(read_bytes(weights, packed=True)).hexdigest()
    except UnreadableFile as error:
        raise CheckpointError(str(error)) from None
    if facts.pop("format", None) != FORMAT:
        raise CheckpointError(
            f"{folder / FACTS}: not of a model that this version reads (format {FORMAT})"
        )
    if facts.pop("sha256", None) != digest:
        raise CheckpointError(
            f"{weights}: damaged, or of another model: its SHA-256 is not the one that {FACTS} "
            "names: use another copy of the folder"
        )
    tensors = load_tensors(weights)
    held = {n: tensors.pop(n) for n in list(tensors) if n.startswith(HELD)}
    facts["model"] = {n: t.float() if t.dtype == torch.half else t for n, t in tensors.items()}
    return facts | ({"held": {n.removeprefix(HELD): t for n, t in held.items()}} if held else {})
