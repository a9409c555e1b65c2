"""Labels that nobody has divided into train, val and test: how that is done, what is said of it,
and the near duplicates that have to stay together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from applications.inputs.run_record import kept_together
from applications.inputs.runtime import Runtime
from applications.inputs.splits import Data, Split, divided_by, kept_by, resplit
from applications.inputs.voted import VotedImages
from applications.tasks import Task
from config import Config
from dataloader.labels.labels import Labels
from utils.check_images import BadImage, check_images
from utils.duplicates.groups import near_groups
from utils.duplicates.image_facts import ImageFacts, inspect_images, thumbnails
from utils.runtime import distributed


def to_divide(config: Config, data: VotedImages | Mapping[str, Labels]) -> bool:
    """Whether a training draws its splits: of rows that no column divides, of --data's label files
    where --split_by or --split_shares asks for it, and of each of --repeats and --folds.
    ValueError where label files have a test already.
    """
    if not (config.train or config.continue_run):
        return False
    if config.repeat:
        return True
    asked = config.split_by is not None or config.split_shares is not None
    if isinstance(data, VotedImages):
        return data.undivided
    if asked and "test" in data:
        raise ValueError(
            f"--split_by {kept_by(config)}: {config.data} has test/ already: leave it out, or "
            "divide all labels again and again with --repeats N"
        )
    return asked


class NearDuplicates:
    """Those among the images of a training that is to be divided: found while they are checked by
    the main process, or, where a run goes on, as they were found when it began.
    """

    def __init__(self, config: Config, runtime: Runtime) -> None:
        self.runtime, self._known = runtime, kept_together(config)
        self.wanted = kept_by(config) == "auto" and self._known is None and not config.no_check
        self._seen: list[ImageFacts] = []

    def check(
        self,
        paths: Iterable[Path],
        workers: int | None,
        max_pixels: int,
        progress: Callable[[int, int], None] | None,
        smallest: int,
    ) -> list[BadImage]:
        """As utils.check_images, keeping a thumbnail of every image that is read, if wanted."""
        if not self.wanted:
            return check_images(paths, workers, max_pixels, progress, smallest)
        found = inspect_images(paths, workers, max_pixels, progress, smallest)
        self._seen += [one for one in found if one.reason is None]
        return [BadImage(one.path, one.reason) for one in found if one.reason is not None]

    def groups(self) -> tuple[tuple[Path, ...], ...]:
        """Images of which each is a near duplicate of another one, two or more at a time."""
        if self._known is not None:
            return self._known
        found: tuple[tuple[Path, ...], ...] = ()
        if self.wanted and self.runtime.main:
            near = near_groups(thumbnails(self._seen))
            found = tuple(tuple(self._seen[m].path for m in group.members) for group in near)
        return tuple(distributed.broadcast_object(found))


def divided(
    config: Config,
    task: Task,
    splits: Mapping[str, Split],
    runtime: Runtime,
    near: NearDuplicates,
    bad: Sequence[BadImage],
) -> Data:
    """All labels of `splits`, divided as the flags say; what was done is said."""
    alike = near.groups()
    made = resplit(config, task, splits, alike)
    if not config.repeat:
        counts = ", ".join(f"{name} {len(s.targets.paths)}" for name, s in made.items())
        scored = next(iter(made.values())).labels.values is not None
        again = ", and --labels reads it again" if scored else ""
        runtime.info(
            f"divided into {counts} images (--split_by {kept_by(config)}, seed "
            f"{divided_by(config)}): {_how(config, alike, made)}; split.csv of the run folder "
            f"keeps it{again}"
        )
    return Data(made, tuple(bad), alike=alike, drawn=True)


def _how(config: Config, alike: Sequence[Sequence[Path]], made: Mapping[str, Split]) -> str:
    """What was kept together, and whether scores are spread alike."""
    said = []
    if all(split.labels.versions is not None for split in made.values()):
        known = {
            r for s in made.values() if s.labels.versions for r in s.labels.versions.reference_id
        } - {""}
        if kept_by(config) != "image":
            said.append(f"{len(known)} groups kept together")
    if kept_by(config) == "auto":
        images = sum(map(len, alike))
        looked = "not looked for (--no_check)" if config.no_check and not alike else (
            f"{images} images in {len(alike)} sets kept together" if alike else "none found"
        )  # fmt: skip
        said.append(f"near duplicates: {looked}")
    if kept_by(config) == "image":
        said.append("every image by itself")
    if next(iter(made.values())).labels.values is not None:
        said.append("stratified by score")
    return ", ".join(said)
