"""Label files: text -> records, or every fault of the file at once.

One line per label, fields apart by commas, UTF-8; blank lines are skipped, and lines that start
with `#`, but for those that start with the name of an image. The images of a line are looked for
beside the label file, then in the folder that images_root.txt of the data root names, if there is
one, then from the working directory, and must lie inside the data root or that folder.

    pairs           better.png,worse.png
    scores          photo.png,7.6                      a higher score is a better image
    distributions   photo.png,0.1,0.2,0.4,0.2,0.1      over the bins 1..K: probabilities or votes
    buckets         photo.png 5                        of mean scores; see bucket_lines.py

What lies inside is told by the text of a path alone, relative or absolute, once `..` is taken out:
a link below the data root may lead anywhere, for who could put it there could have put the image,
and --prepare puts such links there; `..` or an absolute path that leads out is refused. levels.csv
and std.csv name the same images by the same rule, and --check reads as the other modes do. A vote
file names files of one folder, never of another one, and links in it may lead anywhere, too. Only a
list to --predict has no root: its user names what is to be scored.

Lines are cut from the right, so a file name may hold commas and spaces.
"""

import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

from dataloader.labels.advice import advise
from dataloader.labels.lines import LineReader
from dataloader.labels.paths import IMAGES_ROOT_FILE, PathFinder, Resolver, images_root
from dataloader.labels.records import (
    EXAMPLES,
    MOST_FAULTS,
    BucketLabel,
    DistributionLabel,
    Fault,
    Label,
    LabelError,
    LabelFile,
    PairLabel,
    ScoreLabel,
    unreadable,
)
from dataloader.labels.table import LabelTable, read_quickly
from dataloader.sources import Source
from dataloader.targets.bucket_lines import BucketReader
from utils.files.reading import UnreadableFile, read_bytes

__all__ = [
    "BucketLabel",
    "DistributionLabel",
    "Fault",
    "Label",
    "LabelError",
    "LabelFile",
    "PairLabel",
    "ScoreLabel",
    "check_splits",
    "label_paths",
    "read_labels",
]


def read_labels(
    kind: str, file: Path, root: Path, num_classes: int | None = None, cwd: Path | None = None
) -> LabelFile:
    """Read a whole label file of a kind in EXAMPLES; paths in it become absolute.

    num_classes is the number of bins; None takes it from the first line of a distribution file.
    cwd is the second place where images are looked for, the current one by default.
    LabelError names every fault of the file. Labels that an earlier line gives too are kept.
    """
    if kind not in EXAMPLES:
        raise ValueError(f"label kind {kind!r}: give one of {', '.join(EXAMPLES)}")
    if num_classes is not None and num_classes < 2 and kind == "distributions":
        raise ValueError(f"num_classes {num_classes}: a histogram has at least 2 bins")
    try:
        images = images_root(root)
    except ValueError as error:
        raise LabelError([Fault(file, 0, 0, str(error))]) from None
    content, finder = _content(kind, file), PathFinder(file, root, cwd or Path.cwd(), images)
    table = read_quickly(kind, content, finder, num_classes)
    if table is not None:
        bins = table.values.shape[1] if table.values.ndim > 1 else None
        return LabelFile(file, kind, table, bins, _notes(images, table.vote_lines, 0))
    reader = (BucketReader if kind == "buckets" else LineReader)(kind, file, finder, num_classes)
    for line, text in _data_lines(content, reader):
        reader.read(line, text)
    if not reader.labels and not reader.faults:
        reader.fault(1, 1, f"no labels in this file: give lines such as {EXAMPLES[kind]!r}")
    if reader.faults:
        ordered = sorted(reader.faults, key=lambda fault: (fault.line, fault.column))
        again = _data_lines(content, LineReader(kind, file, finder, None))
        raise LabelError(advise(kind, ordered, again, finder))
    notes = _notes(images, reader.vote_lines, reader.repeated_lines)
    return LabelFile(file, kind, reader.labels, reader.num_classes, notes)


