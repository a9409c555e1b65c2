"""The images that --predict and load_scorer are given: files, folders, patterns and lists."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from utils.files.reading import check_regular, read_text
from utils.imaging.image_folders import Say, left_out, list_images
from utils.text import cut, printable, to_stderr


def find_images(words: tuple[str, ...], say: Say = to_stderr) -> list[Path]:
    """Files in the order they were named, each once; ValueError names the word that leads
    nowhere. say: told of images in a folder that cannot be read.
    """
    found: list[Path] = []
    for word in words:
        found += expand(word, say)
    return list(dict.fromkeys(found))


def expand(word: str, say: Say = to_stderr) -> list[Path]:
    """Images that a word means: a file, a folder's, a .txt list's, or a pattern's."""
    path = Path(word)
    if path.is_dir():
        images = list_images(path, say)
        if not images:
            others = left_out(path)
            raise ValueError(f"{word}: no image in this folder or below it: {others}".rstrip(": "))
        return images
    if path.suffix.lower() == ".txt" and path.is_file():
        return _listed(path)
    if path.is_file():
        return [path]
    if os.path.lexists(path):
        _refuse_no_file(path)
    matches = sorted(glob.glob(word, recursive=True))
    if not matches:
        raise ValueError(
            f"{printable(word)}: no such file, folder or list, and no file matches it as a pattern"
        )
    return [image for match in matches for image in expand(match, say)]


def _refuse_no_file(path: Path) -> None:
    """ValueError for a pipe, a socket, a device, or a link that leads nowhere; none is opened."""
    try:
        check_regular(path)
    except FileNotFoundError:
        raise ValueError(
            f"{printable(path)}: a link that leads nowhere: mend or remove it"
        ) from None


def _listed(file: Path) -> list[Path]:
    """Paths of a list file, one a line, looked for beside it first and then from the working
    directory; they may lead anywhere. A line that begins with `#` is a comment, unless it names an
    image.
    """
    paths = []
    for number, line in enumerate(read_text(file).splitlines(), 1):
        name = line.strip()
        found = next((p for p in (file.parent / name, Path(name)) if os.path.isfile(p)), None)
        if found is not None:
            paths.append(found)
        elif name and not name.startswith("#"):
            raise ValueError(
                f"{file}:{number}: no such image: {cut(printable(name))} (looked for beside the "
                "list, then from the working directory)"
            )
    if not paths:
        raise ValueError(f"{file}: an empty list: one image path a line")
    return paths
