"""TID2013, TID2008 and KADID-10k: references with numbered distortions in 4 or 5 levels. An image's
name says all three: i01_02_3.bmp is reference 1, type 2, level 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

from dataloader.datasets.records import DataSet, Reading
from dataloader.datasets.source_tree import Images, SourceTree
from dataloader.datasets.tables import columns, csv_rows, number, same_length
from utils.text import quoted

TID_TYPES = (
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
KADID_TYPES = (
    "Gaussian blur", "lens blur", "motion blur", "colour diffusion", "colour shift",
    "colour quantisation", "saturation (HSV)", "saturation (Lab)", "JPEG2000", "JPEG",
    "white noise", "white noise in colour component", "impulse noise", "multiplicative noise",
    "denoise", "brighten", "darken", "mean shift", "jitter", "non-eccentricity patch", "pixelate",
    "quantisation", "colour block", "sharpen", "contrast change",
)  # fmt: skip
# Mean scores by level: 18 is best at level 3, 25 at level 3 as well, and 5 ties at levels 4 and 5.
KADID_NO_SEVERITY = (5, 18, 25)


# place of the row, name of the version, of its reference's file, score, standard deviation
Row = tuple[str, str, str, str, str | float | None]


@dataclass(frozen=True)
class Naming:
    """How names are written: the pattern of (reference, type, level), and an example for people;
    what the types are called; those whose level is no severity.
    """

    pattern: str
    example: str
    types: tuple[str, ...]
    no_severity: tuple[int, ...]


def _read_rows(rows: Iterable[Row], naming: Naming, images: Images, references: Images) -> Reading:
    found = Reading((images,) if references is images else (images, references))
    for place, name, head, mos, std in rows:
        match = re.fullmatch(naming.pattern, name, re.IGNORECASE)
        kind = int(match[2]) if match else 0
        if match is None or not 1 <= kind <= len(naming.types):
            raise ValueError(f"{place}: {quoted(name)} is no name such as {naming.example}")
        if path := images.find(name):
            reference = PurePosixPath(head).stem.upper()
            found.add_reference(references.find(head), reference)
            found.add(
                path,
                mos=number(place, mos),
                std=None if std is None else number(place, std),
                reference_id=reference,
                distortion=f"{kind:02d} {naming.types[kind - 1]}",
                level=None if kind in naming.no_severity else int(match[3]),
            )
    return found


def read_tid(tree: SourceTree, naming: Naming) -> Reading:
    """25 references, 24 or 17 distortions, 5 or 4 levels.

    distorted_images/i01_02_3.bmp   the case of letters varies
    reference_images/I01.BMP
    mos_with_names.txt              "5.51429 I01_01_1.bmp"
    mos_std.txt                     one number per line, in the same order
    """
    images = tree.images("distorted_images")
    references = tree.images("reference_images", optional=True)
    rows = list(columns(tree.file("mos_with_names.txt"), 2))
    std: list[float | None] = [None] * len(rows)
    if file := tree.find("mos_std.txt"):
        std = [number(place, fields[0]) for place, fields in columns(file, 1)]
        same_length(file, len(std), len(rows), "one for each line of mos_with_names.txt")
    listed = (
        (place, name, f"{name[:3].upper()}.bmp", mos, deviation)
        for (place, (mos, name)), deviation in zip(rows, std, strict=True)
    )
    found = _read_rows(listed, naming, images, references)
    unordered = ", ".join(map(str, naming.no_severity))
    found.notes.append(
        f"levels of types {unordered} are no severities: no order is taken from them"
    )
    return found


def read_kadid10k(tree: SourceTree) -> Reading:
    """81 references, 25 distortions, 5 levels.

    images/I01.png  images/I01_01_01.png
    dmos.csv    dist_img,ref_img,dmos,var
    """
    images = tree.images("images")
    rows = csv_rows(tree.file("dmos.csv"), "dist_img", "ref_img", "dmos")
    listed = ((p, r["dist_img"], r["ref_img"], r["dmos"], r.get("var") or None) for p, r in rows)
    found = _read_rows(listed, KADID_NAMING, images, images)
    found.notes += [
        "the column dmos is quality, not a difference: it is taken as it stands",
        "the column var behaves like a standard deviation and is taken as one",
        "levels of types 5, 18 and 25 are no severities: no order is taken from them",
    ]
    return found


TID_PATTERN = r"(i\d\d)_(\d\d)_(\d)\.bmp", "i01_02_3.bmp"
KADID_NAMING = Naming(
    r"(i\d\d)_(\d\d)_(\d\d)\.png", "I01_01_01.png", KADID_TYPES, KADID_NO_SEVERITY
)
TID2013 = DataSet(
    "TID2013", "Ponomarenko et al., Signal Processing: Image Communication 2015",
    partial(read_tid, naming=Naming(*TID_PATTERN, TID_TYPES, NO_SEVERITY_2013)),
    scores="MOS as published, 0 to 9, higher is better",
    scale=(0, 9), rated=3000,
    split="by reference, drawn: 20 % test, 10 % val (the field: 80/20 by reference, 10 times)",
    std="mos_std.txt: by its size (about 0.13 on a range of 7) the standard error of a score, not "
    "the spread of the votes (not confirmed)",
    std_of_mean=True,
)  # fmt: skip
TID2008 = replace(
    TID2013,
    title="TID2008",
    paper="Ponomarenko et al., Advances of Modern Radioelectronics 2009",
    read=partial(read_tid, naming=Naming(*TID_PATTERN, TID_TYPES[:17], NO_SEVERITY_2008)),
    rated=1700,
)
KADID10K = DataSet(
    "KADID-10k", "Lin et al., QoMEX 2019", read_kadid10k,
    scores="column dmos as it stands, 1 to 5, higher is better",
    scale=(1, 5), rated=10125,
    split="by reference, drawn: 20 % test, 10 % val (the field: 65/16 references, 10 times)",
    std="column var, taken as the standard deviation of the votes",
)  # fmt: skip
