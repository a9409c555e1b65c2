"""KADID-10k: 81 references, 25 distortions, 5 levels.

images/I01.png  images/I01_01_01.png     reference 1, type 1, level 1
dmos.csv    dist_img,ref_img,dmos,var
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from dataloader.datasets.records import DataSet, Reading, Record
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import csv_rows, number
from utils.text import quoted

NAME = re.compile(r"(i\d\d)_(\d\d)_(\d\d)\.png", re.IGNORECASE)
TYPES = (
    "Gaussian blur", "lens blur", "motion blur", "colour diffusion", "colour shift",
    "colour quantisation", "saturation (HSV)", "saturation (Lab)", "JPEG2000", "JPEG",
    "white noise", "white noise in colour component", "impulse noise", "multiplicative noise",
    "denoise", "brighten", "darken", "mean shift", "jitter", "non-eccentricity patch", "pixelate",
    "quantisation", "colour block", "sharpen", "contrast change",
)  # fmt: skip
# Mean scores by level: 18 is best at level 3, 25 at level 3 as well, and 5 ties at levels 4 and 5.
NO_SEVERITY = frozenset((5, 18, 25))


def read(tree: SourceTree) -> Reading:
    images = tree.images("images")
    found = Reading((images,))
    for place, row in csv_rows(tree.file("dmos.csv"), "dist_img", "ref_img", "dmos"):
        name, match = row["dist_img"], NAME.fullmatch(row["dist_img"])
        if match is None or not 1 <= int(match[2]) <= len(TYPES):
            raise ValueError(f"{place}: {quoted(name)} is no name such as I01_01_01.png")
        path, kind = images.find(name), int(match[2])
        if path is None:
            continue
        reference = PurePosixPath(row["ref_img"]).stem.upper()
        found.add_reference(images.find(row["ref_img"]), reference)
        record = Record(
            path=path,
            mos=number(place, row["dmos"]),
            std=number(place, row["var"]) if row.get("var") else None,
            reference_id=reference,
            distortion=f"{kind:02d} {TYPES[kind - 1]}",
            level=None if kind in NO_SEVERITY else int(match[3]),
        )
        found.add(record)
    found.notes.append("the column dmos is quality, not a difference: it is taken as it stands")
    found.notes.append("the column var behaves like a standard deviation and is taken as one")
    found.notes.append(
        "levels of types 5, 18 and 25 are no severities: no order is taken from them"
    )
    return found


KADID10K = DataSet(
    "KADID-10k",
    "Lin et al., QoMEX 2019",
    read,
    scores="column dmos as it stands, 1 to 5, higher is better",
    scale=(1, 5),
    rated=10125,
    split="by reference, drawn: 20 % test, 10 % val (the field: 65/16 references, 10 times)",
    std="column var, taken as the standard deviation of the votes",
)
