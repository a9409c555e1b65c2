"""Names of backbones.

The rule: a bare name means timm's model of that name; if timm has none, torchvision's; if that has
none, the one of models/backbones/keras_networks.py. `timm:NAME`, `torchvision:NAME`, `keras:NAME`
and `efficientnet_pytorch:NAME` say the library. Upper and lower case are the same, and so are - and
_ (efficientnet-b0, ResNet18, Vgg16); timm's tags are accepted (resnet18.a1_in1k). `efficientnet_b*`
is timm's because that measures faster than efficientnet-pytorch's
(tests/benchmarks/bench_efficientnet.py).
"""

from __future__ import annotations

import difflib
import fnmatch
import importlib
from typing import Any

LIBRARIES = {
    "timm": "models.backbones.timm_library",
    "torchvision": "models.backbones.torchvision_library",
    "efficientnet_pytorch": "models.backbones.efficientnet_pytorch_library",
    "keras": "models.backbones.keras_networks",
}
BARE = ("timm", "torchvision", "keras")  # the order in which a bare name is looked for
HOW_TO_LIST = (
    'python -c "from models.registry import list_archs; '
    "print(*list_archs('*net*'), sep='\\n')\" lists them"
)


def canonical_name(arch: str) -> str:
    """The one spelling of a name, with its library prefix if it has one. Loads nothing."""
    return arch.strip().lower().replace("-", "_")


def adapter(library: str) -> Any:
    """The `Library` (models/backbone.py) of this name, whose module is imported here, when it is
    needed: names alone need no torch.
    """
    return importlib.import_module(LIBRARIES[library]).LIBRARY


def resolve(arch: str) -> tuple[str, str]:
    """(library, name in its spelling); ValueError with the nearest names when there is none."""
    library, colon, name = canonical_name(arch).rpartition(":")
    if colon and library not in LIBRARIES:
        raise ValueError(f"--arch {arch}: unknown library {library}: use {', '.join(LIBRARIES)}")
    libraries = (library,) if colon else BARE
    for candidate in libraries:
        spelled = adapter(candidate).spell(name)
        if spelled is not None:
            return candidate, spelled
    near = _nearest(name, libraries)
    guess = f": did you mean {', '.join(near)}?" if near else ":"
    raise ValueError(f"--arch {arch}: unknown backbone{guess} {HOW_TO_LIST}")


def _nearest(name: str, libraries: tuple[str, ...]) -> list[str]:
    known = set().union(*(adapter(library).names() for library in libraries))
    base, _, tag = name.partition(".")
    if tag and base in known:  # the model exists, the set of weights does not
        return sorted(n for n in adapter("timm").tagged_names() if n.startswith(f"{base}."))
    # What people type differs from the names mostly in separators: resnet_18, efficientnetb0.
    plain = {entry.replace("_", ""): entry for entry in sorted(known)}
    near = difflib.get_close_matches(name.replace("_", ""), plain, n=5)
    return [plain[match] for match in near]


def list_archs(pattern: str = "*") -> list[str]:
    """Every backbone as it may be given to --arch, sorted; `pattern` has shell wildcards."""
    found: set[str] = set()
    for library in (*BARE, *(other for other in LIBRARIES if other not in BARE)):
        for name in adapter(library).names():
            bare = library in BARE and name not in found
            found.add(name if bare else f"{library}:{name}")
    return sorted(fnmatch.filter(found, canonical_name(pattern)))
