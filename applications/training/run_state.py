"""What --continue finds in a run folder: a whole state, and the best weights that belong to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from applications.inputs.payload import LEARNED
from applications.inputs.runtime import Runtime
from applications.training.run_folder import RunFolder
from applications.training.training_state import Position
from config import CONTINUE_FLAGS
from utils.files import checkpoint
from utils.files.checkpoint import CheckpointError
from utils.files.reading import read_object
from utils.runtime import distributed
from utils.runtime.logger import Logger, read_metrics
from utils.text import cut


def has_begun(folder: RunFolder) -> bool:
    """Whether there is a state to go on from; ValueError where there was one, which is not replaced
    by a new beginning.
    """
    if folder.checkpoint.exists() or folder.previous.exists():
        return True
    others = sorted(folder.path.glob("checkpoint_*.pth"))
    metrics = folder.path / "metrics.jsonl"
    trained = metrics.is_file() and metrics.stat().st_size > 0
    if others or trained or any(folder.path.glob("model_best_*.pth")):
        hint = f" ({others[0].name} is there: has arch in config.json changed?)" if others else ""
        raise ValueError(
            f"{folder.checkpoint}: no such file{hint}, and the run has begun: put a copy back, "
            "or start a new run"
        )
    return False


def last_state(folder: RunFolder) -> tuple[Path, dict[str, Any], str | None]:
    """(file, payload, what is wrong with the last state, if anything): of the last state, or of the
    one before where that is missing or damaged. CheckpointError where neither can be used.
    """
    try:
        return folder.checkpoint, _state(folder, folder.checkpoint), None
    except CheckpointError as error:
        if not folder.previous.exists():
            raise
        damage = str(error)
    try:
        return folder.previous, _state(folder, folder.previous), damage
    except CheckpointError as error:
        raise CheckpointError(f"{damage}; nor can the state before it be used: {error}") from None


def _state(folder: RunFolder, file: Path) -> dict[str, Any]:
    payload = checkpoint.load(file)
    stored, own = payload.get("config"), read_object(folder.config)
    if not isinstance(stored, dict):
        raise CheckpointError(f"{file}: not the state of a training: it has no config")
    for name in _changed(stored, own):
        now, then = (cut(repr(values.get(name))) for values in (own, stored))
        raise ValueError(
            f"{folder.config}: {name} is {now}, and was {then} when {file.name} was "
            "saved: put it back, or start a new run"
        )
    return payload


def _changed(stored: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    """Settings that differ and may not while a run goes on."""
    names = sorted({**stored, **own}.keys() - CONTINUE_FLAGS)
    return [name for name in names if stored.get(name) != own.get(name)]


def settle(
    folder: RunFolder,
    state: Mapping[str, Any],
    at: Position,
    monitor: str,
    runtime: Runtime,
    logger: Logger,
    damage: str | None,
) -> None:
    """Leaves in the folder what belongs to the state, which is loaded now, and says what else was
    there.
    """
    said = settle_best(folder, state, at, monitor, runtime.main)
    distributed.barrier()  # every process has read what the main one now replaces
    if damage:
        done = [record["step"] for record in read_metrics(folder.path / "metrics.jsonl")]
        again = max(done, default=0) - at.updates
        known = f" ({again} updates at least)" if again > 0 else ""
        stays = f"; it stays in {folder.unread.name}" if folder.checkpoint.exists() else ""
        logger.info(
            f"{damage}{stays}: going on from the state before it, of epoch {at.epoch + 1}, step "
            f"{at.step + 1}: what came after is done again{known}"
        )
        if runtime.main:
            if folder.checkpoint.exists():  # whole, perhaps, where only its reading failed
                os.replace(folder.checkpoint, folder.unread)
            os.replace(folder.previous, folder.checkpoint)
    if said:
        logger.info(said)
    logger.truncate_after(at.updates)
    logger.info(f"continuing {folder.path} at epoch {at.epoch + 1}, step {at.step + 1}")


def settle_best(
    folder: RunFolder,
    state: Mapping[str, Any],
    at: Position,
    monitor: str,
    main: bool,
) -> str | None:
    """Sees to it that the best weights in the folder are those that the position speaks of, before
    hours of training end in weights that are not there; what was done, if anything.

    Weights of a later epoch, saved just before a kill or before the last state was lost, stay the
    best until better ones come. Those that are damaged or missing come back from the published copy
    or from the state itself. CheckpointError where neither has them.
    """
    if at.best_epoch is None or (at.best != at.best and at.epoch < state["config"]["epochs"]):
        return None  # the next validation writes them
    try:
        found = _best(folder.best, state)
        if found["epoch"] > at.epoch:
            at.best, at.best_epoch = found["metrics"].get(monitor, at.best), found["epoch"]
        if found["epoch"] == at.best_epoch:
            return None
        problem = f"{folder.best}: of epoch {found['epoch']}, not of epoch {at.best_epoch}"
    except CheckpointError as error:
        problem = str(error)
    copy = folder.latest / folder.best.name
    if _is_copy(copy, state, at, monitor):
        if main:
            checkpoint.publish(copy, folder.best)
        return f"{problem}: {copy} is a copy of the right ones and takes their place"
    if at.best_epoch != at.epoch or at.step:
        raise CheckpointError(
            f"{problem}: put a copy of the best weights of epoch {at.best_epoch} there, or start a "
            f"new run from the last ones: --resume {folder.checkpoint}"
        )
    if main:
        checkpoint.save(folder.best, _best_of(folder, state, at))
    return f"{problem}: written anew: the best weights are the last ones"


def _best(file: Path, state: Mapping[str, Any]) -> dict[str, Any]:
    """Best weights of the run that `state` is of."""
    found = checkpoint.load(file)
    kinds = {"config": dict, "epoch": int, "metrics": dict}
    if not all(isinstance(found.get(name), kind) for name, kind in kinds.items()):
        raise CheckpointError(f"{file}: not the best weights of a run")
    if _changed(found["config"], state["config"]):
        raise CheckpointError(f"{file}: weights of another run")
    return found


def _is_copy(file: Path, state: Mapping[str, Any], at: Position, monitor: str) -> bool:
    try:
        found = _best(file, state)
    except CheckpointError:
        return False
    value = found["metrics"].get(monitor, at.best)
    same = value == at.best or (value != value and at.best != at.best)
    return same and found["epoch"] == at.best_epoch


def _best_of(folder: RunFolder, state: Mapping[str, Any], at: Position) -> dict[str, Any]:
    """What the trainer would have saved as the best weights when it saved this state."""
    network = ("config", "num_classes", "view", "trained_for", *LEARNED, "held")
    val = [
        {k: float("nan") if v is None else v for k, v in record.items()}
        for record in read_metrics(folder.path / "metrics.jsonl")
        if record["split"] == "val" and record.get("epoch") == at.epoch
    ]
    metrics = val[-1] if val else {}
    return {
        **{name: state[name] for name in network if name in state},
        "model": state["ema"]["module"] if state["ema"] else state["model"],
        "metrics": {k: v for k, v in metrics.items() if k not in ("step", "epoch", "split")},
        "epoch": at.epoch,
    }
