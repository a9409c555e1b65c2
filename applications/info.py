"""About backbones, without data: no mode gives a network's summary, --list_archs what there is."""

from __future__ import annotations

from pathlib import Path

from applications.inputs.runtime import Runtime
from applications.inputs.views import network_size
from applications.tasks import branches
from config import Config
from models.backbone import SIZE_ERRORS
from models.pretrained import WEIGHTS_FOLDER, whereabouts
from models.registry import adapter, list_archs, resolve
from models.sizes import build_without_data
from models.summary import summarize
from models.weight_files import first_line
from utils.text import printable


def run(config: Config, runtime: Runtime) -> int:
    """Parameters, multiply-adds and output shape per block, to stdout, or a row for each backbone
    of --list_archs, printed as soon as it is known; nothing is trained or read. 1 where no name
    matches.
    """
    if config.list_archs is None:
        print(summarize(config.arch, branches(config, None), network_size(config)))
        return 0
    names = list_archs(config.list_archs)
    if not names:
        raise ValueError(f"--list_archs {config.list_archs}: no backbone has such a name")
    width = max(map(len, names))
    print(f"{'backbone':<{width}}  parameters  input      ImageNet weights")
    for name in names:
        print(f"{name:<{width}}  {_row(name)}", flush=True)
    return 0


def _row(arch: str) -> str:
    library, name = resolve(arch)
    height, width = adapter(library).default_size(name)
    try:
        backbone = build_without_data(adapter(library), name, (height, width))
    except SIZE_ERRORS as error:
        return f"cannot be used: {printable(first_line(error))}"
    millions = sum(parameter.numel() for parameter in backbone.module.parameters()) / 1e6
    held = whereabouts(backbone, arch, Path(WEIGHTS_FOLDER))
    return f"{millions:>8.1f} M  {height:>4} x {width:<4}  {held}".rstrip()
