"""--cache: which images a training keeps at their training size, and the check that fills it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from applications.inputs.runtime import Runtime
from applications.inputs.splits import Data
from applications.inputs.views import train_transform, view_rule
from config import Config
from dataloader.image_cache import ImageCache
from utils.check_images import BadImage
from utils.files.disk_full import no_room
from utils.imaging.view_rule import ViewRule
from utils.runtime import distributed
from utils.runtime.progress import CountBar
from utils.text import size_text

Progress = Callable[[int, int], None]


def image_cache(config: Config) -> ImageCache | None:
    """The cache of --cache, None without it."""
    return None if config.cache is None else ImageCache(config.cache, config.max_pixels)


def check_and_keep(
    config: Config, cache: ImageCache, paths: Iterable[Path], runtime: Runtime, progress: Progress
) -> list[BadImage]:
    """As utils.check_images for the images of a training, which are kept as it sees them; those
    that are kept already were read once. For the main process.
    """
    return _fill(config, cache, train_transform(config).sized, list(paths), runtime, progress)


def keep_images(config: Config, data: Data, runtime: Runtime) -> tuple[BadImage, ...]:
    """Keeps what the check has not: images of an evaluation that sees another size, and all of them
    with --no_check. Those that cannot be read. Every process calls it, before its first image.
    """
    cache = image_cache(config)
    if cache is None:
        return ()
    bad: list[BadImage] = []
    for name, split in data.splits.items():
        rule = train_transform(config).sized if name == "train" else view_rule(config).sized
        if runtime.main:
            bar = CountBar(f"images of {name}")
            bad += _fill(config, cache, rule, split.targets.paths, runtime, bar.update)
            bar.finish()
    return tuple(distributed.broadcast_object(bad))


def _fill(
    config: Config,
    cache: ImageCache,
    rule: ViewRule,
    paths: Iterable[Path],
    runtime: Runtime,
    progress: Progress,
) -> list[BadImage]:
    missing, store = cache.missing(paths, rule), cache.store(rule)
    if not missing:
        return []
    needed = len(missing) * store.row_bytes
    if said := no_room("--cache", cache.folder, needed):
        raise ValueError(said)
    runtime.info(f"{len(missing)} images to keep, {size_text(needed)}, in {store.folder}")
    return cache.fill(missing, rule, config.workers, progress)
