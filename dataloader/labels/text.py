"""Label files: text -> Labels, or every fault of the file at once.

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
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np

from dataloader.labels.advice import SAMPLE, advise, usual_kind
from dataloader.labels.bucket_lines import BucketReader
from dataloader.labels.faults import EXAMPLES, MOST_FAULTS, Fault, LabelError, unreadable
from dataloader.labels.labels import Labels
from dataloader.labels.lines import LineReader
from dataloader.labels.paths import IMAGES_ROOT_FILE, PathFinder, images_root
from dataloader.labels.quick import read_quickly
from utils.files.names import differing, hashes_of
from utils.files.reading import UnreadableFile, read_bytes


def read_labels(
    kind: str, file: Path, root: Path, num_classes: int | None = None, cwd: Path | None = None
) -> Labels:
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
    labels = read_quickly(kind, content, finder, num_classes)
    if labels is None:
        labels = _read_lines(kind, file, finder, num_classes, content)
    return replace(labels, file=file, notes=_notes(images, labels))


def likely_kind(file: Path, root: Path, cwd: Path | None = None) -> str:
    """The kind (of EXAMPLES) of labels that most of the first lines of a file are; "" where they
    are none, or there is no such file: `read_labels` says what is wrong with it.
    """
    try:
        images, content = images_root(root), read_bytes(file).removeprefix(codecs.BOM_UTF8)
    except (OSError, ValueError):
        return ""
    finder = PathFinder(file, root, cwd or Path.cwd(), images)
    lines = islice(_data_lines(content, LineReader("pairs", file, finder, None)), SAMPLE)
    return usual_kind([text for _, text in lines], finder)


def _read_lines(
    kind: str, file: Path, finder: PathFinder, num_classes: int | None, content: bytes
) -> Labels:
    reader = (BucketReader if kind == "buckets" else LineReader)(kind, file, finder, num_classes)
    for line, text in _data_lines(content, reader):
        reader.read(line, text)
    if not reader.faults:
        if labels := reader.labels():
            return labels
        reader.fault(1, 1, f"no labels in this file: give lines such as {EXAMPLES[kind]!r}")
    ordered = sorted(reader.faults, key=lambda fault: (fault.line, fault.column))
    again = _data_lines(content, LineReader(kind, file, finder, None))
    raise LabelError(advise(kind, ordered, again, finder))


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


def _notes(images: Path | None, labels: Labels) -> tuple[str, ...]:
    notes = []
    if images is not None:
        notes.append(f"images outside the data root: {images} ({IMAGES_ROOT_FILE})")
    if labels.votes is not None and (counted := np.count_nonzero(labels.votes)):
        notes.append(f"vote counts in {counted} lines were normalised")
    if labels.repeated:
        notes.append(f"{labels.repeated} lines repeat an earlier one and were kept")
    return tuple(notes)


def check_splits(splits: Mapping[str, Labels]) -> None:
    """LabelError when an image, links followed, is in two splits; names both files and lines."""
    tables = {name: labels.reals for name, labels in splits.items() if labels.reals}
    hashes = [np.sort(hashes_of(table.texts())) for table in tables.values()]
    if not hashes or differing(np.sort(np.concatenate(hashes))) == sum(map(differing, hashes)):
        return
    reals = {name: list(table.texts()) for name, table in tables.items()}
    owners: dict[str, tuple[str, Path, int]] = {}
    faults = []
    for split, labels in splits.items():
        first_lines = labels.first_lines().tolist()
        for path, real, line in zip(labels.sources, reals[split], first_lines, strict=True):
            owner, file, first = owners.setdefault(real, (split, labels.file, line))
            if owner != split:
                message = f"image of {split} that is in {owner} too ({file}:{first}): {str(path)!r}"
                faults.append(Fault(labels.file, line, 1, message))
    if faults:
        raise LabelError(faults)