def _content(kind: str, file: Path) -> bytes:
    cure = f"give a text file with lines such as {EXAMPLES[kind]!r}"
    try:
        return read_bytes(file).removeprefix(codecs.BOM_UTF8)
    except FileNotFoundError:
        raise LabelError([Fault(file, 0, 0, f"no label file here{_instead(file, cure)}")]) from None
    except UnreadableFile as error:
        raise unreadable(file, error, cure) from None


def _instead(file: Path, cure: str) -> str:
    """What to do where a split has no label file: --data may name one of its splits, or nothing."""
    root = file.parent.parent
    if (root / file.name).is_file():
        name = root.resolve().name
        return f", but {root / file.name}: name the folder that holds {name}/"
    return f": {cure}" if root.is_dir() else f": there is no folder {root}: check the path"


def _data_lines(content: bytes, reader: LineReader) -> Iterator[tuple[int, str]]:
    """(line number, text) without line ends, blank lines and comments."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        reader.fault(1, 1, "UTF-16 text: save the file as UTF-8")
        return
    if b"\n" not in content and b"\r" in content.rstrip():
        reader.fault(
            1, 1, "line ends of old Macs (CR alone): save the file with those of Unix (LF)"
        )
        return
    for line, raw in enumerate(BytesIO(content), start=1):
        if len(reader.faults) >= MOST_FAULTS:
            reader.fault(line, 0, f"not read from here on: {len(reader.faults)} faults above")
            return
        try:
            text = raw.decode("utf-8").rstrip()
        except UnicodeDecodeError as error:
            column = len(raw[: error.start].decode("utf-8")) + 1
            byte = f"byte 0x{raw[error.start]:02x}"
            reader.fault(line, column, f"not UTF-8 text (save the file as UTF-8): {byte}")
            continue
        if text and not reader.is_comment(text):
            yield line, text


def _notes(images: Path | None, vote_lines: int, repeated_lines: int) -> tuple[str, ...]:
    notes = []
    if images is not None:
        notes.append(f"images outside the data root: {images} ({IMAGES_ROOT_FILE})")
    if vote_lines:
        notes.append(f"vote counts in {vote_lines} lines were normalised")
    if repeated_lines:
        notes.append(f"{repeated_lines} lines repeat an earlier one and were kept")
    return tuple(notes)


def label_paths(labels: Iterable[Label]) -> Sequence[Source]:
    """Distinct images in order of first appearance."""
    return labels.paths if isinstance(labels, LabelTable) else list(_first_lines(labels))


def _first_lines(labels: Iterable[Label]) -> dict[Source, int]:
    lines: dict[Source, int] = {}
    for label in labels:
        if isinstance(label, PairLabel):
            lines.setdefault(label.better, label.line)
            lines.setdefault(label.worse, label.line)
        else:
            lines.setdefault(label.path, label.line)
    return lines


def check_splits(splits: Mapping[str, LabelFile]) -> None:
    """LabelError when an image, links followed, is in two splits; names both files and lines."""
    if _clearly_disjoint([file.labels for file in splits.values()]):
        return
    resolve = Resolver()
    owners: dict[str, tuple[str, Path, int]] = {}
    faults = []
    for split, labels in splits.items():
        for path, line in _first_lines(labels.labels).items():
            owner, file, first = owners.setdefault(resolve(str(path)), (split, labels.file, line))
            if owner != split:
                message = f"image of {split} that is in {owner} too ({file}:{first}): {str(path)!r}"
                faults.append(Fault(labels.file, line, 1, message))
    if faults:
        raise LabelError(faults)


def _clearly_disjoint(splits: Sequence[Sequence[Label]]) -> bool:
    """Whether no image is in two splits, where their real paths are known already."""
    seen: set[str] = set()
    count = 0
    for labels in splits:
        if not isinstance(labels, LabelTable):
            return False
        seen.update(labels.reals.texts())
        count += len(labels)
    return len(seen) == count
