"""Tar files named by patterns and URLs: which ones are meant, and local files in place of those
that lie elsewhere.

A pattern is WebDataset's: `{train,val}-{000..009}.tar`, several apart by `::`; wildcards are
welcome, too. What a URL means, and who may read there, is fsspec's business.
"""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from utils.files.disk_full import named_place
from utils.files.lock import try_lock
from utils.files.tar_files import TAR, is_tar
from utils.text import cut, printable

FOLDER = "shards"  # of the cache, with a folder in it for each folder that URLs name
AT_ONCE = 4  # files that one process fetches
MOST = 1_000_000  # names that a pattern may stand for
_WAIT = 0.1  # seconds
_BRACES = re.compile(r"\{([^{}]*)\}")
# What lets its owner in, user and password or a signed query, is in no message.
_SECRET = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/\s@]*@)?([^\s?'\"]*)(\?[^\s'\"]*)?")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def is_url(text: str) -> bool:
    """Whether a word names its protocol."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def shown(text: str) -> str:
    """A text for messages, its URLs without user, password and query."""
    return printable(_SECRET.sub(lambda m: m[1] + m[2] + ("?..." if m[3] else ""), text))


def means_tars(text: str) -> bool:
    """Whether a word is the name of a tar file, a pattern of such names, or a URL of one."""
    last = text.partition("?")[0] if is_url(text) else text
    return last.rstrip("}").lower().endswith(TAR) and not os.path.isdir(text)


def has_urls(text: str) -> bool:
    """Whether a pattern names anything that has to be fetched; `file://` leads to this machine."""
    return any(is_url(part) and not part.startswith("file://") for part in text.split("::"))


def local_tars(text: str, cache: str | None, say: Callable[[str], object]) -> list[Path]:
    """The tar files that a pattern means, in its order, each once; those of URLs fetched into the
    folder `cache`, unless they are there. say: is told of that. ValueError names what is not
    there.
    """
    words = [word for part in text.split("::") for word in expand_braces(part)]
    remote = [word for word in words if is_url(word)]
    found = {word: [place] for word, place in _fetched(remote, cache, say)} if remote else {}
    for word in words:
        if word in found:
            continue
        if is_url(word):
            found[word] = [p for _, p in _fetched(_matching(word), cache, say)]
        elif not os.path.lexists(word) and glob.has_magic(word):
            found[word] = [Path(path) for path in sorted(glob.glob(word)) if is_tar(path)]
        else:
            found[word] = [Path(word)]
        wrong = [str(path) for path in found[word] if not is_tar(path)]
        if wrong or not found[word]:
            name = wrong[0] if wrong else word
            of = f" of {cut(shown(text))}" if name != text else ""
            raise ValueError(f"{cut(shown(name))}: no such tar file{of}: check the name")
    return list(dict.fromkeys(path for word in words for path in found[word]))


def expand_braces(text: str) -> list[str]:
    """The names that `{a,b}` and `{000..009}` in a pattern stand for; braces with neither stay."""
    for match in _BRACES.finditer(text):
        span = _RANGE.fullmatch(match[1])
        if span is None and "," not in match[1]:
            continue
        parts: Iterable[str] = match[1].split(",")
        if span is not None:
            first, last = int(span[1]), int(span[2])
            if abs(last - first) >= MOST:
                raise ValueError(f"{cut(shown(text))}: more than {MOST:,} names")
            step = 1 if last >= first else -1
            width = len(span[1]) if span[1].startswith("0") else 0
            parts = (str(n).zfill(width) for n in range(first, last + step, step))
        found: dict[str, None] = {}
        for part in parts:
            found |= dict.fromkeys(
                expand_braces(text[: match.start()] + part + text[match.end() :])
            )
            if len(found) > MOST:
                raise ValueError(f"{cut(shown(text))}: more than {MOST:,} names")
        return list(found)
    return [text]


# ---- from elsewhere


def _fetched(
    urls: Iterable[str], cache: str | None, say: Callable[[str], object]
) -> list[tuple[str, Path]]:
    """(URL, local file) of each; one with a wildcard is left out."""
    places = [(url, _place(url, cache)) for url in urls if not _has_wildcard(url)]
    wanted = [(url, place) for url, place in places if not os.path.isfile(place)]
    if wanted:
        url, place = wanted[0]
        say(f"fetching {len(wanted)} tar file(s) into {place.parent}, from {shown(url)} on")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda one: _fetch(*one), wanted))
    return places


def _has_wildcard(url: str) -> bool:
    return "*" in url or "[" in url  # "?" begins a query


def _matching(url: str) -> list[str]:
    """URLs that one with wildcards stands for."""
    with _named(url):
        system, path = _open(url)
        found = [system.unstrip_protocol(name) for name in sorted(system.glob(path))]
    return [name for name in found if means_tars(name)]


def _place(url: str, cache: str | None) -> Path:
    """Where a URL's file lies, or will lie: in a folder for each folder that URLs name, under its
    own name, by which its split is known.
    """
    if url.startswith("file://"):
        with _named(url):
            return Path(_open(url)[1])
    if cache is None:
        raise ValueError(f"{shown(url)}: pass --cache DIR, the folder that it is fetched into")
    top, _, name = url.partition("?")[0].rpartition("/")
    query = url.partition("?")[2]
    key = blake2b(f"{top}?{query}".encode(), digest_size=8).hexdigest()
    return Path(cache) / FOLDER / key / name


def _fetch(url: str, place: Path) -> None:
    """Copies a file here; whoever else wants it waits meanwhile. It has its name when it is whole,
    so that half a file never counts.
    """
    if url.startswith("file://"):
        return  # local_tars says that it is not there
    part, lock = (place.with_name(f".{place.name}{end}") for end in (".part", ".lock"))
    with _named(url):
        _open(url)  # what is missing for that is said before anything is made
    with named_place(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not try_lock(handle):
            time.sleep(_WAIT)
        if not place.is_file():
            with _named(url):
                _copy(url, part)
            os.replace(part, place)
    finally:
        os.close(handle)


def _copy(url: str, part: Path) -> None:
    system, path = _open(url)
    size = system.info(path).get("size")
    try:
        system.get_file(path, os.fspath(part))
        if size is not None and part.stat().st_size != size:
            raise OSError(f"{part.stat().st_size} of {size} bytes came")
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _open(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path there."""
    from fsspec.core import url_to_fs  # here: few need it

    return url_to_fs(url)


@contextmanager
def _named(url: str) -> Iterator[None]:
    """Whatever a file system raises becomes a ValueError that names the URL."""
    try:
        yield
    except ImportError as error:
        said, missing = " ".join(str(error).split()), getattr(error.__cause__, "name", None)
        raise ValueError(f"{shown(url)}: {said}: pip install {missing or 'it'}") from None
    except FileNotFoundError:
        raise ValueError(f"{shown(url)}: no such file: check the URL") from None
    except Exception as error:  # of any library's kinds
        said = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{shown(url)}: cannot be fetched ({cut(shown(said), 200)}): check the URL, "
            "the network and your credentials there"
        ) from None
