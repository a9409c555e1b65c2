"""From the text of a path in a label file to an image inside the data root, or inside the one
other folder that the data root names.
"""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dataloader.tables.matching import MOST_NEAR, ImageIndex
from utils.files.names import FileNames
from utils.files.reading import read_text
from utils.files.tar_files import index_of, is_file, is_tar
from utils.imaging.image_folders import READABLE_EXTENSIONS
from utils.text import cut, printable, quoted

# Beside train/, val/ and test/: one line, the folder where images lie that are not in the data
# root; absolute, or relative to the data root. --prepare writes it instead of copying images.
IMAGES_ROOT_FILE = "images_root.txt"
CARD_FILE = "card"  # .json and .md, what --prepare says of the data set
# No path on a disk is longer, and none holds as many commas as a name may have bytes: what a line
# may hold in front of its figures is looked for within these, whatever its length.
LONGEST = 4096
MOST_COMMAS = 255


def images_root(root: Path) -> Path | None:
    """The absolute folder that root/images_root.txt names; None where there is no such file.

    ValueError for a file that names no folder, or a whole disk: labels may name all below it.
    """
    file = root / IMAGES_ROOT_FILE
    if not os.path.lexists(file):
        return None
    try:
        text = read_text(file, LONGEST).strip("\r\n")
    except FileNotFoundError:
        raise ValueError(f"{file}: a link to nothing: mend it or take it away") from None
    folder = os.path.abspath(os.path.join(root, text))
    if not text or not os.path.isdir(folder):
        raise ValueError(
            f"{file}:1: {quoted(text)} is not a folder: write where the images lie now"
        )
    if os.path.dirname(folder) == folder:
        raise ValueError(f"{file}:1: {quoted(text)} is a whole disk: name the folder of the images")
    return Path(folder)


