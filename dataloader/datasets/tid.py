"""TID2013 and TID2008: 25 references, 24 or 17 distortions, 5 or 4 levels.

distorted_images/i01_02_3.bmp   reference 1, type 2, level 3; the case of letters varies
reference_images/I01.BMP
mos_with_names.txt              "5.51429 I01_01_1.bmp"
mos_std.txt                     one number per line, in the same order
"""

from __future__ import annotations

import re
from functools import partial

from dataloader.datasets.records import DataSet, Reading, Record
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import columns, number, same_length
from utils.text import quoted

NAME = re.compile(r"(i\d\d)_(\d\d)_(\d)\.bmp", re.IGNORECASE)
TYPES = (
    "additive Gaussian noise", "noise in colour components", "spatially correlated noise",
    "masked noise", "high-frequency noise", "impulse noise", "quantisation noise", "Gaussian blur",
    "denoising", "JPEG", "JPEG2000", "JPEG transmission errors", "JPEG2000 transmission errors",
    "non-eccentricity pattern", "local block-wise", "mean shift", "contrast change",
    "saturation change", "multiplicative Gaussian noise", "comfort noise",
    "lossy compression of noisy image", "colour quantisation with dither", "chromatic aberration",
    "sparse sampling",
)  # fmt: skip
# Mean MOS by level: 15 rises, and in 17 odd levels are lower contrast and even ones higher. In
# TID2013 14 has level 2 above 1 and 16 ties at 1 and 2. All other types fall strictly.
NO_SEVERITY_2008 = (15, 17)
NO_SEVERITY_2013 = (14, 15, 16, 17)


def read(tree: SourceTree, types: int, no_severity: tuple[int, ...]) -> Reading:
    images = tree.images("distorted_images")
    references = tree.images("reference_images", optional=True)
    rows = list(columns(tree.file("mos_with_names.txt"), 2))
    std: list[float | None] = [None] * len(rows)
    if file := tree.find("mos_std.txt"):
        std = [number(place, fields[0]) for place, fields in columns(file, 1)]
        same_length(file, len(std), len(rows), "one for each line of mos_with_names.txt")
    found = Reading((images, references))
    for (place, (mos, name)), deviation in zip(rows, std, strict=True):
        match = NAME.fullmatch(name)
        if match is None or not 1 <= int(match[2]) <= types:
            raise ValueError(f"{place}: {quoted(name)} is no name such as i01_02_3.bmp")
        path = images.find(name)
        if path is None:
            continue
        reference, kind = match[1].upper(), int(match[2])
        found.add_reference(references.find(f"{reference}.bmp"), reference)
        record = Record(
            path=path,
            mos=number(place, mos),
            std=deviation,
            reference_id=reference,
            distortion=f"{kind:02d} {TYPES[kind - 1]}",
            level=None if kind in no_severity else int(match[3]),
        )
        found.add(record)
    unordered = ", ".join(map(str, no_severity))
    found.notes.append(
        f"levels of types {unordered} are no severities: no order is taken from them"
    )
    return found


TID2013 = DataSet(
    "TID2013",
    "Ponomarenko et al., Signal Processing: Image Communication 2015",
    partial(read, types=24, no_severity=NO_SEVERITY_2013),
    scores="MOS as published, 0 to 9, higher is better",
    scale=(0, 9),
    rated=3000,
    split="by reference, drawn: 20 % test, 10 % val (the field: 80/20 by reference, 10 times)",
    std="mos_std.txt: by its size (about 0.13 on a range of 7) the standard error of a score, not "
    "the spread of the votes (not confirmed)",
    std_of_mean=True,
)
TID2008 = DataSet(
    "TID2008",
    "Ponomarenko et al., Advances of Modern Radioelectronics 2009",
    partial(read, types=17, no_severity=NO_SEVERITY_2008),
    scores=TID2013.scores,
    scale=(0, 9),
    rated=1700,
    split=TID2013.split,
    std=TID2013.std,
    std_of_mean=True,
)
