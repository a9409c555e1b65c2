"""CSIQ: 30 references, 6 distortions, 866 images.

    src_imgs/1600.png   dst_imgs/TYPE/1600.AWGN.1.png (or flat in dst_imgs_all/)
    csiq.DMOS.xlsx      sheet all_by_image: image, dst_idx, dst_type, dst_lev, dmos_std, dmos
    csiq.beta.txt       the same columns, apart by tabs: image, index, type, level, std, dmos
    csiq_label.txt      "1600.AWGN.1.png 0.061989"

The first of the three label files that is there counts. The types' words differ from file names'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dataloader.datasets.records import DataSet, Reading
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import columns, lines, number, sheet_rows
from utils.text import quoted

# Words of the sheet and of file names -> what file names have, and what the distortion is called.
FILE_WORDS = {
    "noise": "AWGN", "awgn": "AWGN", "jpeg": "JPEG", "jpeg 2000": "jpeg2000",
    "jpeg2000": "jpeg2000", "fnoise": "fnoise", "blur": "BLUR", "contrast": "contrast",
}  # fmt: skip
NAMES = {
    "AWGN": "white noise", "JPEG": "JPEG", "jpeg2000": "JPEG2000", "fnoise": "pink noise",
    "BLUR": "Gaussian blur", "contrast": "contrast decrements",
}  # fmt: skip
FILE = re.compile(r"(.+)\.([^.]+)\.(\d+)\.png", re.IGNORECASE)
# place of the row, reference, word of the type, level, dmos, standard deviation
Row = tuple[str, str, str, str, str, str | None]


def read(tree: SourceTree) -> Reading:
    """The records of the distorted images and of their references."""
    images = tree.images("dst_imgs", "dst_imgs_all")
    references = tree.images("src_imgs", optional=True)
    found = Reading((images, references))
    for place, reference, word, level, dmos, std in _rows(tree, found):
        if word.casefold() not in FILE_WORDS:
            raise ValueError(f"{place}: unknown distortion {quoted(word)}")
        in_file = FILE_WORDS[word.casefold()]
        strength = int(number(place, level))
        if path := images.find(f"{reference}.{in_file}.{strength}.png"):
            found.add_reference(references.find(f"{reference}.png"), reference)
            found.add(
                path,
                mos=1 - number(place, dmos),
                std=None if std is None else number(place, std),
                reference_id=reference,
                distortion=NAMES[in_file],
                level=strength,
            )
    return found


def _rows(tree: SourceTree, found: Reading) -> Iterator[Row]:
    if file := tree.find("csiq.DMOS.xlsx"):
        needed = ("image", "dst_type", "dst_lev", "dmos_std", "dmos")
        for place, row in sheet_rows(file, "all_by_image", *needed):
            image, word, level, std, dmos = (row.get(name, "") for name in needed)
            yield place, image, word, level, dmos, std
    elif file := tree.find("csiq.beta.txt"):
        for line, text in lines(file):
            fields = [field.strip() for field in text.split("\t")]
            if len(fields) != 6:
                raise ValueError(f"{file}:{line}: 6 columns apart by tabs expected: {quoted(text)}")
            if fields[0].casefold() != "image":
                image, _, word, level, std, dmos = fields
                yield f"{file}:{line}", image, word, level, dmos, std
    else:
        found.notes.append("csiq_label.txt has no standard deviations")
        for place, (name, dmos) in columns(tree.file("csiq_label.txt", "csiq.DMOS.xlsx"), 2):
            match = FILE.fullmatch(name)
            if match is None:
                raise ValueError(f"{place}: {quoted(name)} is no name such as 1600.AWGN.1.png")
            yield place, match[1], match[2], match[3], dmos, None


CSIQ = DataSet(
    "CSIQ", "Larson and Chandler, Journal of Electronic Imaging 2010", read,
    scores="MOS = 1 - DMOS",
    scale=(0, 1), rated=866,
    split="by reference, drawn: 20 % test, 10 % val (the field: 24/6 references, 10 times)",
    std="dmos_std, as published",
)  # fmt: skip