@dataclass(frozen=True, slots=True)
class Found:
    """An image: its absolute path as written, and its real path, the same for every link to it."""

    place: str
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
        self._listings: dict[str, tuple[FileNames | None, str]] = {}  # and the folder's real path
        self._known: dict[str, Found | Missing] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._folded: dict[str, dict[str, str]] = {}
        self._folders: dict[str, tuple[FileNames, str, str] | None] = {}
        self._sought = 0

    def find(self, text: str) -> Found | Missing:
        """The image that the text names, or the reason why there is none."""
        if len(text) > LONGEST:
            return Missing(f"a path of {len(text)} characters, no image: {quoted(text)}")
        if text not in self._known:
            self._known[text] = self._image(text) or self._missing(text)
        return self._known[text]

    def exists(self, text: str) -> bool:
        """Whether the text names a usable image; for telling where a path ends in a line. What
        names none is not kept: a line can be cut in many ways.
        """
        if text not in self._known and text and len(text) <= LONGEST:
            found = self._image(text)
            if found is not None:
                self._known[text] = found
        return isinstance(self._known.get(text), Found)

    def ends(self, fields: Sequence[str]) -> Iterator[int]:
        """How many of a line's fields, apart by commas, make a path that exists: each way to read
        it, the shortest first.
        """
        text = ""
        for end, field in enumerate(fields[: MOST_COMMAS + 1], start=1):
            text = f"{text},{field}" if end > 1 else field.lstrip()
            if len(text) > LONGEST:
                return
            if self.exists(text.rstrip()):
                yield end

    def is_comment(self, line: str) -> bool:
        """Whether a line begins with `#`, and with no image's name that does."""
        text = line.lstrip()
        if not text.startswith("#"):
            return False
        return not (self._marked_names and any(self.ends(text.split(","))))

    def listing(self, folder: str) -> tuple[FileNames, str, str] | None:
        """(paths of plain files, and what to put before a name for its path and for its real path)
        of a folder as a label file names it: the first one there is of those where images are
        looked for. None without one. A path that it has not may yet be found by `find`.
        """
        if folder not in self._folders:
            places = [] if "\0" in folder else self._places(folder)
            inside = (p for p in places if os.path.join(p, "").startswith(self._inside))
            self._folders[folder] = next(
                (
                    (listed[0], os.path.join(place, ""), os.path.join(listed[1], ""))
                    for place, listed in ((place, self._listed(place)) for place in inside)
                    if listed[0] is not None
                ),
                None,
            )
        return self._folders[folder]

    @cached_property
    def _marked_names(self) -> bool:
        """Whether the name of anything where images are looked for begins with `#`."""
        return any(name.startswith("#") for base in self._bases for name in self._entries(base))

    def _places(self, text: str) -> list[str]:
        places = (os.path.normpath(os.path.join(base, text)) for base in self._bases)
        return list(dict.fromkeys(places))

    def _image(self, text: str) -> Found | None:
        if "\0" in text:
            return None
        return next(filter(None, map(self._image_at, self._places(text))), None)

    def _missing(self, text: str) -> Missing:
        if "\0" in text:
            return Missing(f"path with a null character: {quoted(text)}")
        places = self._places(text)
        inside = [place for place in places if place.startswith(self._inside)]
        if not inside or any(os.path.isfile(place) for place in places):
            roots = " and ".join(self._roots)
            return Missing(
                f"path leaves the data root {roots}: {quoted(text)}{self._let_in(places)}"
            )
        if any(os.path.isdir(place) for place in inside):
            return Missing(f"not an image but a folder: {quoted(text)}")
        if any(os.path.exists(place) for place in inside):
            return Missing(f"not an image but a pipe, a socket or a device: {quoted(text)}")
        if any(os.path.islink(place) for place in inside):
            return Missing(f"a link to nothing in place of an image: {quoted(text)}")
        looked = " and ".join(cut(printable(place), 200) for place in places)
        near = next(filter(None, (self._near(text, place) for place in inside)), "")
        near = near or self._elsewhere(text)
        return Missing(f"image not found (looked for {looked}): {quoted(text)}{near}")

    def _let_in(self, places: Sequence[str]) -> str:
        """What lets images of another folder in."""
        outside = [place for place in places if not place.startswith(self._inside)]
        found = next(filter(os.path.isfile, outside), outside[0] if outside else "")
        if not found:
            return ""
        file, folder = os.path.join(self._roots[0], IMAGES_ROOT_FILE), os.path.dirname(found)
        return f": if images may lie there, write {printable(folder)} into {file}, as its only line"

    def _elsewhere(self, text: str) -> str:
        """The image below the data root that is meant, or whose name is most like this one; looked
        for only for the first names that lead nowhere.
        """
        self._sought += 1
        if self._sought > MOST_NEAR:
            return ""
        found = self._index.find(text)
        like = self._index.files[found[0]] if len(found) == 1 else self._index.near(text)
        if not like:
            return ""
        place = os.path.relpath(os.path.join(self._roots[0], like), self._bases[0])
        return f": did you mean {quoted(place.replace(os.sep, '/'))}?"

    @cached_property
    def _index(self) -> ImageIndex:
        return ImageIndex(Path(self._roots[0]))

    def _near(self, text: str, place: str) -> str:
        """What else is there in place of an image, in words; "" for nothing."""
        folder, name = os.path.split(place)
        parts = text.split("/")
        if len(parts) > 1 and not os.path.isdir(folder):
            above, last = os.path.split(folder)
            parts[-2] = self._like(above).get(_fold(last), "")
            folder = os.path.join(above, parts[-2])
            if not parts[-2]:
                return ""
        known = self._like(folder)
        stem, extension = os.path.splitext(name)
        names = [name, name + ".", *([stem + "."] if extension in READABLE_EXTENSIONS else [])]
        found = next(filter(None, map(known.get, map(_fold, names))), "")
        parts[-1] = found
        like = "/".join(parts)
        if not found or not os.path.isfile(os.path.join(folder, found)):
            return ""
        if unicodedata.normalize("NFC", like) == unicodedata.normalize("NFC", text):
            return ": the name on disk has the same letters in another Unicode form: copy it"
        return f": write {quoted(like)}, which is there"

    def _like(self, folder: str) -> dict[str, str]:
        """What `_fold` makes of each name in a folder, of an image's also without its extension but
        with the dot, and the name.
        """
        if folder not in self._folded:
            names = sorted(self._entries(folder))
            stems = (os.path.splitext(name) for name in reversed(names))
            found = {_fold(s + "."): s + e for s, e in stems if e.lower() in READABLE_EXTENSIONS}
            self._folded[folder] = found | {_fold(name): name for name in reversed(names)}
        return self._folded[folder]

    def _entries(self, folder: str) -> tuple[str, ...]:
        """All names in a folder, which is listed once; none where it cannot be."""
        if folder not in self._names:
            try:
                self._names[folder] = tuple(os.listdir(folder))
            except OSError:
                self._names[folder] = ()
        return self._names[folder]

    def _image_at(self, place: str) -> Found | None:
        if not place.startswith(self._inside):
            return None
        folder, name = os.path.split(place)
        files, real_folder = self._listed(folder)
        if files is not None and place in files:
            real = place if real_folder == folder else os.path.join(real_folder, name)
            return Found(place, real)
        # A name that is not listed may still be there: a link, another Unicode spelling of it, or
        # in a tar file.
        return Found(place, os.path.realpath(place)) if is_file(place) else None

    def _listed(self, folder: str) -> tuple[FileNames | None, str]:
        if folder not in self._listings:
            self._listings[folder] = (_files_in(folder), os.path.realpath(folder))
        return self._listings[folder]


def _fold(name: str) -> str:
    """The same for names that differ in case, or in how Unicode spells their letters."""
    return unicodedata.normalize("NFC", name).casefold()


def _files_in(folder: str) -> FileNames | None:
    """Paths of the regular files, links left out; none of a folder that cannot be listed, None
    where there is no such folder. Of a tar file those that are in no folder inside it.
    """
    top = os.path.join(folder, "")
    try:
        with os.scandir(folder) as entries:
            return FileNames(top + e.name for e in entries if e.is_file(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        if not is_tar(folder):
            return None
        return FileNames(top + name for name in index_of(folder).names() if "/" not in name)
    except (OSError, ValueError):
        return FileNames(())
