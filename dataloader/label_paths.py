"""From the text of a path in a label file to an image inside the data root."""

import os
from dataclasses import dataclass
from pathlib import Path


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
    """Looks a path up beside the label file, then from the working directory.

    A path counts as inside the root by its text, after `..` is taken out: links inside the root
    may lead anywhere. Folders are listed once, so that a long label file asks the disk per folder
    rather than per image.
    """

    def __init__(self, file: Path, root: Path, cwd: Path):
        self._bases = list(dict.fromkeys((os.path.abspath(file.parent), os.path.abspath(cwd))))
        self._root = os.path.abspath(root)
        self._inside = tuple(
            os.path.join(top, "") for top in (self._root, os.path.realpath(self._root))
        )
        self._listings: dict[str, frozenset[str]] = {}
        self._known: dict[str, Found | Missing] = {}
        self._resolve = Resolver()

    def find(self, text: str) -> Found | Missing:
        """The image that the text names, or the reason why there is none."""
        if text not in self._known:
            self._known[text] = self._look_up(text)
        return self._known[text]

    def exists(self, text: str) -> bool:
        """Whether the text names a usable image; for telling where a path ends in a line."""
        return bool(text) and isinstance(self.find(text), Found)

    def _look_up(self, text: str) -> Found | Missing:
        joined = (os.path.normpath(os.path.join(base, text)) for base in self._bases)
        places = list(dict.fromkeys(joined))
        inside = [place for place in places if place.startswith(self._inside)]
        for place in inside:
            if self._is_file(place):
                return Found(Path(place), self._resolve(place))
        if not inside or any(self._is_file(place) for place in places if place not in inside):
            return Missing(f"path leaves the data root {self._root}: {text!r}")
        if any(os.path.isdir(place) for place in inside):
            return Missing(f"not an image but a folder: {text!r}")
        return Missing(f"image not found (looked for {' and '.join(places)}): {text!r}")

    def _is_file(self, place: str) -> bool:
        folder, name = os.path.split(place)
        if folder not in self._listings:
            self._listings[folder] = _files_in(folder)
        # A name that is not listed may still be there: a link, or another Unicode spelling of it.
        return name in self._listings[folder] or os.path.isfile(place)


def _files_in(folder: str) -> frozenset[str]:
    """Names of the regular files; empty for a folder that cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(e.name for e in entries if e.is_file(follow_symlinks=False))
    except (OSError, ValueError):
        return frozenset()
