"""Names of backbones.

The rule: a bare name means timm's model of that name; if timm has none, torchvision's. `timm:NAME`,
`torchvision:NAME` and `efficientnet_pytorch:NAME` say the library. Upper and lower case, - and _ are the same
(efficientnet-b0, ResNet18, Vgg16); timm's tags are accepted (resnet18.a1_in1k). `efficientnet_b*` is timm's because
it measures faster than efficientnet-pytorch's (tests/benchmarks/bench_efficientnet.py).
"""

from __future__ import annotations

import difflib
import fnmatch
import importlib
from types import ModuleType

# In the order in which a bare name is looked for; the last one answers only to its prefix.
LIBRARIES = {
    "timm": "models.timm_backbones",
    "torchvision": "models.torchvision_backbones",
    "efficientnet_pytorch": "models.efficientnet_pytorch_backbones",
}
BARE = ("timm", "torchvision")
HOW_TO_LIST = "python -c \"from models.registry import list_archs; print(*list_archs('*net*'), sep='\\n')\" lists them"


def canonical_name(arch: str) -> str:
    """The one spelling of a name, a possible library prefix included: `ResNet-18` -> `resnet_18`. Loads nothing."""
    return arch.strip().lower().replace("-", "_")


def adapter(library: str) -> ModuleType:
    """The module of ours that builds this library's models; the library is imported here, when it is needed."""
    return importlib.import_module(LIBRARIES[library])


def resolve(arch: str) -> tuple[str, str]:
    """(library, name in its spelling) of an architecture; ValueError with the nearest names when there is none."""
    name = canonical_name(arch)
    library, colon, rest = name.rpartition(":")
    if colon and library not in LIBRARIES:
        raise ValueError(f"--arch {arch}: unknown library {library}: one of {', '.join(LIBRARIES)}")
    for candidate in (library,) if colon else BARE:
        spelled = adapter(candidate).spell(rest)
        if spelled is not None:
            return candidate, spelled
    raise ValueError(f"--arch {arch}: unknown backbone{_nearest(rest, library)}; {HOW_TO_LIST}")


def _nearest(name: str, library: str) -> str:
    known = set().union(*(adapter(lib).names() for lib in ((library,) if library else BARE)))
    base, _, tag = name.partition(".")
    if tag and base in known:  # the model exists, the set of weights does not
        known = {
            tagged for tagged in adapter("timm").tagged_names() if tagged.startswith(f"{base}.")
        }
    # Typed names differ from real ones mostly in separators: resnet_18, efficientnetb0.
    plain = {entry.replace("_", ""): entry for entry in sorted(known)}
    near = [
        plain[match]
        for match in difflib.get_close_matches(name.replace("_", ""), plain, n=5, cutoff=0.6)
    ]
    return f": did you mean {', '.join(near)}?" if near else ""


def list_archs(pattern: str = "*") -> list[str]:
    """Every architecture as it may be given, sorted; `pattern` has shell wildcards, in any case, with - or _."""
    timm_names = adapter("timm").names()
    found = set(timm_names)
    for library in ("torchvision", "efficientnet_pytorch"):
        for name in adapter(library).names():
            bare = library in BARE and name not in timm_names
            found.add(name if bare else f"{library}:{name}")
    return sorted(fnmatch.filter(found, canonical_name(pattern)))
