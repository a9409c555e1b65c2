"""--predict --maps DIR: picture and table of each image's quality map, in a folder apart.

A picture carries the digest of all that its map depends on, and is written before its table: so a
call that was killed can be repeated, and finds what it has made.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from applications.evaluation.quality_maps import map_csv, overlay, quality_map
from applications.evaluation.scoring import Scorer
from applications.inputs.named_images import named_folders
from applications.inputs.runtime import Runtime
from utils.files.checkpoint import digest
from utils.files.tar_files import is_file, open_file
from utils.files.writing import write_atomic, write_text
from utils.imaging.view_rule import ViewRule
from utils.runtime.progress import CountBar
from utils.text import printable

SUFFIXES = (".png", ".csv")
KEY, FORMAT = "quality_map", 1  # of the digest in a picture; to be raised when maps change
_LONGEST = 230  # bytes of a name, which may have 255 with "_map.png" and a number behind it


def plan_maps(maps: str | None, words: Sequence[str], paths: Sequence[Path]) -> list[Path]:
    """DIR/NAME_map of each image, without a suffix; [] without --maps.

    ValueError before anything is computed: DIR lies where the images are, or holds such a file that
    is no map of ours.
    """
    if maps is None:
        return []
    folder = Path(maps)
    _check_apart(folder, words, paths)
    targets = [folder / f"{name}_map" for name in distinct_names(paths)]
    for target in targets:
        picture, table = _files(target)
        if os.path.lexists(picture):
            _refuse(folder, picture, _stored_key(picture) is None)
        else:
            _refuse(folder, table, os.path.lexists(table))
    return targets


def made_before(
    scorer: Scorer, way: str, paths: Sequence[Path], targets: Sequence[Path]
) -> set[Path]:
    """The targets that an earlier call has written whole, from the same weights, view, way and
    image; ValueError, before anything is scored, for those of others, which are not overwritten.
    """
    there = [(p, t) for p, t in zip(paths, targets, strict=bool(targets)) if _files(t)[0].exists()]
    weights, made = digest(scorer.model.state_dict()) if there else "", set()
    for path, target in there:
        picture, table = _files(target)
        same = _stored_key(picture) == _key(weights, scorer.view, way, path)
        _refuse(target.parent, picture, not same)
        if table.exists():
            made.add(target)
    return made


def _refuse(folder: Path, file: Path, wrong: bool) -> None:
    if wrong:
        raise ValueError(
            f"--maps {printable(folder)}: {printable(file)} is there already: name another folder, "
            "or remove it"
        )


def _key(weights: str, rule: ViewRule, way: str, image: Path) -> str:
    content = ""
    if is_file(image):
        with open_file(image) as file:
            content = hashlib.sha256(file.read()).hexdigest()
    parts = [FORMAT, weights, rule.to_dict(), way, content]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _stored_key(picture: Path) -> str | None:
    """What `write_maps` wrote into the picture; None where another program made it."""
    if not picture.is_file():
        return None
    try:
        with Image.open(picture, formats=("PNG",)) as image:
            return image.info.get(KEY)
    except (OSError, SyntaxError, ValueError):  # no PNG, or a damaged one
        return None


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """The name of each file without its suffix; the second "a" is "a_2", and so on. Names that
    differ in case alone are one: some file systems take them for the same. A very long one is cut,
    and ends with a digest of the whole.
    """
    taken: set[str] = set()
    names = []
    for path in paths:
        name, number = _fitting(path.stem), 1
        stem = name
        while name.lower() in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name.lower())
        names.append(name)
    return names


def _fitting(stem: str) -> str:
    raw = os.fsencode(stem)
    if len(raw) <= _LONGEST:
        return stem
    mark = hashlib.sha256(raw).hexdigest()[:16]
    return f"{raw[: _LONGEST - 17].decode(errors='ignore')}-{mark}"


def write_maps(
    scorer: Scorer,
    way: str,
    paths: Sequence[Path],
    targets: Sequence[Path],
    runtime: Runtime,
    made: Collection[Path] = (),
) -> None:
    """NAME_map.png and NAME_map.csv of each image, but those of `made`; does nothing where no
    targets are planned.
    """
    if made:
        runtime.info(f"maps: {len(made)} of {len(targets)} are there from an earlier call")
    todo = [(p, t) for p, t in zip(paths, targets, strict=bool(targets)) if t not in made]
    if not todo:
        return
    weights = digest(scorer.model.state_dict())
    bar = CountBar("maps")
    for done, (path, target) in enumerate(todo, 1):
        found = quality_map(scorer, path, way)
        picture, table = _files(target)
        info = PngInfo()
        info.add_text(KEY, _key(weights, scorer.view, way, path))
        drawn = partial(overlay(found).save, format="PNG", pnginfo=info)
        write_atomic(picture, drawn)
        write_text(table, map_csv(found))
        bar.update(done, len(todo))
    bar.finish()


def _files(target: Path) -> list[Path]:
    return [target.with_name(target.name + suffix) for suffix in SUFFIXES]


def _check_apart(folder: Path, words: Sequence[str], paths: Sequence[Path]) -> None:
    """A folder of images is never written to: neither one that was named, nor one that holds an
    image, nor any below them. An image right in the working directory forbids only that itself.
    """
    place, here = folder.resolve(), Path.cwd().resolve()
    named = {path.resolve() for path in named_folders(words)}
    holding = {parent for p in paths for parent in (p.parent.resolve(), p.resolve().parent)}
    for home in sorted(named | holding):
        below = place.is_relative_to(home) and (home in named or home != here)
        if place == home or below:
            raise ValueError(
                f"--maps {printable(folder)}: lies in {printable(home)}, a folder of images, which "
                "is never written to: name a folder elsewhere"
            )
