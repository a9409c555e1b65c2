"""--cache_features: a frozen backbone's features of the views that training and evaluation see,
computed once and kept on the disk for this run and later ones.

Features are used again only where everything that they depend on is the same: the backbone's
weights, name and library, the views and their size, precision, kind of device, and the image file
itself (utils/files/row_store.py, file_name).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from applications.evaluation.judging import Judging, split_to_fit_on
from applications.evaluation.scoring import Scorer, padded, raise_together, to_input
from applications.inputs.data import Data
from applications.inputs.outputs import file_arch
from applications.inputs.run_record import PACKAGES, versions
from applications.inputs.runtime import Runtime
from applications.training.trainer import Trainer
from config import Config
from dataloader.batch import Targets
from dataloader.loader import LoadFault, batches, make_loader
from dataloader.sources import Source
from dataloader.views.kept_views import (
    EvaluationViews,
    FeatureSteps,
    KeptViewDataset,
    KeptViews,
    training_views,
    view_keys,
)
from models.quality_net import QualityNet
from utils.files import checkpoint
from utils.files.disk_full import no_room
from utils.files.row_store import Rows, RowStore, file_name
from utils.imaging.images import ImageError
from utils.runtime import distributed
from utils.runtime.device import autocast
from utils.runtime.progress import CountBar
from utils.text import size_text

# To be raised when this program reads images, makes views of them, or keeps rows differently.
FORMAT = 3
VIEWS = 8  # default of --cache_views
EXACT = "val in float32"
Group = tuple[np.ndarray, np.ndarray]
FEWEST, PARTS = 256, 64  # images per part of the store, and parts of a large split


@dataclass(frozen=True)
class Wanted:
    """Features of one split's images: `views` of each of `paths`, which `keys` draw; `names` of
    their rows in `store`; `missing` (M,): positions of those that are not there yet.
    """

    split: str
    paths: list[Source]
    views: KeptViews
    keys: np.ndarray
    amp: str
    store: RowStore
    names: np.ndarray
    missing: np.ndarray

    @property
    def missing_bytes(self) -> int:
        return len(self.missing) * self.store.row_bytes


def keep_features(config: Config, trainer: Trainer, data: Data) -> dict[str, Rows]:
    """Computes what is not there yet, makes the trainer learn and validate from it, and returns the
    features of every split, of val also in float32 as EXACT where that is asked for.

    Call it when the trainer has its weights. Raises ValueError where the disk is too small,
    ImageError for an image that cannot be read, and Stopped when a signal asked for it: what is
    computed by then is kept.
    """
    runtime, model, rule = trainer.runtime, trainer.model, trainer.scorer.view
    splits = data.splits.items()
    seen = training_views(trainer.dataset.transform, config.seed, config.cache_views or VIEWS)
    weights, wanted = _weights(model), []
    # The test is in float32, and so are the scores that its logistics are fitted on.
    kinds = [(name, split, "off" if name == "test" else runtime.amp) for name, split in splits]
    fitted = split_to_fit_on(Judging(0, 0, config.fit, trained=True), trainer.task, data.splits)
    if fitted and "test" in data.splits and runtime.amp != "off":
        kinds.append((EXACT, fitted, "off"))
    for name, split, amp in kinds:
        views = seen if name == "train" else EvaluationViews(rule)
        store = _store(config, runtime, model, weights, views, amp)
        wanted.append(_wanted(name, split.targets, views, amp, store, runtime))
    _check_room(wanted, runtime)
    found = {}
    for want in wanted:
        if len(want.missing):
            _compute(want, trainer)
        else:
            trainer.logger.info(
                f"features of {want.split}: those of all {len(want.paths)} images found in "
                f"{want.store.folder}"
            )
        found[want.split] = _rows(want)
    trainer.dataset = FeatureSteps(trainer.dataset, seen, found["train"])
    trainer.scorer = replace(trainer.scorer, features=found.get("val"))
    return found


def _weights(model: QualityNet) -> str:
    """SHA-256 of all that the backbone computes with."""
    normalisation = {"mean": model.mean, "std": model.std}
    return checkpoint.digest({**normalisation, "backbone": model.backbone.state_dict()})


def _store(
    config: Config,
    runtime: Runtime,
    model: QualityNet,
    weights: str,
    views: KeptViews,
    amp: str,
) -> RowStore:
    about = {
        "format": FORMAT,
        "arch": model.arch,
        "backbone": model.backbone_name,
        "weights_sha256": weights,
        "image_size": list(model.image_size),
        **views.about(),
        "max_pixels": config.max_pixels,
        "amp": amp,
        "device": runtime.device.type,
        "packages": versions(name for name in PACKAGES if name != "scipy"),
    }
    about = json.loads(json.dumps(about))  # as it will be read again
    digest = checkpoint.digest(about)
    folder = Path(config.cache_features or ".") / f"{file_arch(model.arch)}-{digest[:16]}"
    features = model.heads["quality"].fc.in_features
    return RowStore(folder, about, (views.count, features))


def _wanted(
    split: str, targets: Targets, views: KeptViews, amp: str, store: RowStore, runtime: Runtime
) -> Wanted:
    paths = targets.paths
    keys = view_keys(targets) if views.keyed else np.zeros(len(paths), dtype=np.int64)
    names = missing = None
    if runtime.main:  # the others must not see what somebody adds meanwhile
        store.prepare()
        names = np.array(
            [_name(p, int(k) if views.keyed else None) for p, k in zip(paths, keys, strict=True)]
        )
        missing = store.missing(names)
        for part in store.damaged:
            runtime.info(f"{part}: damaged, and removed: what it held is computed anew")
    names, missing = distributed.broadcast_object((names, missing))
    return Wanted(split, paths, views, keys, amp, store, names, missing)


def _name(path: Source, key: int | None) -> bytes:
    """Of the features of a file as it is now."""
    try:
        return file_name(path, *(() if key is None else (key,)))
    except OSError as error:
        raise ImageError(path, f"{error.strerror}: check the path") from None


def _check_room(wanted: list[Wanted], runtime: Runtime) -> None:
    """ValueError on every process where the disk has no room for all that is to be computed."""
    folder = wanted[0].store.folder.parent
    needed = sum(want.missing_bytes for want in wanted)
    if said := distributed.broadcast_object(no_room("--cache_features", folder, needed)):
        raise ValueError(said)


def _rows(want: Wanted) -> Rows:
    try:
        return want.store.rows(want.names)
    except KeyError:
        raise ValueError(
            f"{want.store.folder}: features that were written are not there: --cache_features "
            "must name a folder that all machines share and nobody empties meanwhile"
        ) from None


def _compute(want: Wanted, trainer: Trainer) -> None:
    """Each process computes its share of what is missing, in parts that are kept at once; all of
    them stop together.
    """
    runtime, size = trainer.runtime, trainer.runtime.world.size
    shares = [_views_of(want, trainer.scorer, want.missing[r::size]) for r in range(size)]
    dataset = shares[runtime.world.rank]
    images = max(FEWEST, math.ceil(len(want.paths) / PARTS))
    groups = math.ceil(images / len(shares[0].groups[0]))  # of a part
    features = _features(want, trainer, dataset)
    for _ in range(math.ceil(len(shares[0]) / groups)):
        fault = _add_part(want, islice(features, groups), runtime)
        if distributed.any_rank(fault is not None or runtime.stop_signal is not None):
            break
    features.close()
    raise_together(fault)
    if runtime.stop_requested():
        trainer.stop()


def _views_of(want: Wanted, scorer: Scorer, images: np.ndarray) -> KeptViewDataset:
    size = max(1, scorer.batch_size // want.views.count)  # so many views at once as in scoring
    return KeptViewDataset(
        want.paths, scorer.view, want.views, want.keys, size, scorer.max_pixels, images.tolist(),
        scorer.cache,
    )  # fmt: skip


def _add_part(want: Wanted, features: Iterator[Group | str], runtime: Runtime) -> str | None:
    """Keeps what comes, up to a fault, which is returned, or a signal."""
    images, rows, fault = [], [], None
    for item in features:
        if isinstance(item, str):
            fault = item
            break
        images.append(item[0])
        rows.append(item[1])
        if runtime.stop_signal is not None:
            break
    if images:
        want.store.add(want.names[np.concatenate(images)], np.concatenate(rows))
    return fault


def _features(
    want: Wanted, trainer: Trainer, dataset: KeptViewDataset
) -> Generator[Group | str, None, None]:
    """(positions (n,), features (n, V, F)) of one group of images after the other, or a fault."""
    runtime, scorer = trainer.runtime, trainer.scorer
    assert not trainer.model.backbone.training
    workers = min(scorer.workers, len(dataset))
    loader = make_loader(dataset, range(len(dataset)), workers, runtime.device)
    bar = CountBar(f"features of {want.split}" if runtime.main else None)
    begun, done = time.perf_counter(), 0
    total = sum(map(len, dataset.groups))
    for number, item in enumerate(batches(loader)):
        if isinstance(item, LoadFault):
            yield item.message
            return
        views, indices, counts = item
        rows = _forward(trainer.model, views, want.amp, runtime)
        rows = padded(rows, counts.numpy(), want.views.count)
        done += len(indices)
        now = time.perf_counter()
        if number == min(1, len(dataset) - 1):  # the first one warms up
            _announce(want, trainer, (now - begun) * len(dataset))
        if number == 0:
            begun = now
        bar.update(done, total)
        yield indices.numpy(), rows
    bar.finish()


@torch.inference_mode()
def _forward(model: QualityNet, views: torch.Tensor, amp: str, runtime: Runtime) -> np.ndarray:
    """uint8 (v, 3, H, W) -> float32 (v, F)."""
    with autocast(runtime.device, amp):
        features = model.features(to_input(views, runtime.device))
    return features.float().cpu().numpy()


def _announce(want: Wanted, trainer: Trainer, seconds: float) -> None:
    spoken = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    trainer.logger.info(
        f"features of {want.split}: {len(want.missing)} of {len(want.paths)} images to compute, "
        f"{want.views.count} view(s) each, {size_text(want.missing_bytes)} into "
        f"{want.store.folder}, about {spoken}"
    )
