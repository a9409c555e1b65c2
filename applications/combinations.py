"""Combinations of flags that cannot be meant, each refused with what to pass instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from applications.inputs.outputs import OUTPUT_SUFFIXES, check_outputs, folders_apart
from applications.inputs.vote_files import vote_file
from applications.training.stage_list import STAGE_FIELDS, split_stages
from config import Config, UsageError

NEED_WEIGHTS = {"evaluate": "-e", "test": "--test", "jit": "--jit", "predict": "--predict"}
JOINT = ("emd+rank", "emd+siamese")
# Of a generated ladder, below the photograph itself: as far as two images of it can be apart.
MOST_LEVELS = 5
MOST_RUNS = 26  # of --compare, which calls them A to Z
Rule = tuple[bool, str]


def check(c: Config) -> None:
    """UsageError (one line) for the first rule that is broken, in any of the stages, and for an
    output that cannot be written.
    """
    if c.stages is not None:
        _hold(c, _mode, _several, _stages, _processes)
        for stage in split_stages(c):
            try:
                check(stage.config)
            except UsageError as error:
                raise UsageError(f"stage {stage.config.stage_of}: {error}") from None
        return
    _hold(c, _mode, _several, _compare, _prepare, _votes, _photographs, _stages)
    _hold(c, _numbers, _view, _model, _features, folders_apart, _processes)
    if fault := TASK_RULES[c.criterion](c):
        raise UsageError(fault)
    check_outputs(c)


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
        yield (
            not known,
            f"--output {c.output}: only with -e, --test, --predict, --jit, --check, "
            "--compare, --make_buckets or --import_keras",
        )
        wrong = Path(c.output).suffix not in known
        yield wrong, f"--output {c.output}: must end in {' or '.join(known)}"
    yield c.sort and mode != "predict", "--sort: only with --predict"
    yield c.maps is not None and mode != "predict", f"--maps {c.maps}: only with --predict"
    yield c.maps is None and c.map_way != Config.map_way, f"--map_way {c.map_way} needs --maps DIR"
    yield (
        c.no_check and c.bad_images == "skip" and (bool(c.distort) or vote_file(c) is None),
        "--bad_images skip needs the check before epoch 1: leave out --no_check",
    )
    brought = {"criterion", "num_classes", "pretrained", "advprop", "resume"} & c.given
    yield (
        mode == "import_keras" and bool(brought),
        f"--import_keras: leave out {', '.join(f'--{name}' for name in sorted(brought))}: the file "
        "decides (histograms: --criterion emd)",
    )
    yield (
        mode in ("evaluate", "test") and c.fit == "val" and c.split == "val",
        "--fit val with --split val: they are the same images; leave --fit out",
    )
    yield c.mirrored and mode != "check", "--mirrored: only with --check"
    yield (
        mode == "generate" and c.tile is not None and c.tile < 64,
        f"--tile {c.tile}: at least 64 pixels",
    )


def _prepare(c: Config) -> Iterator[Rule]:
    if c.prepare is not None:
        where = f"--prepare {c.prepare} needs"
        yield not c.source, f"{where} --source DIR: the data set as it was downloaded"
        yield "data" not in c.given, f"{where} --data OUT: a folder that is not there yet"
        return
    for name in ("source", "image_paths", "random_split"):
        yield getattr(c, name) != getattr(Config, name), f"--{name}: only with --prepare NAME"


def _votes(c: Config) -> Iterator[Rule]:
    yield (
        c.labels is not None and c.images is None and c.data == Config.data and not c.check,
        f"--labels {c.labels} needs --images DIR: the folder of the images that it names",
    )
    for name in ("labels", "images"):
        yield (
            c.distort is not None and getattr(c, name) is not None,
            f"--{name} and --distort cannot go together: the images are made from --photos",
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


def _several(c: Config) -> Iterator[Rule]:
    mode = c.mode()
    for name in ("data", "photos", "distort"):
        yield (
            mode == "test" and getattr(c, name) != getattr(Config, name),
            f"--test names the data sets: leave --{name} out, or use -e",
        )
    yield mode == "test" and c.split == "all", "--split all needs --distort SET and --photos DIR"
    yield len(set(c.test)) < len(c.test), f"--test {' '.join(c.test)}: a data set is named twice"
    parts = c.repeats or c.folds
    given = [f"--{name}" for name in ("repeats", "folds", "repeat") if getattr(c, name)]
    yield (
        bool(given) and mode not in ("train", "continue_run"),
        f"{', '.join(given)}: only with --train",
    )
    yield (
        bool(given) and mode == "train" and not c.distort and vote_file(c) is not None,
        f"{', '.join(given)}: only with label files: {vote_file(c)} is split by --train_size, "
        "--val_size and --test_list",
    )
    yield bool(c.repeats and c.folds), "--repeats and --folds: choose one"
    yield c.folds is not None and c.folds < 3, f"--folds {c.folds}: 3 or more: test, val and train"
    yield (
        c.repeat is not None and c.repeat > (parts or 0),
        f"--repeat {c.repeat}: one of the runs of --repeats N or --folds K, from 1 on",
    )
    yield (
        parts is None and c.split_by != Config.split_by,
        f"--split_by {c.split_by}: only with --repeats N or --folds K",
    )
    for name in ("stages", "distort"):
        yield (
            parts is not None and getattr(c, name) is not None,
            f"{given[0] if given else ''} and --{name} cannot go together: leave one out",
        )


def _compare(c: Config) -> Iterator[Rule]:
    if not c.compare:
        return
    yield len(c.compare) < 2, f"--compare {c.compare[0]}: name two runs or more"
    yield len(c.compare) > MOST_RUNS, f"--compare: at most {MOST_RUNS} runs, not {len(c.compare)}"
    said = sorted({"data", "criterion", "resume", "split", "label_name", "fit"} & c.given)
    flags = ", ".join(f"--{name}" for name in said)
    yield bool(said), f"--compare: leave out {flags}: the runs were tested, and say on what"
    yield c.bootstrap == 0, "--bootstrap 0: --compare needs resamples for its intervals and p"


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
    yield c.bucket_width <= 0, f"--bucket_width {c.bucket_width:g} must be above 0"
    yield (
        c.loss_weights != Config.loss_weights and c.criterion not in JOINT,
        f"--loss_weights {c.loss_weights}: only with --criterion {' or '.join(JOINT)}",
    )
    yield not 0 <= c.jitter <= 2, f"--jitter {c.jitter:g} must be at least 0 and at most 2"
    yield c.lr <= 0, f"--lr {c.lr:g} must be above 0"
    yield not 0 < c.decay <= 1, f"--decay {c.decay:g} must be above 0 and at most 1"
    decays = (c.decay, c.decay_every) != (Config.decay, Config.decay_every)
    yield decays and c.schedule != "exp", "--decay and --decay_every need --schedule exp"
    for name in ("lr_backbone", "lr_head"):
        rate = getattr(c, name)
        yield rate is not None and rate <= 0, f"--{name} {rate} must be above 0"
    yield c.weight_decay < 0, f"--wd {c.weight_decay:g} must not be below 0"
    yield c.clip_grad < 0, f"--clip_grad {c.clip_grad:g} must not be below 0"
    yield (
        0 < c.bootstrap < 100,
        f"--bootstrap {c.bootstrap}: intervals need 100 resamples or more; 0 leaves them out",
    )
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


def _features(c: Config) -> Iterator[Rule]:
    if c.cache_features is None:
        yield c.cache_views is not None, "--cache_views needs --cache_features"
        return
    if not c.train:
        return
    yield (
        c.freeze != "backbone",
        "--cache_features: only a frozen backbone has features to keep: pass --freeze backbone, "
        "or --stages head,all",
    )
    yield (
        c.distort is not None,
        f"--cache_features and --distort {c.distort}: noise is drawn anew every epoch, so that "
        "there is nothing to keep: write files with --generate, or leave --cache_features out",
    )
    yield (
        c.cache_views is not None and c.crop != "random" and not c.jitter,
        f"--cache_views {c.cache_views}: only with --crop random or --jitter; the whole view and "
        "its mirror are all there is",
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
    return f"--criterion {c.criterion} needs --num_classes 2 or more: the bins of a histogram"


def _opinions(c: Config) -> str | None:
    if not (c.train and c.distort):
        return None
    return (
        f"--distort {c.distort} gives an order and --criterion {c.criterion} needs opinions: use "
        "--criterion rank, or label files (--data)"
    )


# What a task asks of the other flags, beyond what its parts in applications/tasks can say.
TASK_RULES: dict[str, Callable[[Config], str | None]] = {
    "rank": _reachable_margin,
    "emd": _enough_bins,
    "regress": _opinions,
    "siamese": _enough_bins,
    **dict.fromkeys(JOINT, _enough_bins),
}
