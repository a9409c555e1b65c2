"""--import_keras: weights of Keras's NIMA projects as a checkpoint that every other mode takes."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from applications.inputs.outputs import file_arch
from applications.inputs.payload import network_payload
from applications.inputs.runtime import Runtime
from applications.inputs.views import network_size, view_rule
from config import Config
from models.keras.importing import Imported, read_keras
from models.quality_net import QualityNet, build_model
from utils.files import checkpoint


def run(config: Config, runtime: Runtime) -> int:
    """Writes checkpoints/model_best_<arch>.pth (or -o FILE), which must not exist, and says what
    became of every tensor of the file.
    """
    source = Path(config.import_keras or "")
    if config.output:
        _refuse_to_overwrite(Path(config.output))
    arch = config.arch if "arch" in config.given else None
    imported = read_keras(source, arch, network_size(config))
    for line in imported.lines():
        runtime.info(f"{source}: {line}")
    name = f"model_best_{file_arch(imported.arch)}.pth"
    target = Path(config.output or Path(config.checkpoints) / name)
    _refuse_to_overwrite(target)
    model = _model(imported, config)
    stored = dataclasses.replace(
        config, import_keras=None, output=None, criterion="emd",
        arch=imported.arch, num_classes=imported.num_classes,
    )  # fmt: skip
    payload = {
        **network_payload(stored.to_dict(), model, view_rule(config)),
        "trained_for": [stored.criterion],
        "model": model.state_dict(),
        "metrics": {},
        "imported": {
            "file": source.name,
            "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
            "tensors": imported.sources,
            "ones": list(imported.ones),
        },
    }
    checkpoint.save(target, payload)
    runtime.info(f"{target}: {imported.num_classes} bins; use it with --resume")
    return 0


def _refuse_to_overwrite(target: Path) -> None:
    if target.exists():
        raise ValueError(f"{target}: exists and is not overwritten: pass another name with -o FILE")


def _model(imported: Imported, config: Config) -> QualityNet:
    """The network with the file's weights; its normalisation, to [-1, 1], is its own."""
    model = build_model(imported.arch, imported.num_classes, network_size(config), config.dropout)
    own = model.state_dict()
    assert own.keys() - imported.state.keys() == {"mean", "std"}
    model.load_state_dict({**own, **imported.state})
    return model
