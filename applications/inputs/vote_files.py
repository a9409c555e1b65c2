"""Where the labels of a data set stand, when it is no folder of label files: AVA.txt, or --labels
FILE, which is AVA.txt, JSON samples of votes, or any table.

Needs no torch, for applications/combinations.py asks before anything is loaded.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from config import Config
from utils.files.remote import has_urls, means_tars

SPLITS = ("train", "val", "test")
TABLE = "AVA.txt"
TABLE_FOLDERS = ("", "AVA_dataset")  # of --data, where TABLE is looked for
# Where images are looked for below --data; the 7z of AVA unpacks to a folder within a folder.
IMAGE_FOLDERS = ("images/images", "images", "image/image", "image")
# Endings of tables, whatever they hold; the reader of each stands in dataloader/tables.
TABLES = (".csv", ".tsv", ".tab", ".xlsx", ".xlsm", ".parquet", ".pq", ".jsonl", ".ndjson")
MOST_HEAD = 4096  # bytes by which other files are told apart
AVA_COLUMNS = 15
LISTS = "aesthetics_image_lists"
TEST_LIST = "generic_test.jpgl"
# What says how such a file is split; label files lie in the folders of their splits.
FLAGS = ("images", "train_size", "val_size", "test_list")


def vote_file(config: Config) -> Path | None:
    """--labels, or AVA.txt in --data or its AVA_dataset/; None where a split has label files."""
    if config.labels is not None:
        return Path(config.labels)
    root = Path(config.data)
    if any(os.path.lexists(root / split / config.label_name) for split in SPLITS):
        return None
    found = (_inside(root, f"{folder}/{TABLE}") for folder in TABLE_FOLDERS)
    return next((file for file in found if file and file.exists() and not file.is_dir()), None)


def is_table(file: Path) -> bool:
    """Whether a vote file is a table with a row for each image, rather than AVA.txt or JSON samples
    (image_id, label): told by its name, and by its beginning where that leaves it open. So are tar
    files that hold images and their labels.
    """
    suffix = file.suffix.lower()
    if suffix in TABLES or file.is_dir() or means_tars(str(file)):
        return True
    if file.stem.casefold() == Path(TABLE).stem.casefold() or not file.is_file():
        return False
    with file.open("rb") as content:
        head = content.read(MOST_HEAD)
    if suffix == ".json":
        return not (b'"image_id"' in head and re.search(rb'"label"\s*:\s*\[', head))
    words = head.split(b"\n", 1)[0].split()
    return not (len(words) > AVA_COLUMNS - 3 and all(word.isdigit() for word in words))


def remote_tars(config: Config) -> str:
    """What names tar files that lie on other machines; "" for nothing."""
    words = [config.labels or "", *config.test, *config.predict]
    return next((word for word in words if has_urls(word)), "")


def table_images(config: Config, file: Path) -> Path:
    """The folder that a table's images are looked for in, and below: --images, --data where it was
    passed, or that of the table.
    """
    if config.images is not None:
        return Path(config.images)
    return Path(config.data) if "data" in config.given else file.parent


def image_folder(config: Config) -> Path:
    """--images, or the first of IMAGE_FOLDERS in --data; ValueError where there is none."""
    if config.images is not None:
        return Path(config.images)
    found = (_inside(Path(config.data), folder) for folder in IMAGE_FOLDERS)
    folder = next((folder for folder in found if folder and folder.is_dir()), None)
    if folder is None:
        raise ValueError(f"{config.data}: no images/ there: name the images' folder with --images")
    return folder


def find_test_list(config: Config, file: Path) -> Path | None:
    """--test_list as it stands, or beside the vote file or in its lists' folder."""
    if config.test_list is None:
        return None
    asked = Path(config.test_list)
    places = (asked, file.parent / asked, file.parent / LISTS / asked)
    return next((place for place in places if place.is_file()), asked)


def official_list(file: Path) -> Path | None:
    """AVA's own test list beside AVA.txt, if it is there."""
    found = _inside(file.parent, f"{LISTS}/{TEST_LIST}")
    return found if found and found.is_file() else None


def refuse_flags(config: Config) -> None:
    """ValueError for flags about votes where there are none."""
    for name in FLAGS:
        if getattr(config, name) != getattr(Config, name):
            raise ValueError(
                f"--{name}: only with votes in one file, and {config.data} has none: pass --labels "
                f"FILE, or --data with {TABLE}"
            )


def _inside(root: Path, path: str) -> Path | None:
    """root/path, names compared without regard to case where they do not exist as spelled."""
    for name in filter(None, path.split("/")):
        exact = root / name
        if not exact.exists():
            try:
                names = sorted(os.listdir(root))
            except OSError:
                return None
            like = [n for n in names if n.lower() == name.lower()]
            if not like:
                return None
            exact = root / like[0]
        root = exact
    return root
