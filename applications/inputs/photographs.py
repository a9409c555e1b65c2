"""Photographs of --photos that are distorted on the fly: the splits and the files' digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from applications.inputs.runtime import Runtime
from config import Config
from dataloader.labels.labels import Labels
from dataloader.labels.photo_ladders import ladder_labels, ladders_per_epoch
from utils.data_generate.distortions import distortions_of
from utils.data_generate.photos import find_photos, name_photos, split_photos
from utils.runtime import distributed

SHOWN = 20  # names of a split's photographs in the log


@dataclass(frozen=True)
class Photographs:
    """folder; set and its kinds; splits: files by name; sha256: of the files, by name; seed: of the
    draw and of the noise in evaluation; drawn: distortions of a training photograph in an epoch.
    """

    folder: str
    set: str
    kinds: tuple[str, ...]
    splits: dict[str, dict[str, Path]]
    sha256: dict[str, str]
    seed: int
    drawn: int

    def files(self) -> list[Path]:
        return [photo for named in self.splits.values() for photo in named.values()]

    def title(self, split: str) -> str:
        """Where a split comes from, for a person."""
        return f"{self.folder} ({split}, {self.set} on the fly)"

    def labels(self, split: str, bad: Collection[Path]) -> Labels:
        """Of a split, without the `bad` photographs; ValueError when none is left."""
        kept = {name: file for name, file in self.splits[split].items() if file not in bad}
        if not kept:
            raise ValueError(f"{self.title(split)}: no photograph is left that can be read")
        drawn = self.drawn if split == "train" else None
        return ladder_labels(kept, self.kinds, self.seed, drawn)

    def digest(self, split: str) -> str:
        """Of all that the split's images depend on."""
        parts = [self.set, *self.kinds, self.seed, self.drawn if split == "train" else 0]
        contents = [[name, self.sha256[name]] for name in self.splits[split]]
        return hashlib.sha256(json.dumps([parts, contents]).encode()).hexdigest()

    def lines(self) -> list[str]:
        """What a log should say of them."""
        said = [
            f"{self.set}: {len(self.kinds)} distortions in 5 levels"
            + (f", {self.drawn} of them per training photograph and epoch" if self._draws() else "")
        ]
        for split, named in self.splits.items():
            names, more = list(named)[:SHOWN], len(named) - SHOWN
            rest = f" and {more} more" if more > 0 else ""
            said.append(f"photographs of {split} ({len(named)}): {', '.join(names)}{rest}")
        return said

    def _draws(self) -> bool:
        return "train" in self.splits and self.drawn < len(self.kinds)

    def to_dict(self) -> dict[str, Any]:
        """What photographs.json says: enough to repeat the draw and to compare the files."""
        return {
            "photos": self.folder,
            "distort": self.set,
            "distortions": list(self.kinds),
            "split_seed": self.seed,
            "ladders": self.drawn,
            "splits": {
                split: {
                    name: {
                        "file": file.relative_to(self.folder).as_posix(),
                        "sha256": self.sha256[name],
                    }
                    for name, file in named.items()
                }
                for split, named in self.splits.items()
            },
        }


def choose_photographs(config: Config, runtime: Runtime, names: tuple[str, ...]) -> Photographs:
    """The named splits of --photos ("all": every photograph); a split of none is left out, but the
    first must have some.

    ValueError for an unknown set, too few photographs, and one photograph in two splits.
    """
    kinds = distortions_of(config.distort or "")
    found = find_photos(Path(config.photos or ""), runtime.info)
    seed = config.seed if config.split_seed is None else config.split_seed
    splits = (
        {"all": found}
        if names == ("all",)
        else split_photos(found, config.val_photos, config.test_photos, seed)
    )
    if names[0] not in splits:
        raise ValueError(
            f"--{names[0]}_photos 0: no photograph is held out for {names[0]}: pass 1 or more"
        )
    titles = {file: name for name, file in name_photos(found).items()}
    chosen = {
        split: {titles[file]: file for file in sorted(splits[split])}
        for split in names
        if split in splits
    }
    # Only training draws: an evaluation of its photographs sees all their ladders.
    trained = 0 if config.evaluate else len(chosen.get("train", ()))
    drawn = ladders_per_epoch(trained, len(kinds), config.ladders) if trained else len(kinds)
    digests = _digests(chosen, runtime)
    return Photographs(
        config.photos or "", config.distort or "", kinds, chosen, digests, seed, drawn
    )


def _digests(splits: dict[str, dict[str, Path]], runtime: Runtime) -> dict[str, str]:
    """SHA-256 of the files by name, computed once, by the main process."""
    named = {name: file for members in splits.values() for name, file in members.items()}
    found: dict[str, str] | str = {}
    if runtime.main:
        try:
            with ThreadPoolExecutor(4) as pool:
                found = dict(zip(named, pool.map(_sha256, named.values()), strict=True))
            _refuse_copies(splits, found)
        except ValueError as error:  # to be raised by all processes: the others wait for this one
            found = str(error)
    found = distributed.broadcast_object(found)
    if isinstance(found, str):
        raise ValueError(found)
    return found


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}: take it out or mend it") from None


def _refuse_copies(splits: dict[str, dict[str, Path]], digests: dict[str, str]) -> None:
    owners: dict[str, tuple[str, Path]] = {}
    for split, members in splits.items():
        for name, file in members.items():
            owner, first = owners.setdefault(digests[name], (split, file))
            if owner != split:
                raise ValueError(
                    f"{file}: a copy of {first}, which is in {owner}, would be in {split}: take "
                    "one of them out"
                )
