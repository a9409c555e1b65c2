"""The files of a downloaded data set, looked up whatever the case of their letters. Only read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from utils.imaging.image_folders import READABLE_EXTENSIONS


class SourceTree:
    """All files below `root`, hidden ones left out; `paths` are relative to it, with `/`, those
    of the upper folders first.
    """

    def __init__(self, root: Path):
        self.root = Path(os.path.abspath(root))
        if not self.root.is_dir():
            raise ValueError(f"{root}: not a folder: --source takes the folder of the download")
        self.paths = sorted(_files(self.root), key=lambda path: (path.count("/"), path))
        self._named: dict[str, list[str]] = {}
        for path in self.paths:
            self._named.setdefault(_name(path), []).append(path)

    def every(self, name: str) -> list[str]:
        """All files of a name, in whatever folder."""
        return self._named.get(name.casefold(), [])

    def find(self, *names: str) -> Path | None:
        """The uppermost file of the first of these names that exists."""
        return next((self.root / self.every(name)[0] for name in names if self.every(name)), None)

    def file(self, *names: str) -> Path:
        """As `find`; ValueError when there is none."""
        found = self.find(*names)
        if found is None:
            asked = " or ".join(names)
            raise ValueError(f"{self.root}: no {asked} there: --source takes the data set's folder")
        return found

    def images(self, *folders: str, optional: bool = False) -> Images:
        """The images below the folders of these names, wherever those are; of all folders where no
        name is given. ValueError when there are none, unless the set is of use without them.
        """
        wanted = {folder.casefold() for folder in folders}
        found = [
            path
            for path in self.paths
            if _extension(path) in READABLE_EXTENSIONS
            and (not wanted or wanted.intersection(path.casefold().split("/")[:-1]))
        ]
        if not found and not optional:
            where = f" in a folder {' or '.join(folders)}" if folders else ""
            raise ValueError(f"{self.root}: no images{where}: --source takes the data set's folder")
        return Images(found, folders[0] if len(folders) == 1 else "")


class Images:
    """Some images of a source, which keeps account of those that were asked for. where: the folder
    that a missing one is said to be missing in.
    """

    def __init__(self, paths: Iterable[str], where: str = ""):
        self.paths = list(paths)
        self._where = where
        self._missing: dict[str, None] = {}
        self._taken: set[str] = set()
        self._named: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for path in self.paths:
            self._named.setdefault(_name(path), []).append(path)
            self._stems.setdefault(_stem(path), []).append(path)

    def find(self, name: str, below: str = "") -> str | None:
        """The path of an image, by its name or by the end of its path; None counts as missing.

        Of several images of one name the uppermost is meant, unless the folders in front of the
        name tell them apart. below: the folder that it must lie in, as `paths` have it.
        """
        wanted = name.strip().replace("\\", "/").strip("/").casefold()
        candidates = self._named.get(wanted.rsplit("/", 1)[-1], [])
        if below:
            candidates = [path for path in candidates if path.startswith(f"{below}/")]
        if "/" in wanted and len(candidates) > 1:
            ending = f"/{wanted}"
            candidates = [path for path in candidates if f"/{path}".casefold().endswith(ending)]
        return self._take(name, candidates, below or self._where)

    def find_stem(self, name: str) -> str | None:
        """As `find`, for a name without its extension."""
        return self._take(name, self._stems.get(name.strip().casefold(), []), self._where)

    def _take(self, name: str, candidates: list[str], where: str) -> str | None:
        if not candidates:
            self._missing[f"{where}/{name}" if where else name] = None
            return None
        self._taken.add(candidates[0])
        return candidates[0]

    def pass_over(self, name: str) -> None:
        """Images of this name are not surplus."""
        self._taken.update(self._named.get(name.casefold(), []))

    def pass_over_stem(self, name: str) -> None:
        """As `pass_over`, for a name without its extension."""
        self._taken.update(self._stems.get(name.casefold(), []))

    def missing(self) -> list[str]:
        """Names that were asked for in vain, each once."""
        return list(self._missing)

    def surplus(self) -> list[str]:
        """Images that nobody asked for."""
        return [path for path in self.paths if path not in self._taken]


def _files(root: Path) -> Iterator[str]:
    """Links to folders are followed, but no folder is entered twice: links may lead in a circle."""
    entered: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True, onerror=_refuse):
        real = os.path.realpath(folder)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                yield Path(folder, name).relative_to(root).as_posix()


def _refuse(error: OSError) -> None:
    raise ValueError(f"{error.filename}: cannot be listed ({error.strerror})")


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].casefold()


def _stem(path: str) -> str:
    return PurePosixPath(path).stem.casefold()


def _extension(path: str) -> str:
    return PurePosixPath(path).suffix.lower()
