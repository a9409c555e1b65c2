"""What a training's weights begin from: decided once, before any data is read, and written into
the run's configuration, so that a repeat takes the same weights or none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from applications.inputs.runtime import Runtime
from applications.inputs.views import network_size
from applications.inputs.weights import open_weights
from config import Config
from models.pretrained import WEIGHTS_FOLDER, NoWeights, find_weights
from models.quality_net import QualityNet
from models.registry import canonical_name
from models.sizes import build_backbone
from models.weight_files import why_offline
from models.weight_packages import PACKAGES
from utils.imaging.view_rule import ViewRule
from utils.runtime import distributed

FOLDER = Path(WEIGHTS_FOLDER)
# docs/numbers.md has the commands.
COST = (
    "on 1,300 rated photographs SRCC was 0.78 from ImageNet weights after 4 epochs, 0.53 from "
    "random ones after 25"
)


@dataclass(frozen=True)
class _Decision:
    """sha256: of the ImageNet weights to begin from, None for random ones. said: to the user.
    problem: why the training cannot begin at all.
    """

    sha256: str | None = None
    said: str = ""
    problem: str = ""


def with_beginning(config: Config, runtime: Runtime) -> Config:
    """The configuration with what --pretrained and --interpolation leave open: whether there are
    ImageNet weights, their SHA-256, and how images were resized for them. The main process looks,
    and downloads. ValueError where weights that were asked for cannot be had.
    """
    if config.resume:
        _, payload = open_weights(config.resume)
        view = payload.get("view")
        own = ViewRule.from_dict(view).interpolation if view else None
        return filled(config, pretrained=False, interpolation=config.interpolation or own)
    if config.pretrained is False and not config.advprop:
        return config
    backbone = build_backbone(config.arch, network_size(config), config.advprop, without_data=True)
    decision = _decide(config, backbone) if runtime.main else _Decision()
    decision = distributed.broadcast_object(decision)
    if decision.problem:
        raise ValueError(decision.problem)
    if decision.said:
        runtime.info(decision.said)
    if decision.sha256 is None:
        return filled(config, pretrained=False)
    interpolation = config.interpolation or backbone.interpolation
    return filled(
        config, pretrained=True, pretrained_sha256=decision.sha256, interpolation=interpolation
    )


def filled(config: Config, **values: Any) -> Config:
    """The configuration with values that were decided at the start, as if flags had said them."""
    return replace(config, **values, given=config.given | values.keys())


def offline(config: Config) -> str:
    """Why no network is to be asked; "" where one may be."""
    return "--offline is set" if config.offline else why_offline()


def began_from(config: Config, model: QualityNet) -> str:
    """Where the first weights of the network were found, in words; asked of the main process."""
    report = model.pretrained_report
    return config.resume or (f"{report.source}, {report.note}" if report else "random weights")


def _decide(config: Config, backbone: Any) -> _Decision:
    try:
        found = find_weights(
            backbone, canonical_name(config.arch), FOLDER, config.pretrained_sha256, offline(config)
        )
    except NoWeights as error:
        if config.pretrained or config.advprop or config.pretrained_sha256:
            return _Decision(problem=f"--pretrained: {error}{_instead(config.arch)}")
        return _Decision(
            said=f"warning: RANDOM WEIGHTS: {error}{_instead(config.arch)}; {COST} "
            "(--no_pretrained: begin from random weights without this line)"
        )
    except ValueError as error:
        return _Decision(problem=str(error))
    return _Decision(found.sha256)


def _instead(arch: str) -> str:
    """Another backbone whose weights a package has, installed ones before others."""
    others = [package for package in PACKAGES if package.arch != arch]
    held = [package for package in others if package.version()]
    if held:
        return f"; at hand: --arch {held[0].arch} ({held[0].name} {held[0].version()})"
    return f"; or pip install {others[0].name} and pass --arch {others[0].arch}"
