"""A small copy of AVA as it unpacks: the table with tags and challenges, lists of ids, and images
whose order is not the table's.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.tiny_data import picture

IDS = (953619, 953958, 954184, 954113, 953980, 954175, 953349, 953645, 953756, 953841, 953000, 7)
TEST_IDS = (954184, 953645)


def votes_of(rows: int = len(IDS), seed: int = 0) -> np.ndarray:
    """int64 (rows, 10): the later a row, the higher its votes."""
    rng = np.random.default_rng(seed)
    peaks = np.linspace(2, 8, rows)[:, None]
    shape = np.exp(-0.5 * (np.arange(10) - peaks) ** 2)
    return np.ceil(60 * shape).astype(np.int64) + rng.integers(0, 3, (rows, 10))


def write_ava(
    root: Path,
    missing: tuple[int, ...] = (),
    truncated: tuple[int, ...] = (),
    table: str = "AVA_dataset/AVA.txt",
    images: str = "images/images",
) -> np.ndarray:
    """The tree below root; returns the votes (12, 10) of IDS. JPEGs of `truncated` end early."""
    votes = votes_of()
    rows = [
        f"{i + 1} {image} {' '.join(map(str, counts))} {i % 3} {22 if i % 2 else 0} {1396 + i % 2}"
        for i, (image, counts) in enumerate(zip(IDS, votes, strict=True))
    ]
    file = root / table
    lists = file.parent / "aesthetics_image_lists"
    lists.mkdir(parents=True)
    file.write_text("\n".join(rows) + "\n")
    (file.parent / "tags.txt").write_text("1 Abstract\n2 Still Life, Studio\n22 B/W\n")
    (file.parent / "challenges.txt").write_text("1396 Best_of_2009\n1397 Red\n")
    for name, ids in (("generic_test", TEST_IDS), ("generic_ls_train", IDS[:2])):
        (lists / f"{name}.jpgl").write_text("".join(f"{i}\n" for i in ids))
    folder = root / images
    folder.mkdir(parents=True)
    for i, image in sorted(enumerate(IDS), key=lambda pair: pair[1]):
        if image in missing:
            continue
        path = folder / f"{image}.jpg"
        picture(np.random.default_rng(i), 5 * (len(IDS) - i)).save(path, quality=95)
        if image in truncated:
            path.write_bytes(path.read_bytes()[:900])
    return votes


def write_samples(file: Path, votes: np.ndarray, ids: tuple[object, ...] = IDS) -> Path:
    """idealo's samples of the same images."""
    samples = [
        {"image_id": str(i), "label": row.tolist()} for i, row in zip(ids, votes, strict=True)
    ]
    file.write_text(json.dumps(samples))
    return file
