"""--predict --maps DIR: picture and table of each image's quality map, in a folder apart."""

from __future__ import annotations

import glob
import sys
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from applications.quality_maps import map_csv, overlay, quality_map
from applications.runtime import Runtime
from applications.scoring import ScoringOptions
from applications.views import network_size
from config import Config
from models.grad_cam import last_feature_map
from models.quality_net import QualityNet
from utils.count_bar import CountBar
from utils.files import write_atomic, write_text

SUFFIXES = (".png", ".csv")


def plan_maps(config: Config, paths: Sequence[Path]) -> list[Path]:
    """DIR/NAME_map of each image, without a suffix; [] without --maps.

    ValueError before anything is computed: DIR lies where the images are, or holds such a file.
    """
    if config.maps is None:
        return []
    folder = Path(config.maps)
    _check_apart(folder, config.predict, paths)
    targets = [folder / f"{name}_map" for name in distinct_names(paths)]
    for target in targets:
        for file in _files(target):
            if file.exists():
                raise ValueError(
                    f"--maps {folder}: {file} is there already: name another folder, or remove it"
                )
    return targets


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """The name of each file without its suffix; the second "a" is "a_2", and so on. Names that
    differ in case alone are one: some file systems take them for the same.
    """
    taken: set[str] = set()
    names = []
    for path in paths:
        name, number = path.stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{path.stem}_{number}"
        taken.add(name.lower())
        names.append(name)
    return names


def check_way(config: Config, model: QualityNet) -> None:
    """ValueError, before any image is read, where the backbone has nothing for --map_way."""
    if config.maps is not None and config.map_way == "gradcam":
        last_feature_map(model, network_size(config))


def write_maps(
    config: Config,
    model: nn.Module,
    paths: Sequence[Path],
    targets: Sequence[Path],
    options: ScoringOptions,
    runtime: Runtime,
) -> None:
    """NAME_map.png and NAME_map.csv of each image; does nothing where no targets are planned."""
    if not targets:
        return
    bar = CountBar("maps", sys.stderr)
    for done, (path, target) in enumerate(zip(paths, targets, strict=True), 1):
        found = quality_map(model, path, options.rule, options, runtime.device, config.map_way)
        picture, table = _files(target)
        write_atomic(picture, lambda file, f=found: overlay(f).save(file, format="PNG"))
        write_text(table, map_csv(found))
        bar.update(done, len(targets))
    bar.finish()


def _files(target: Path) -> list[Path]:
    return [target.with_name(target.name + suffix) for suffix in SUFFIXES]


def named_folders(words: Sequence[str]) -> list[Path]:
    """Folders among the words of --predict and what they match."""
    meant = (Path(match) for word in words for match in (word, *glob.glob(word, recursive=True)))
    return [path for path in meant if path.is_dir()]


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
                f"--maps {folder}: lies in {home}, a folder of images, which is never written to: "
                "name a folder elsewhere"
            )
