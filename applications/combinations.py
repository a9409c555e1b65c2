"""Combinations of flags that cannot be meant, each refused with what to pass instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from applications.stage_list import STAGE_FIELDS, split_stages
from config import Config, UsageError

NEED_WEIGHTS = {"evaluate": "-e", "jit": "--jit", "predict": "--predict"}
# What -o writes; the other modes write no file of that kind.
OUTPUT_SUFFIXES = {
    "predict": (".csv", ".json"),
    "evaluate": (".csv",),
    "jit": (".pt",),
    "check": (".json", ".html"),
}
# Of a generated ladder, below the photograph itself: as far as two images of it can be apart.
MOST_LEVELS = 5
Rule = tuple[bool, str]


def check(c: Config) -> None:
    """UsageError (one line) for the first rule that is broken, in any of the stages."""
    if c.stages is not None:
        _hold(c, _mode, _stages, _processes)
        for stage in split_stages(c):
            try:
                check(stage.config)
            except UsageError as error:
                raise UsageError(f"stage {stage.config.stage_of}: {error}") from None
        return
    _hold(c, _mode, _photographs, _stages, _numbers, _view, _model, _processes)
    if fault := TASK_RULES[c.criterion](c):
        raise UsageError(fault)


def _hold(c: Config, *rule_sets: Callable[[Config], Iterator[Rule]]) -> None:
    for rules in rule_sets:
        for broken, message in rules(c):
            if broken:
                raise UsageError(message)


def _mode(c: Config) -> Iterator[Rule]:
    mode = c.mode()
    yield (
        mode in NEED_WEIGHTS and not c.resume,
        f"{NEED_WEIGHTS.get(mode)} needs weights: pass --resume FILE, "
        f"e.g. {c.checkpoints}/model_best_{c.arch}.pth",
    )
    if c.output is not None:
        known = OUTPUT_SUFFIXES.get(mode, ())
        yield not known, f"--output {c.output}: only with -e, --predict, --jit or --check"
        wrong = Path(c.output).suffix not in known
        yield wrong, f"--output {c.output}: must end in {' or '.join(known)}"
    yield (
        c.no_check and c.bad_images == "skip",
        "--bad_images skip needs the check before epoch 1: leave out --no_check",
    )
    yield c.mirrored and mode != "check", "--mirrored: only with --check"
    yield (
        mode == "generate" and c.tile is not None and c.tile < 64,
        f"--tile {c.tile}: at least 64 pixels",
    )


def _photographs(c: Config) -> Iterator[Rule]:
    labelled = c.mode() in ("train", "evaluate")
    if c.distort is None:
        yield (
            labelled and c.photos is not None,
            f"--photos {c.photos}: pass --distort SET as well, or write files with --generate SET "
            "and pass their folder as --data",
        )
        for name in ("ladders", "split_seed"):
            yield getattr(c, name) is not None, f"--{name} needs --distort SET and --photos DIR"
        yield labelled and c.split == "all", "--split all needs --distort SET and --photos DIR"
        return
    yield (
        c.mode() == "generate",
        "--generate writes files and --distort needs none: choose one",
    )
    yield (
        labelled and c.photos is None,
        f"--distort {c.distort} needs --photos DIR: a folder of pristine photographs",
    )
    yield (
        labelled and c.data != Config.data,
        f"--data {c.data} and --distort cannot go together: the images are made from --photos",
    )
    yield (
        labelled and c.tile is not None,
        "--tile: only with --generate; --distort takes --crop random --crop_size H W",
    )
    yield (
        c.train and c.split == "all",
        "--split all: only with -e, training holds photographs out",
    )


def _stages(c: Config) -> Iterator[Rule]:
    yield c.stages is not None and not c.train, f"--stages {c.stages}: only with --train"
    alone = [name for name in STAGE_FIELDS if name != "stage_of" and getattr(c, name)]
    yield (
        c.stages is None and bool(alone),
        f"{', '.join(f'--{name}' for name in alone)}: only with --stages",
    )


def _numbers(c: Config) -> Iterator[Rule]:
    yield c.margin <= 0, f"--margin {c.margin:g} must be above 0: at 0 a constant output is optimal"
    yield (
        not 0 < c.hard_pairs <= 1,
        f"--hard_pairs {c.hard_pairs:g} must be above 0 and at most 1, which is every pair",
    )
    yield not 0 <= c.jitter <= 2, f"--jitter {c.jitter:g} must be at least 0 and at most 2"
    yield c.lr <= 0, f"--lr {c.lr:g} must be above 0"
    for name in ("lr_backbone", "lr_head"):
        rate = getattr(c, name)
        yield rate is not None and rate <= 0, f"--{name} {rate} must be above 0"
    yield c.weight_decay < 0, f"--wd {c.weight_decay:g} must not be below 0"
    yield c.clip_grad < 0, f"--clip_grad {c.clip_grad:g} must not be below 0"
    for name in ("dropout", "ema", "momentum"):
        value = getattr(c, name)
        yield not 0 <= value < 1, f"--{name} {value:g} must be at least 0 and below 1"


def _view(c: Config) -> Iterator[Rule]:
    random = c.crop == "random"
    crop = c.crop_size or c.image_size
    yield bool(c.crop_from) and not random, "--crop_from needs --crop random"
    yield (
        bool(c.crop_size) and not random and not c.test_crops,
        "--crop_size needs --crop random or --test_crops N",
    )
    yield (
        c.train and c.resize == "native" and not random,
        "--resize native trains only with --crop random: a batch needs images of one size",
    )
    if c.crop_from:
        shown = " ".join(map(str, c.crop_from))
        yield (
            any(a > b for a, b in zip(crop, c.crop_from, strict=True)),
            f"--crop_from {shown} is smaller than the crop of {' '.join(map(str, crop))}",
        )


def _model(c: Config) -> Iterator[Rule]:
    yield (
        c.train and c.pretrained and c.resume is not None,
        "--pretrained and --resume both bring weights: choose one",
    )
    yield (
        c.freeze == "backbone" and c.lr_backbone is not None,
        f"--lr_backbone {c.lr_backbone} with --freeze backbone: nothing is left to learn at it",
    )


def _processes(c: Config) -> Iterator[Rule]:
    yield (
        c.gpus == 0 and c.device not in ("auto", "cpu"),
        f"-g 0 is the CPU and --device {c.device} is not: choose one",
    )
    yield (
        c.nodes > 1 and not c.init_method,
        "--nodes above 1 needs --init_method tcp://HOST:PORT of the first machine",
    )
    yield c.rank >= c.nodes, f"--rank {c.rank} must be below --nodes {c.nodes}"
    yield (
        c.sync_bn and c.device == "cpu" and (c.gpus or 1) * c.nodes > 1,
        "--sync_bn: torch synchronises batch norm on accelerators only: "
        "leave it out with --device cpu",
    )


def _reachable_margin(c: Config) -> str | None:
    span = (c.num_classes or 1) - 1
    levels = MOST_LEVELS if c.margin_by_level else 1
    if not c.train or span < 1 or c.margin * levels < span:
        return None
    over = f" over {levels} levels (--margin_by_level)" if c.margin_by_level else ""
    return (
        f"--margin {c.margin:g}{over} cannot be reached by scores between 1 and {c.num_classes}: "
        "pass a smaller --margin, or --num_classes 1"
    )


def _enough_bins(c: Config) -> str | None:
    if c.num_classes != 1:
        return _opinions(c)
    return "--criterion emd needs --num_classes 2 or more: the bins of a histogram"


def _opinions(c: Config) -> str | None:
    if not (c.train and c.distort):
        return None
    return (
        f"--distort {c.distort} gives an order and --criterion {c.criterion} needs opinions: use "
        "--criterion rank, or label files (--data)"
    )


# What a task asks of the other flags, beyond what its parts in applications/tasks.py can say.
TASK_RULES: dict[str, Callable[[Config], str | None]] = {
    "rank": _reachable_margin,
    "emd": _enough_bins,
    "regress": _opinions,
}
