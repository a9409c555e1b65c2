"""Weight files of Keras (HDF5): which arrays they hold, by layer. Nothing else of them is read: no
model is rebuilt, and no Lambda layer is ever run.

Three layouts: the weights of Keras 2 (`save_weights`; attributes `layer_names` and `weight_names`),
the same below `model_weights` (`model.save` to .h5 or .hdf5, Keras 3's included), and Keras 3's
`.weights.h5` (a group `vars` per layer, which says the layer's name but not those of its arrays).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.weight_files import first_line

NEED = "--import_keras needs h5py: pip install -r requirements-keras.txt"
SAVE_AGAIN = "in Keras, load it and write it with model.save('weights.h5')"
# What h5py raises about a damaged file.
DAMAGE = (OSError, KeyError, RuntimeError, TypeError, ValueError)
_COPY = re.compile(r"(:\d+)?$")  # TensorFlow's "kernel:0"


class KerasFileError(ValueError):
    """A file is not what it should be; one line that begins with its name."""


@dataclass(frozen=True)
class KerasTensor:
    """An array that has not been read yet. kind: `kernel`, `gamma`, ...; None where the file knows
    only its position in the layer. name: for a person.
    """

    layer: str
    kind: str | None
    name: str
    data: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes, in Keras's order of axes."""
        return tuple(self.data.shape)

    def read(self) -> np.ndarray:
        """float32, of `shape`; KerasFileError where the file is damaged."""
        with _damage():
            return self.data[()].astype(np.float32)


@dataclass(frozen=True)
class KerasFile:
    """layers: those with weights, each one's arrays in the file's order. listed: names of all
    layers, also those without weights; None where the file does not list the network's own layers.
    """

    layers: dict[str, list[KerasTensor]]
    listed: frozenset[str] | None


@contextmanager
def open_keras(path: Path) -> Iterator[KerasFile]:
    """The file's table of contents; arrays can be read while it is open.

    Raises KerasFileError for whatever is wrong with the file, and puts the file's name before those
    that are raised while it is open.
    """
    try:
        import h5py
    except ImportError:
        raise ValueError(NEED) from None
    try:
        _check_is_hdf5(path)
        with _damage():
            file = h5py.File(path, "r")
        with file:
            with _damage():
                layers, listed = _contents(file)
            yield KerasFile(layers, listed)
    except KerasFileError as error:
        raise KerasFileError(f"{path}: {error}") from None


@contextmanager
def _damage() -> Iterator[None]:
    """What h5py raises about a damaged file, as KerasFileError."""
    try:
        yield
    except KerasFileError:
        raise
    except DAMAGE as error:
        raise KerasFileError(f"damaged: {first_line(error)}") from None


def _check_is_hdf5(path: Path) -> None:
    import h5py

    if path.is_dir():
        raise KerasFileError(f"is a folder: name an .h5 or .hdf5 file ({SAVE_AGAIN})")
    if not path.is_file():
        raise KerasFileError("no such file")
    if zipfile.is_zipfile(path) and not h5py.is_hdf5(path):
        raise KerasFileError(f"not HDF5 but an archive such as .keras: {SAVE_AGAIN}")
    if not h5py.is_hdf5(path):
        raise KerasFileError("not HDF5, which Keras's .h5 and .hdf5 files are")


def _contents(file: Any) -> tuple[dict[str, list[KerasTensor]], frozenset[str] | None]:
    group = file if _link(file, "model_weights") is None else _member(file, "model_weights")
    names = _texts(group, "layer_names")
    if names is not None:
        return _by_attributes(group, names)
    layers, listed = _by_vars(file)
    if not layers:
        raise KerasFileError(
            f"HDF5, but not of Keras: neither layer_names nor vars in it: {SAVE_AGAIN}"
        )
    return layers, listed


