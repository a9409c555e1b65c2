"""LIVE Multiply Distorted: 15 references, blur and JPEG (part 1), blur and noise (part 2).

    Part 1/Imagelists.mat   distimgs (225 names), refimgs (15 names), ref4dist (225, from 1)
    Part 1/Scores.mat       DMOSscores (1 x 225)
    Part 1/blurjpeg/REF.bmp, REF_blur1.bmp, REF_jpeg2.bmp, REF_blur1_jpeg2.bmp; Part 2/blurnoise/...

`REF_blur1.bmp` lies in both parts, with a score in each; `Part_1` and a folder `Ref_Images` occur.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from dataloader.datasets.records import DataSet, Reading
from dataloader.datasets.source_tree import Images, SourceTree
from dataloader.datasets.tables import mat_numbers, mat_texts, same_length

PART = re.compile(r"part[ _-]*(\d)", re.IGNORECASE)
STEP = re.compile(r"_(blur|jpeg|noise)(\d)", re.IGNORECASE)


def read(tree: SourceTree) -> Reading:
    """The records of both parts, whose ladders and scores stay apart."""
    images = tree.images()
    found = Reading((images,))
    lists = {PurePosixPath(path).parent: path for path in tree.every("Imagelists.mat")}
    parts = {folder.as_posix(): PART.fullmatch(folder.name) for folder in lists}
    if not parts or not all(parts.values()):
        raise ValueError(f"{tree.root}: Imagelists.mat is expected in folders Part 1 and Part 2")
    for folder, match in sorted(parts.items()):
        _read_part(tree, folder, f"part {match[1] if match else ''}", images, found)
    return found


def _read_part(tree: SourceTree, folder: str, part: str, images: Images, found: Reading) -> None:
    lists, scores = (_file_below(tree, folder, name) for name in ("Imagelists.mat", "Scores.mat"))
    names, references = mat_texts(lists, "distimgs"), mat_texts(lists, "refimgs")
    owners = mat_numbers(lists, "ref4dist").astype(int).tolist()
    dmos = mat_numbers(scores, "DMOSscores").tolist()
    for file, values in ((scores, dmos), (lists, owners)):
        same_length(file, len(values), len(names), "one for each of distimgs")
    for name, value, owner in zip(names, dmos, owners, strict=True):
        path = images.find(name, below=folder)
        if not 1 <= owner <= len(references):
            raise ValueError(f"{lists}: ref4dist has {owner}, refimgs {len(references)} names")
        if path:
            head = references[owner - 1]
            reference = PurePosixPath(head).stem
            found.add_reference(images.find(head), reference)
            images.pass_over(head)  # each part has a copy
            kind, level = _distortion(name)
            found.add(
                path,
                mos=100 - value,
                reference_id=reference,
                distortion=f"{part} {kind}",
                level=level,
            )


def _file_below(tree: SourceTree, folder: str, name: str) -> Path:
    found = [path for path in tree.every(name) if path.startswith(f"{folder}/")]
    if not found:
        raise ValueError(f"{tree.root / folder}: no {name} there, beside Imagelists.mat")
    return tree.root / found[0]


def _distortion(name: str) -> tuple[str, int | None]:
    """(ladder, level): of two distortions, the first at a fixed strength begins the ladder's name
    and the second is its level.
    """
    steps = [(kind.casefold(), int(level)) for kind, level in STEP.findall(name)]
    if not steps:
        return "unknown", None
    fixed = [f"{kind}{level}" for kind, level in steps[:-1]]
    return "+".join([*fixed, steps[-1][0]]), steps[-1][1]


MLIVE = DataSet(
    "LIVE Multiply Distorted", "Jayaraman et al., Asilomar 2012", read,
    scores="MOS = 100 - DMOS",
    scale=(0, 100), rated=450,
    split="by reference, drawn: 20 % test, 10 % val (the field: 12/3 references, 10 times)",
)  # fmt: skip
