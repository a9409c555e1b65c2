"""Tar files as WebDataset's shards are, written by Python's tarfile: an oracle of their own."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_tar(file: Path, members: Iterable[tuple[str, bytes]], form: int | None = None) -> Path:
    """A tar file of these names and contents, in Python's usual format or another one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w", format=form) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 7.5  # a fraction makes an extended header
            tar.addfile(member, io.BytesIO(content))
    return file


def sample(image: Path, label: object, key: str) -> list[tuple[str, bytes]]:
    """The two files of a key: the image, and its label as .json, or, of a text, as .txt."""
    kind, text = ("txt", label) if isinstance(label, str) else ("json", json.dumps(label))
    return [(f"{key}{image.suffix}", image.read_bytes()), (f"{key}.{kind}", text.encode())]


def write_shards(folder: Path, samples: Mapping[str, list[tuple[Path, object]]]) -> list[Path]:
    """Two tar files of each split, of (image, label); keys are numbers over all of them."""
    found, number = [], 0
    for split, images in samples.items():
        half = (len(images) + 1) // 2
        for shard in range(2):
            members = []
            for image, label in images[shard * half : (shard + 1) * half]:
                members += sample(image, label, f"{number:04d}")
                number += 1
            found.append(write_tar(folder / f"{split}-{shard:03d}.tar", members))
    return found
