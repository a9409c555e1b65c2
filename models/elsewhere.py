"""Tensors that other programs trained, under the names of our backbones: torchvision's and timm's
state dicts, the networks that wrap them (NIMA's many implementations), and what training programs
write before their names.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from models.backbone import COUNTER, Backbone
from models.registry import adapter, resolve
from models.sizes import build_without_data

# What a training program wraps round a network, and what networks call the backbone in them.
WRAPPERS = ("module.", "_orig_mod.", "model.", "net.")
PREFIXES = (*WRAPPERS, "backbone.", "base_model.")
# Layers between the last feature map and the classifier, which a new head may take the place of.
TAIL = ("classifier.", "pre_logits.", "head.", "fc.")
# Networks that people train, by what stands in the names of their tensors: --arch is proposed from
# these.
LIKELY = {
    "layer1.": (
        "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
    ),
    "features": (
        "vgg16", "vgg19", "vgg16_bn", "torchvision:mobilenet_v2", "densenet121", "alexnet",
        "torchvision:efficientnet_b0",
    ),
    "bn2.": (
        "mobilenetv2_100", "mobilenetv1_100", "mobilenetv3_large_100", "efficientnet_b0",
        "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4",
    ),
    "blocks.0.attn.": (
        "vit_small_patch16_224", "vit_base_patch16_224", "swin_tiny_patch4_window7_224",
    ),
    "stages.": ("convnext_tiny", "convnext_small"),
    "ixed_": ("inception_v3", "inception_resnet_v2"),
}  # fmt: skip

State = dict[str, Tensor]


def as_ours(state: State) -> State | None:
    """A network of this toolkit without what was wrapped round it; None for another program's."""
    for stripped in _without(state, WRAPPERS):
        if {"mean", "std"} <= stripped.keys() and any(n.startswith("backbone.") for n in stripped):
            return stripped
    return None


def find_backbone(arch: str, advprop: bool, module: nn.Module, state: State) -> State | None:
    """The tensors of `state` that are the backbone's, by the names of `module`, the backbone of
    `arch`; None when they are of another one. Layers of TAIL may be missing, all together.
    """
    if resolve(arch)[0] == "keras":  # timm's names and shapes fit some, whose padding is another
        return None
    made = _made(arch, advprop)
    own = module.state_dict()
    found = [_fitting(own, form, made.classifier) for form in _forms(module, state)]
    found += [_fitting(own, form, made.classifier) for form in _adapted(made, module, state)]
    return max((f for f in found if f is not None), key=len, default=None)


def propose_arch(state: State) -> str:
    """ ": they fit --arch NAME", or nothing where no usual network fits."""
    shapes = {name: torch.empty(t.shape, device="meta") for name, t in state.items()}
    for sign, archs in LIKELY.items():
        for arch in archs if any(sign in name for name in state) else ():
            made = _made(arch)
            own = made.module.state_dict()
            forms = _forms(made.module, shapes)
            if any(_fitting(own, form, made.classifier) is not None for form in forms):
                return f": they fit --arch {arch}"
    return ""


def _made(arch: str, advprop: bool = False) -> Backbone:
    library, name = resolve(arch)
    place = adapter(library)
    name = place.advprop_name(name) if advprop else name
    return build_without_data(place, name, place.default_size(name))


def _adapted(made: Backbone, module: nn.Module, state: State) -> Iterator[State]:
    """The state as the library itself renames what is older, or of another library."""
    for stripped in _without(state, PREFIXES):
        try:
            yield made.adapt(module, stripped)
        except (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, ValueError):
            continue  # it was made for the library's own names, and these are none, or not yet


def _without(state: State, prefixes: tuple[str, ...]) -> Iterator[State]:
    """The state, and what is left of its names after each round of taking off prefixes."""
    while True:
        yield state
        stripped = {_stripped(name, prefixes): tensor for name, tensor in state.items()}
        if stripped.keys() == state.keys() or len(stripped) < len(state):
            return
        state = stripped


def _stripped(name: str, prefixes: tuple[str, ...]) -> str:
    return next((name.removeprefix(p) for p in prefixes if name.startswith(p)), name)


def _forms(module: nn.Module, state: State) -> Iterator[State]:
    """The state under the names it may have been given: its own; those of timm's features_only,
    which joins names by "_"; those of nn.Sequential(*children), which numbers them.
    """
    flat = {name.replace(".", "_"): name for name in module.state_dict()}
    children = [name for name, _ in module.named_children()]
    for stripped in _without(state, PREFIXES):
        yield stripped
        yield {flat.get(name.replace(".", "_"), name): t for name, t in stripped.items()}
        yield {_by_number(name, children): tensor for name, tensor in stripped.items()}


def _by_number(name: str, children: list[str]) -> str:
    number, _, rest = name.partition(".")
    known = number.isdecimal() and len(number) < 4 and int(number) < len(children)
    return f"{children[int(number)]}.{rest}" if known else name


def _fitting(own: State, state: State, classifier: tuple[str, ...]) -> State | None:
    """The tensors of `own` in `state`; None where one lacks, has another shape, or where the file
    has more than a buffer or two beside them, which a deeper network has.
    """
    tail = {name for name in own if name.startswith(TAIL)}
    body = [name for name in own if name not in tail and not name.endswith(COUNTER)]
    if not body or not all(_same_shape(own, state, name) for name in body):
        return None
    heads = (*(classifier or ()), *TAIL, "heads.", "aux", "Aux")
    more = [name for name in state if name not in own and not name.startswith(heads)]
    if len(more) > max(2, len(own) // 10):
        return None
    found = {name: state[name] for name in own if name in state and name not in tail}
    if all(_same_shape(own, state, name) for name in tail if not name.endswith(COUNTER)):
        found |= {name: state[name] for name in tail if name in state}
    return found


def _same_shape(own: State, state: State, name: str) -> bool:
    return name in state and state[name].shape == own[name].shape
