"""LIVE release 2: 29 references, 5 distortions, 779 rated images and 203 copies of references.

refimgs/NAME.bmp  jp2k/img1..227.bmp  jpeg/img1..233.bmp  wn, gblur, fastfading/img1..174.bmp
TYPE/info.txt           "REFERENCE.bmp imgN.bmp VALUE"; VALUE: parameter of the distortion
dmos_realigned.mat      dmos_new, dmos_std, orgs (1 x 982), in the order of the folders above
dmos.mat                dmos, orgs
refnames_all.mat        refnames_all, 982 file names
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from dataloader.datasets.records import DataSet, Reading, Record
from dataloader.datasets.source_tree import Images, SourceTree
from dataloader.datasets.tables import columns, mat_numbers, mat_texts, number, same_length

FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
# The parameter is a bit rate, a bit rate, the noise's strength, the blur's width and the
# receiver's signal-to-noise ratio: whether more of it is worse.
MORE_IS_WORSE = {"jp2k": False, "jpeg": False, "wn": True, "gblur": True, "fastfading": False}
COPY = "undistorted copy of a reference (orgs = 1)"


def read(tree: SourceTree) -> Reading:
    folders = [tree.images(name) for name in FOLDERS]
    references = tree.images("refimgs", optional=True)
    found = Reading((*folders, references))
    mos, std, copies = _scores(tree, found)
    names = mat_texts(file := tree.file("refnames_all.mat"), "refnames_all")
    same_length(file, len(names), len(mos), "one for each image")
    start = 0
    for (kind, count), images in zip(FOLDERS.items(), folders, strict=True):
        rated = []
        for i in range(start, start + count):
            image = f"img{i - start + 1}.bmp"
            if copies[i]:
                found.dropped[COPY] += 1
                images.pass_over(image)
            elif path := images.find(image):
                reference = PurePosixPath(names[i]).stem
                found.add_reference(references.find(f"{reference}.bmp"), reference)
                rated.append(
                    Record(
                        path=path, mos=mos[i], std=std[i], reference_id=reference, distortion=kind
                    )
                )
        for record in _levels(kind, rated, _parameters(tree, images, kind), found):
            found.add(record)
        start += count
    return found


def _scores(
    tree: SourceTree, found: Reading
) -> tuple[list[float], list[float | None], list[float]]:
    """(MOS, standard deviations, 1 for copies) of all 982."""
    file, variable = tree.find("dmos_realigned.mat"), "dmos_new"
    if file is None:
        file, variable = tree.file("dmos.mat"), "dmos"
    dmos = mat_numbers(file, variable)
    std: list[float | None] = [None] * len(dmos)
    if variable == "dmos_new":
        std = mat_numbers(file, "dmos_std").tolist()
    copies = mat_numbers(file, "orgs").tolist()
    for values in (dmos, std, copies):
        same_length(file, len(values), sum(FOLDERS.values()), "all images in one fixed order")
    found.notes.append(f"scores: {variable} of {file.name}; papers mix dmos and dmos_new")
    found.notes.append(
        "levels: ranks of the parameter in info.txt within a reference and distortion, so that two "
        "references cannot be compared by them"
    )
    return (100 - dmos).tolist(), std, copies


def _parameters(tree: SourceTree, images: Images, kind: str) -> dict[str, tuple[str, float]]:
    """Name of an image -> (its reference, its parameter), from info.txt beside the images."""
    for path in tree.every("info.txt"):
        if PurePosixPath(path).parent.name.casefold() == kind:
            rows = columns(Path(tree.root, path), 3)
            return {n.casefold(): (ref, number(place, value)) for place, (ref, n, value) in rows}
    return {}


def _levels(
    kind: str, rated: list[Record], info: dict[str, tuple[str, float]], found: Reading
) -> list[Record]:
    """The records with levels 1, 2, ... where info.txt has their parameters."""
    known = {}
    for record in rated:
        reference, value = info.get(PurePosixPath(record.path).name.casefold(), ("", 0.0))
        if PurePosixPath(reference).stem.casefold() == record.reference_id.casefold():
            known[record.path] = value if MORE_IS_WORSE[kind] else -value
    if len(known) < len(rated):
        found.notes.append(
            f"{kind}: no level for {len(rated) - len(known)} images: info.txt is missing, or names "
            "another reference than refnames_all.mat"
        )
    return [_graded(record, rated, known) if record.path in known else record for record in rated]


def _graded(record: Record, rated: list[Record], known: dict[str, float]) -> Record:
    same = {
        known[r.path] for r in rated if r.path in known and r.reference_id == record.reference_id
    }
    return replace(record, level=1 + sorted(same).index(known[record.path]))


LIVE = DataSet(
    "LIVE release 2",
    "Sheikh et al., IEEE Transactions on Image Processing 2006",
    read,
    scores="MOS = 100 - DMOS; the dmos_new of dmos_realigned.mat where that file is there",
    scale=(-20, 110),
    rated=779,
    split="by reference, drawn: 20 % test, 10 % val (the field: 23/6 references, 10 times)",
    std="dmos_std of dmos_realigned.mat: by its size (median 2.5 on a range of 110) the standard "
    "error of a score, not the spread of the votes (not confirmed)",
    std_of_mean=True,
)
