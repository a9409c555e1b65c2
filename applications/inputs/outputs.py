"""What a call writes and what it reads, compared before any work is done: an output is tried first,
and is never one of the inputs, nor among them.

Needs no torch, for applications/combinations.py asks before anything is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from config import Config, UsageError
from dataloader.labels.paths import images_root
from utils.files.writing import check_apart, check_output
from utils.text import csv_path

# What -o writes, the file itself first; the other modes write no file of that kind.
OUTPUT_SUFFIXES = {
    "predict": (".csv", ".jsonl", ".json", ".parquet"),
    "evaluate": (".csv", ".html"),
    "test": (".csv", ".json", ".html"),
    "jit": (".pt",),
    "export": (".json", ".csv"),
    "make_buckets": (".txt", ".csv"),
    "import_keras": (".pth",),
    "check": (".json", ".html"),
    "compare": (".html", ".json"),
}


def check_outputs(c: Config) -> None:
    """UsageError (one line) for an output that cannot be written, or that is, or lies in, an input
    of the call. Images of lists and patterns are compared when they are known (predict.py).
    """
    files, folders = inputs(c)
    try:
        for path in written(c):
            check_apart(path, files, folders)
            check_output(path)
    except ValueError as error:
        raise UsageError(f"--output {error}") from None
    for name in _folders_written(c):
        try:
            check_output(Path(getattr(c, name)), folder=True)
        except ValueError as error:
            raise UsageError(f"--{name} {error}") from None


def written(c: Config) -> Iterator[Path]:
    """The files that -o stands for, those beside it included."""
    if c.output is None or to_stdout(c):
        return
    given, mode = Path(c.output), c.mode()
    yield given
    beside = {
        "evaluate": (".csv",) if c.no_report else (".csv", ".html"),
        "test": (
            ".csv" if given.suffix == ".csv" else ".json",
            *(() if c.no_report else (".html",)),
        ),
        "jit": (".json",),
        "check": (".json", ".html"),
        "compare": (".json",),
    }
    if mode == "predict":
        yield from (given.with_name(given.name + end) for end in (".part", ".run.json"))
    yield from (given.with_suffix(s) for s in beside.get(mode, ()) if s != given.suffix)
    if mode == "evaluate":
        for more in ("_ladders.csv", "_ladders.png", "_histograms.csv", "_histograms.png"):
            yield given.with_name(given.stem + more)


def to_stdout(c: Config) -> bool:
    """Whether -o - has the rows of --predict on stdout."""
    return bool(c.predict) and c.output == "-"


def _folders_written(c: Config) -> Iterator[str]:
    """Flags of the folders that the call writes files into, or makes."""
    mode = c.mode()
    if mode == "train":
        yield from ("logdir", "checkpoints")
        yield from (["cache_features"] if c.cache_features is not None else [])
    if mode == "export" or (mode in ("jit", "import_keras") and c.output is None):
        yield "checkpoints"
    if mode == "continue_run" and "checkpoints" in c.given:
        yield "checkpoints"
    named = ("cache", "maps", "figures")
    yield from (name for name in named if getattr(c, name) is not None)


def folders_apart(c: Config) -> Iterator[tuple[bool, str]]:
    """Rules: nothing is written into the folders that labels and images come from."""
    if c.mode() not in ("train", "continue_run", "jit", "export"):
        return
    for flag in _folders_written(c):
        folder = Path(getattr(c, flag))
        for name, read in _folders_read(c):
            yield (
                folder.resolve().is_relative_to(read.resolve()),
                f"--{flag} {folder} lies in {name} {read}, which is never written to: name a "
                "folder elsewhere",
            )


def _folders_read(c: Config) -> Iterator[tuple[str, Path]]:
    """What a training reads, or an export compares its answers on."""
    if c.photos:
        yield "--photos", Path(c.photos)
    if c.distort:
        return
    if c.images:
        yield "--images", Path(c.images)
    if not c.labels:
        yield "--data", Path(c.data)
        name, beside = "the folder of images_root.txt,", None
        with suppress(ValueError):  # whoever reads the labels says what is wrong with it
            beside = images_root(Path(c.data))
    else:
        name, beside = "the folder of --labels,", Path(c.labels).parent
    # A folder that the program is started in, or below, is more than data.
    if beside and not Path.cwd().is_relative_to(beside.resolve()):
        yield name, beside


def inputs(c: Config) -> tuple[list[Path], list[Path]]:
    """(files, folders) that the call reads, as far as its flags name them.

    --make_buckets may write beside its label file, because --label_name finds the result there: it
    reads no folder but --images, and never replaces a file.
    """
    mode = c.mode()
    words = [*c.predict, *c.compare, *c.test, c.resume, c.config, c.labels, c.test_list, c.check]
    words += [c.make_buckets, c.import_keras, c.images, c.photos, c.source]
    labelled = mode in ("evaluate", "jit", "export") or (mode == "check" and not c.check)
    if labelled and not c.photos and not c.labels:
        words.append(c.data)
    named = [Path(word) for word in words if word]
    folders = [path for path in named if os.path.isdir(path)]
    return [path for path in named if path not in folders], folders


def file_arch(arch: str) -> str:
    """The backbone's name as files carry it: as spelled, without separators."""
    return arch.replace("/", "_").replace(":", "_")


def cell_of(c: Config) -> Callable[[object], str]:
    """The cell of a csv that names an image: as the call names its folder. Labels are read as
    absolute paths, which say where somebody's files lie: what is written for others has them only
    where --data, or images_root.txt, is absolute.
    """
    given = [root for root in (c.data, c.images, ".") if root and not os.path.isabs(root)]
    roots = [] if os.path.isabs(c.data) else [(Path(r), Path(os.path.abspath(r))) for r in given]

    def cell(image: object) -> str:
        if isinstance(image, Path) and image.is_absolute():
            for root, whole in roots:
                if image.is_relative_to(whole):
                    image = root / image.relative_to(whole)
                    break
        return csv_path(image.as_posix() if isinstance(image, Path) else str(image))

    return cell