def _by_attributes(
    group: Any, names: list[str]
) -> tuple[dict[str, list[KerasTensor]], frozenset[str] | None]:
    """Keras 2's layout. A model inside the model stands as one layer with the arrays of many."""
    layers: dict[str, list[KerasTensor]] = {}
    nested = False
    for name in names:
        layer = _member(group, name)
        paths = _texts(layer, "weight_names") or []
        owners = [path.rpartition("/")[0] for path in paths]
        inside = len(set(owners)) > 1
        nested = nested or inside
        for path, owner in zip(paths, owners, strict=True):
            # TensorFlow may have numbered an owner anew; the layer's own name is the right one.
            own = owner.rpartition("/")[2] if inside else name
            kind = _COPY.sub("", path.rpartition("/")[2])
            _enter(layers, KerasTensor(own, kind, f"{own}/{kind}", _dataset(layer, path)))
    return layers, None if nested else frozenset(names)


def _by_vars(file: Any) -> tuple[dict[str, list[KerasTensor]], frozenset[str] | None]:
    """Keras 3's layout. Layers without weights are listed, too, as groups without arrays."""
    layers: dict[str, list[KerasTensor]] = {}
    empty = set()
    for path in _groups(file):
        if path.rpartition("/")[2] != "vars" or path.startswith("optimizer/"):
            continue
        group = _member(file, path)
        name = group.attrs.get("name")
        if isinstance(name, str):
            _check_printable(name)
        elif len(group):
            raise KerasFileError(
                f"an early Keras 3 wrote it, without the names of its layers: {SAVE_AGAIN}"
            )
        for key in sorted(group, key=_number):
            _enter(layers, KerasTensor(name, None, f"{name}/{key}", _dataset(group, key)))
        if isinstance(name, str) and not len(group):
            empty.add(name)
    return layers, frozenset([*layers, *empty]) if empty else None


def _number(key: str) -> int:
    if not key.isdecimal():
        raise KerasFileError(f"vars/{key!r}: not a number")
    return int(key)


def _groups(file: Any) -> list[str]:
    """Paths of all groups, once each; links out of the file are not followed."""
    import h5py

    paths: list[str] = []
    file.visititems(lambda path, item: paths.append(path) if isinstance(item, h5py.Group) else None)
    return paths


def _enter(layers: dict[str, list[KerasTensor]], tensor: KerasTensor) -> None:
    entries = layers.setdefault(tensor.layer, [])
    if tensor.kind is not None and tensor.kind in [entry.kind for entry in entries]:
        raise KerasFileError(f"two arrays named {tensor.name}: one network at a time can be read")
    entries.append(tensor)


def _link(group: Any, name: str) -> int | None:
    """The type of a link, without following it; None where there is none."""
    links = group.id.links
    return links.get_info(name.encode()).type if links.exists(name.encode()) else None


def _member(group: Any, path: str) -> Any:
    """What stands at `path` below a group, in this file: links to other files are refused."""
    import h5py

    for part in path.split("/"):
        link = _link(group, part) if isinstance(group, h5py.Group) else None
        if link is None:
            raise KerasFileError(f"{path} is named, but not in it")
        if link != h5py.h5l.TYPE_HARD:
            raise KerasFileError(f"{path} is a link to elsewhere, which is not followed")
        group = group[part]
    return group


def _dataset(group: Any, path: str) -> Any:
    import h5py

    data = _member(group, path)
    if not isinstance(data, h5py.Dataset) or data.dtype.kind != "f":
        raise KerasFileError(f"{path} is not an array of numbers")
    if data.is_virtual or data.external:
        raise KerasFileError(f"{path} keeps its numbers in another file, which is not read")
    return data


def _texts(group: Any, name: str) -> list[str] | None:
    """An attribute of names; a long one stands in parts, `layer_names0`, `layer_names1`, ..."""
    if name in group.attrs:
        parts = [group.attrs[name]]
    else:
        parts = []
        while f"{name}{len(parts)}" in group.attrs:
            parts.append(group.attrs[f"{name}{len(parts)}"])
        if not parts:
            return None
    values = [value for part in parts for value in np.asarray(part).ravel().tolist()]
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    for text in texts:
        _check_printable(text)
    return texts


def _check_printable(name: str) -> None:
    """Names stand in errors of one line."""
    if not name.isprintable():
        raise KerasFileError(f"{name!r} is no name of a layer or an array")
