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
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

LIBRARIES = {
    "timm": "models.backbones.timm_library",
    "torchvision": "models.backbones.torchvision_library",
    "efficientnet_pytorch": "models.backbones.efficientnet_pytorch_library",
    "keras": "models.backbones.keras_networks",
}
BARE = ("timm", "torchvision", "keras")  # the order in which a bare name is looked for
HOW_TO_LIST = "python main.py --list_archs '*net*' lists them"
LOOK_ALIKE = ({"o", "0"}, {"l", "1"}, {"i", "1"})


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
        if candidate == "timm" and not colon and _surely_lacks("timm", name):
            continue
        spelled = adapter(candidate).spell(name)
        if spelled is not None:
            return candidate, spelled
    near = _nearest(name, libraries)
    guess = f": did you mean {', '.join(near)}?" if near else ":"
    raise ValueError(f"--arch {arch}: unknown backbone{guess} {HOW_TO_LIST}")


@cache
def _surely_lacks(package: str, name: str) -> bool:
    """Whether the name stands nowhere in the package's models, each of which is a function there:
    that spares importing all of them.
    """
    word = re.escape(name.partition(".")[0].encode())
    # Looked for first, and only then whether a word begins there: that is many times as fast.
    return not re.search(word + rb"(?<=\b" + word + rb")\b", _models_of(package))


@cache
def _models_of(package: str) -> bytes:
    """The source of a package's models, as one text."""
    found = importlib.util.find_spec(package)
    folder = Path((found.submodule_search_locations or [""])[0] if found else "") / "models"
    return b"\n".join(file.read_bytes() for file in folder.glob("*.py"))


def _nearest(name: str, libraries: tuple[str, ...]) -> list[str]:
    known = set().union(*(adapter(library).names() for library in libraries))
    base, _, tag = name.partition(".")
    if tag and base in known:  # the model exists, the set of weights does not
        return sorted(n for n in adapter("timm").tagged_names() if n.startswith(f"{base}."))
    # What people type differs from the names in separators (resnet_18, efficientnetb0), and by few
    # letters; the rest is difflib's guess.
    plain = {entry.replace("_", ""): entry for entry in sorted(known)}
    typed = name.replace("_", "")
    likely = difflib.get_close_matches(typed, plain, n=50, cutoff=0.5)
    few = 1 + len(typed) // 4
    near = sorted(likely, key=lambda match: min(edits(typed, match), few))
    return [plain[match] for match in near[:5]]


def edits(typed: str, known: str) -> float:
    """How many letters have to be put in, left out, replaced or exchanged with their neighbour to
    make one word of the other; letters that look alike (o and 0) count a quarter.
    """
    before: list[float] = []
    row = [float(j) for j in range(len(known) + 1)]
    for i, x in enumerate(typed, start=1):
        two_before, before, row = before, row, [float(i)]
        for j, y in enumerate(known, start=1):
            change = 0 if x == y else 0.25 if {x, y} in LOOK_ALIKE else 1
            costs = [before[j] + 1, row[j - 1] + 1, before[j - 1] + change]
            if i > 1 < j and typed[i - 2] == y and x == known[j - 2]:
                costs.append(two_before[j - 2] + 1)
            row.append(min(costs))
    return row[-1]


def list_archs(pattern: str = "*") -> list[str]:
    """Every backbone as it may be given to --arch, sorted; `pattern` has shell wildcards."""
    found: set[str] = set()
    for library in (*BARE, *(other for other in LIBRARIES if other not in BARE)):
        for name in adapter(library).names():
            bare = library in BARE and name not in found
            found.add(name if bare else f"{library}:{name}")
    # A - between brackets is a range.
    wanted = re.sub(
        r"\[[^]]*\]|-", lambda part: part[0] if part[0] != "-" else "_", pattern.lower()
    )
    return sorted(fnmatch.filter(found, wanted.strip()))
