"""LIVE release 2: 29 references, 5 distortions, 779 rated images and 203 copies of references.

refimgs/NAME.bmp  jp2k/img1..227.bmp  jpeg/img1..233.bmp  wn, gblur, fastfading/img1..174.bmp
TYPE/info.txt           "REFERENCE.bmp imgN.bmp VALUE"; VALUE: parameter of the distortion
dmos_realigned.mat      dmos_new, dmos_std, orgs (1 x 982), in the order of the folders above
dmos.mat                dmos, orgs
refnames_all.mat        refnames_all, 982 file names
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath

from dataloader.datasets.records import DataSet, Reading
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import columns, mat_numbers, mat_texts, number, same_length

# Images of each folder. The parameter in info.txt is a bit rate, a bit rate, the noise's strength,
# the blur's width and the receiver's signal-to-noise ratio: whether more of it is worse.
FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
MORE_IS_WORSE = frozenset(("wn", "gblur"))
COPY = "undistorted copy of a reference (orgs = 1)"


def read(tree: SourceTree) -> Reading:
    """The records of all five folders, each with the level that its parameter gives."""
    folders = [tree.images(name) for name in FOLDERS]
    references = tree.images("refimgs", optional=True)
    found = Reading((*folders, references))
    mos, std, copies = _scores(tree, found)
    names = mat_texts(file := tree.file("refnames_all.mat"), "refnames_all")
    same_length(file, len(names), len(mos), "one for each image")
    start = 0
    for (kind, count), images in zip(FOLDERS.items(), folders, strict=True):
        places: dict[str, int] = {}  # path -> its place in the lists
        for i in range(start, start + count):
            image = f"img{i - start + 1}.bmp"
            if copies[i]:
                found.dropped[COPY] += 1
                images.pass_over(image)
            elif path := images.find(image):
                places[path] = i
        owners = {path: PurePosixPath(names[i]).stem for path, i in places.items()}
        levels = _levels(tree, kind, owners)
        if len(levels) < len(owners):
            found.notes.append(
                f"{kind}: no level for {len(owners) - len(levels)} images: info.txt is missing, or "
                "names another reference than refnames_all.mat"
            )
        for owner in owners.values():
            found.add_reference(references.find(f"{owner}.bmp"), owner)
        for path, i in places.items():
            found.add(
                path,
                mos=mos[i],
                std=std[i],
                reference_id=owners[path],
                distortion=kind,
                level=levels.get(path),
            )
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


def _levels(tree: SourceTree, kind: str, owners: dict[str, str]) -> dict[str, int]:
    """Level of each image whose parameter is known: 1, 2, ... in the order of the parameters of one
    reference. owners: path -> reference; an info.txt that names another one is not believed.
    """
    infos = [path for path in tree.every("info.txt") if _folder(path) == kind]
    rows = columns(tree.root / infos[0], 3) if infos else ()
    listed = {
        name.casefold(): (PurePosixPath(reference).stem.casefold(), number(place, value))
        for place, (reference, name, value) in rows
    }
    values: dict[str, float] = {}
    ladders: dict[str, set[float]] = defaultdict(set)
    for path, owner in owners.items():
        reference, value = listed.get(PurePosixPath(path).name.casefold(), ("", 0.0))
        if reference == owner.casefold():
            values[path] = value if kind in MORE_IS_WORSE else -value
            ladders[owner].add(values[path])
    return {path: 1 + sorted(ladders[owners[path]]).index(v) for path, v in values.items()}


def _folder(path: str) -> str:
    return PurePosixPath(path).parent.name.casefold()


LIVE = DataSet(
    "LIVE release 2", "Sheikh et al., IEEE Transactions on Image Processing 2006", read,
    scores="MOS = 100 - DMOS; the dmos_new of dmos_realigned.mat where that file is there",
    scale=(-20, 110), rated=779,
    split="by reference, drawn: 20 % test, 10 % val (the field: 23/6 references, 10 times)",
    std="dmos_std of dmos_realigned.mat: by its size (median 2.5 on a range of 110) the standard "
    "error of a score, not the spread of the votes (not confirmed)",
    std_of_mean=True,
)  # fmt: skip
