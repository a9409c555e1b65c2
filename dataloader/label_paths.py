"""From the text of a path in a label file to an image inside the data root, or inside the one
other folder that the data root names.
"""

import os
from dataclasses import dataclass
from pathlib import Path

# Beside train/, val/ and test/: one line, the folder where images lie that are not in the data
# root; absolute, or relative to the data root. --prepare writes it instead of copying images.
IMAGES_ROOT_FILE = "images_root.txt"
CARD_FILE = "card"  # .json and .md, what --prepare says of the data set


def images_root(root: Path) -> Path | None:
    """The absolute folder that root/images_root.txt names; None where there is no such file.

    ValueError for a file that names no folder, or a whole disk: labels may name all below it.
    """
    file = root / IMAGES_ROOT_FILE
    try:
        text = file.read_text(encoding="utf-8").strip("\r\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: cannot be read ({error}): mend it or take it away") from None
    folder = os.path.abspath(os.path.join(root, text))
    if not text or not os.path.isdir(folder):
        raise ValueError(f"{file}:1: {text!r} is not a folder: write where the images lie now")
    if os.path.dirname(folder) == folder:
        raise ValueError(f"{file}:1: {text!r} is a whole disk: name the folder of the images")
    return Path(folder)


@dataclass(frozen=True, slots=True)
class Found:
    """An image: its absolute path as written, and its real path, the same for every link to it."""

    path: Path
    real: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A path that names no usable image, and why."""

    message: str


class Resolver:
    """Real paths, links followed; each folder is resolved once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def __call__(self, path: str) -> str:
        if os.path.islink(path):
            return os.path.realpath(path)
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)


class PathFinder:
    """Looks a path up beside the label file, then in the folder of images_root.txt, if any, then
    from the working directory.

    A path counts as inside the root, or that folder, by its text, after `..` is taken out: links
    inside may lead anywhere. Folders are listed once, so that a long label file asks the disk per
    folder rather than per image.
    """

    def __init__(self, file: Path, root: Path, cwd: Path, images: Path | None = None):
        places = (file.parent, images, cwd)
        self._bases = list(dict.fromkeys(os.path.abspath(p) for p in places if p is not None))
        self._roots = [os.path.abspath(p) for p in (root, images) if p is not None]
        self._inside = tuple(
            os.path.join(top, "") for p in self._roots for top in (p, os.path.realpath(p))
        )
        self._listings: dict[str, tuple[frozenset[str], str]] = {}  # and the folder's real path
        self._known: dict[str, Found | Missing] = {}
        self._folders: dict[str, tuple[frozenset[str], str, str] | None] = {}

    def find(self, text: str) -> Found | Missing:
        """The image that the text names, or the reason why there is none."""
        if text not in self._known:
            self._known[text] = self._look_up(text)
        return self._known[text]

    def exists(self, text: str) -> bool:
        """Whether the text names a usable image; for telling where a path ends in a line."""
        return bool(text) and isinstance(self.find(text), Found)

    def listing(self, folder: str) -> tuple[frozenset[str], str, str] | None:
        """(names of plain files, and what to put before one for its path and for its real path) of
        a folder as a label file names it, where images are looked for first; None outside the root.
        """
        if folder not in self._folders:
            place = os.path.normpath(os.path.join(self._bases[0], folder))
            inside = os.path.join(place, "").startswith(self._inside) and "\0" not in place
            listed = self._listed(place) if inside else None
            self._folders[folder] = listed and (
                listed[0], os.path.join(place, ""), os.path.join(listed[1], "")
            )  # fmt: skip
        return self._folders[folder]

    def _look_up(self, text: str) -> Found | Missing:
        if "\0" in text:
            return Missing(f"path with a null character: {text!r}")
        places = []
        for base in self._bases:
            places.append(os.path.normpath(os.path.join(base, text)))
            found = self._image_at(places[-1])
            if found is not None:
                return found
        inside = [place for place in places if place.startswith(self._inside)]
        if not inside or any(os.path.isfile(place) for place in places):
            return Missing(f"path leaves the data root {' and '.join(self._roots)}: {text!r}")
        if any(os.path.isdir(place) for place in inside):
            return Missing(f"not an image but a folder: {text!r}")
        both = " and ".join(dict.fromkeys(places))
        return Missing(f"image not found (looked for {both}): {text!r}")

    def _image_at(self, place: str) -> Found | None:
        if not place.startswith(self._inside):
            return None
        folder, name = os.path.split(place)
        names, real_folder = self._listed(folder)
        if name in names:
            real = place if real_folder == folder else os.path.join(real_folder, name)
            return Found(Path(place), real)
        # A name that is not listed may still be there: a link, or another Unicode spelling of it.
        return Found(Path(place), os.path.realpath(place)) if os.path.isfile(place) else None

    def _listed(self, folder: str) -> tuple[frozenset[str], str]:
        if folder not in self._listings:
            self._listings[folder] = (_files_in(folder), os.path.realpath(folder))
        return self._listings[folder]


def _files_in(folder: str) -> frozenset[str]:
    """Names of the regular files, links left out; empty for a folder that cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(e.name for e in entries if e.is_file(follow_symlinks=False))
    except (OSError, ValueError):
        return frozenset()
