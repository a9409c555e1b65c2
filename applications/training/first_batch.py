"""The picture of a run's first batch."""

from __future__ import annotations

from pathlib import Path

from dataloader.batch import Batch
from dataloader.loader import StepDataset
from dataloader.views.kept_views import FeatureSteps
from utils.drawing.sheet import batch_sheet
from utils.files.writing import write_bytes

PICTURED = 32  # images that are drawn


def picture(dataset: StepDataset, batch: Batch, path: Path) -> None:
    """The first images of a batch as the network sees them, with their labels; read again where
    the batch holds features.
    """
    if isinstance(dataset, FeatureSteps):
        batch = dataset.seen(0, 0)
    targets = {name: value.numpy() for name, value in batch.targets.items()}
    count = min(PICTURED, len(batch.images))
    captions = dataset.targets.captions(targets, count)
    picture = batch_sheet(batch.images[:count].numpy(), captions)
    write_bytes(path, picture)
