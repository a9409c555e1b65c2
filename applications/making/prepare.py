"""`--prepare NAME --source DIR --data OUT`: label files for a published data set as downloaded.

    OUT/card.json, card.md      what there is, where from, what was left out; SHA-256 of the labels
    OUT/images_root.txt         the source's folder, to which paths are relative; images stay there
    OUT/SPLIT/label.txt         scores, higher is better; pairs where the set rates nothing
    OUT/SPLIT/label_rank.txt    pairs of ladders, label_emd.txt histograms, where there are such
    OUT/SPLIT/levels.csv        path,reference_id,distortion,level, where references are known
    OUT/SPLIT/std.csv           path,std,votes or path,standard_error, where these are known

OUT is made whole or not at all, and nothing is written to the source.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from applications.inputs.runtime import Runtime
from applications.reports.data_card import data_card, markdown, summary
from config import Config
from dataloader.datasets.dividing import divide
from dataloader.datasets.label_text import files_of, fits
from dataloader.datasets.ladders import agreement, without_levels
from dataloader.datasets.records import Reading, Record
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.table import DATA_SETS, data_set_name
from dataloader.labels.paths import CARD_FILE, IMAGES_ROOT_FILE
from utils.files.writing import write_json, write_text
from utils.text import visible

LINKS = "images"  # folder of symbolic links inside a split


def run(config: Config, runtime: Runtime) -> int:
    """Write the labels to --data and print what they hold, and what is missing; 0."""
    name, out = data_set_name(config.prepare or ""), Path(config.data)
    source = Path(config.source or "")
    _refuse(source, out)
    tree = SourceTree(source)
    runtime.info(f"reading {DATA_SETS[name].title} from {tree.root}")
    reading = DATA_SETS[name].read(tree)
    records = _usable(reading, tree.root)
    official = not config.random_split
    splits = divide(records, config.seed, DATA_SETS[name].val, official)
    names = {record.path: _name(record.path, tree.root, config.image_paths) for record in records}
    of_mean = DATA_SETS[name].std_of_mean
    files = {split: files_of(m, names, of_mean) for split, m in splits.items() if m}
    card = data_card(
        name,
        tree.root,
        reading,
        splits,
        files,
        config.image_paths,
        config.random_split,
        config.seed,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".tmp"))
    try:
        for split, contents in files.items():
            for file, (_, text) in contents.items():
                write_text(made / split / file, text)
        if config.image_paths == "links":
            _link(made, tree.root, splits)
        else:
            write_text(made / IMAGES_ROOT_FILE, f"{tree.root}\n")
        write_json(made / f"{CARD_FILE}.json", card)
        write_text(made / f"{CARD_FILE}.md", markdown(card))
        made.chmod(0o755)
        if out.exists():
            out.rmdir()  # empty, as _refuse has seen
        os.replace(made, out)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    print(visible(summary(card)))
    return 0


def _refuse(source: Path, out: Path) -> None:
    """ValueError for an output that exists, or that lies in the source, which is only read."""
    folder, target = source.resolve(), out.resolve()
    if target == folder or folder in target.parents:
        raise ValueError(f"{out}: lies in the source {source}, which is only read: name another")
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise ValueError(f"{out}: is there already: name another --data, or delete it first")


def _usable(reading: Reading, root: Path) -> list[Record]:
    """The records that label files can hold, without levels that the scores contradict; ValueError
    when there are none.
    """
    records = [record for record in reading.records if fits(record.path)]
    if not records:
        first = f", the first {reading.missing[0]!r}" if reading.missing else ""
        count = len(reading.missing)
        raise ValueError(f"{root}: none of the listed images is there ({count} missing{first})")
    if len(records) < len(reading.records):
        reason = "path that a label file cannot hold: blanks at its ends, line ends"
        reading.dropped[reason] += len(reading.records) - len(records)
    against = [name for name, (agreed, _) in agreement(records).items() if agreed < 0.5]
    for name in against:
        reading.notes.append(
            f"{name}: most scores rise with its levels: no order is taken from them"
        )
    return without_levels(records, against)


def _name(path: str, root: Path, style: str) -> str:
    """What label files call an image."""
    if style == "absolute":
        return f"{root.as_posix()}/{path}"
    return f"{LINKS}/{path}" if style == "links" else path


def _link(made: Path, root: Path, splits: dict[str, list[Record]]) -> None:
    for split, members in splits.items():
        for record in members:
            link = made / split / LINKS / record.path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(root / record.path)
