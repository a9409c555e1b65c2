"""What needs two flags, or a flag and a file: rules by name, each with what to pass instead.

Where a single flag belongs, and in what range, its own declaration says (config.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from applications.inputs.outputs import OUTPUT_SUFFIXES, check_outputs, folders_apart, to_stdout
from applications.inputs.vote_files import is_table, remote_tars, vote_file
from applications.training.stage_list import LISTS, split_stages
from config import Config, UsageError, check_passed
from utils.flag_words import JOINT, WORDING

NEED_WEIGHTS = ("evaluate", "test", "jit", "export", "predict")
# Of a generated ladder, below the photograph itself: as far as two images of it can be apart.
MOST_LEVELS = 5
MOST_RUNS = 26  # of --compare, which calls them A to Z
# What is broken: false where nothing is, else what the refusal calls {it}; the refusal, in which
# {c.x} is the value of a flag and {mode} the mode as it is written.
Rule = tuple[Callable[[Config], Any], str]


def check(c: Config) -> list[str]:
    """UsageError (one line) for the first rule that is broken, in any of the stages, and for an
    output that cannot be written; else what is to be said of flags that have no effect.
    """
    if c.stages is None:
        lines = check_passed(c, _criteria(c))
        _hold(c, RULES)
        _hold(c, OF_TASK[c.criterion])
        for broken, message in folders_apart(c):
            if broken:
                raise UsageError(message)
        check_outputs(c)
        return lines
    check_passed(c, ())
    _hold(c, {name: RULES[name] for name in OF_ALL_STAGES})
    stages = split_stages(c)
    lines = check_passed(c, {stage.config.criterion for stage in stages})
    for stage in stages:
        try:
            lines += check(stage.config)
        except UsageError as error:
            raise UsageError(f"stage {stage.config.stage_of}: {error}") from None
    return lines


def _hold(c: Config, rules: dict[str, Rule]) -> None:
    for broken, said in rules.values():
        if it := broken(c):
            raise UsageError(said.format(c=c, it=it, mode=WORDING.modes[c.mode()]))


def _criteria(c: Config) -> tuple[str, ...]:
    """The criterion, where this call decides it; weights bring one that was not given."""
    if c.continue_run is not None:
        return ()
    judged = c.mode() in ("evaluate", "test") and "criterion" in c.given
    return (c.criterion,) if c.mode() == "train" or judged else ()


def _labelled(c: Config) -> bool:
    return c.mode() in ("train", "evaluate")


def _wrong_suffix(c: Config) -> str:
    known = OUTPUT_SUFFIXES.get(c.mode(), ())
    right = c.output is None or to_stdout(c) or Path(c.output).suffix in known
    return "" if right else " or ".join(known)


def _several(c: Config) -> str:
    """The flags that ask for several runs of one training."""
    return ", ".join(f"--{name}" for name in ("repeats", "folds", "repeat") if getattr(c, name))


def _set(c: Config, *names: str) -> str:
    """The flag of the first of the fields that has a value."""
    return next((f"--{name}" for name in names if getattr(c, name)), "")


def _set_of(c: Config, *names: str) -> str:
    """The first of these flags that has another value than its default."""
    return next((f"--{name}" for name in names if getattr(c, name) != getattr(Config, name)), "")


def _small(c: Config) -> str:
    """The crop that --crop_from is too small for."""
    crop = c.crop_size or c.image_size
    small = any(a > b for a, b in zip(crop, c.crop_from, strict=False))
    return " ".join(map(str, crop)) if small else ""


def _unreachable(c: Config) -> str:
    """Why the margin cannot be reached, "" where it can."""
    span = (c.num_classes or 1) - 1
    levels = MOST_LEVELS if c.margin_by_level else 1
    if not c.train or span < 1 or c.margin * levels < span:
        return ""
    over = f" over {levels} levels (--margin_by_level)" if c.margin_by_level else ""
    return f"--margin {c.margin:g}{over}"


def _lacking(c: Config) -> str:
    """A flag that NEEDS another one, and that one."""
    for names, holds, needed in NEEDS:
        for name in names.split():
            if getattr(c, name) != getattr(Config, name) and not holds(c):
                return f"--{name} needs {needed}"
    return ""


TABLE_FLAGS = (
    "sheet image_column score_column votes_column rater_column std_column count_column split_column"
)
CACHED = (
    "--cache_features: it trains many heads on features that are kept: pass --freeze backbone "
    "--cache_features, or --stages head,all --cache_features"
)
TO_DISTORT = "--distort SET and --photos DIR"
# Flags that nobody reads but beside others: which, whether those are there, and how to pass them.
NEEDS: tuple[tuple[str, Callable[[Config], Any], str], ...] = (
    ("map_way", lambda c: c.maps, "--maps DIR"),
    ("ladders", lambda c: c.distort, TO_DISTORT),
    (
        "split_seed",
        lambda c: c.distort or c.labels or c.split_by or c.split_shares,
        f"{TO_DISTORT}, --labels TABLE or --split_by",
    ),
    (
        "cache",
        lambda c: c.train or remote_tars(c),
        "--train, or URLs of tar files in --labels, --test or --predict",
    ),
    (TABLE_FLAGS, lambda c: c.labels and is_table(Path(c.labels)), "--labels TABLE"),
    ("decay decay_every", lambda c: c.schedule == "exp", "--schedule exp"),
    ("crop_from", lambda c: c.crop == "random", "--crop random"),
    ("crop_size", lambda c: c.crop == "random" or c.test_crops, "--crop random or --test_crops N"),
    ("cache_views", lambda c: c.cache_features, "--cache_features"),
    ("pretrained_sha256", lambda c: c.pretrained is not False, "--pretrained, or neither"),
    ("learning_curve", lambda c: c.cache_features, CACHED),
    (" ".join([*LISTS, "stage_flags"]), lambda c: c.stages, "--stages LIST"),
)
RULES: dict[str, Rule] = {
    "tar files from elsewhere": (lambda c: c.cache is None and remote_tars(c),
        "{it}: pass --cache DIR, the folder that these tar files are fetched into"),
    "needs": (_lacking, "{it}"),
    "weights": (lambda c: c.mode() in NEED_WEIGHTS and not c.resume,
        "{mode} needs weights: pass --resume FILE, e.g. {c.checkpoints}/model_best_{c.arch}.pth, "
        "or --resume quality, the model that comes with this toolkit"),
    "suffix": (_wrong_suffix, "--output {c.output}: must end in {it}"),
    "run to continue": (lambda c: c.continue_run == "",
        "--continue: name the folder of the run"),
    "scores to continue": (
        lambda c: c.going_on and (not c.output or to_stdout(c)),
        "--continue goes on with the rows of -o FILE: pass that as well"),
    "maps go on by themselves": (lambda c: c.going_on and c.maps,
        "--continue and --maps {c.maps}: maps go on by themselves: leave --continue out"),
    "rows of broken images": (lambda c: c.bad_images == "row" and not c.predict,
        "--bad_images row: only with --predict: pass skip"),
    "images on stdin": (lambda c: "-" in c.predict and (c.maps or c.bad_images == "stop"
        and "bad_images" in c.given) and ("--maps" if c.maps else "--bad_images stop"),
        "{it}: images are named on stdin, which is read once: put the names into a .txt list"),
    "whole and precise": (lambda c: c.whole and c.precision != "fp32" and c.precision,
        "--precision {it} and --whole cannot go together: an image is resized in 32 bits"),
    "figures": (lambda c: c.figures is not None and c.no_report,
        "--figures {c.figures}: its charts are those of the report: leave out --no_report"),
    "skip unchecked": (
        lambda c: c.no_check and c.bad_images == "skip" and (c.distort or vote_file(c) is None),
        "--bad_images skip needs the check before epoch 1: leave out --no_check"),
    "fit on what is judged": (
        lambda c: c.mode() in ("evaluate", "test") and c.fit == "val" and c.split == "val",
        "--fit val with --split val: they are the same images; leave --fit out"),
    "a set named twice": (lambda c: len(set(c.test)) < len(c.test) and " ".join(c.test),
        "--test {it}: a data set is named twice"),
    "runs to compare": (
        lambda c: len(c.compare) == 1, "--compare {c.compare[0]}: name two runs or more"),
    "too many runs": (lambda c: len(c.compare) > MOST_RUNS and len(c.compare),
        f"--compare: at most {MOST_RUNS} runs, not {{it}}"),
    "resamples": (lambda c: c.compare and c.bootstrap == 0,
        "--bootstrap 0: --compare needs resamples for its intervals and p"),
    "source": (lambda c: c.prepare is not None and not c.source,
        "--prepare {c.prepare} needs --source DIR: the data set as it was downloaded"),
    "prepared folder": (lambda c: c.prepare is not None and "data" not in c.given,
        "--prepare {c.prepare} needs --data OUT: a folder that is not there yet"),
    "voted images": (
        lambda c: c.labels and c.images is None and c.data == Config.data and not c.check
        and not is_table(Path(c.labels)),
        "--labels {c.labels} needs --images DIR: the folder of the images that it names"),
    "labels or photographs": (lambda c: c.distort is not None and _set(c, "labels", "images"),
        "{it} and --distort cannot go together: the images are made from --photos"),
    "photographs alone": (lambda c: c.distort is None and _labelled(c) and c.photos is not None,
        "--photos {c.photos}: pass --distort SET as well, or write files with --generate SET and "
        "pass their folder as --data"),
    "all photographs": (
        lambda c: c.distort is None and c.mode() in ("evaluate", "test") and c.split == "all",
        "--split all needs " + TO_DISTORT),
    "photographs": (lambda c: c.distort is not None and _labelled(c) and c.photos is None,
        "--distort {c.distort} needs --photos DIR: a folder of pristine photographs"),
    "data or photographs": (
        lambda c: c.distort is not None and _labelled(c) and c.data != Config.data,
        "--data {c.data} and --distort cannot go together: the images are made from --photos"),
    "divided by rows": (
        lambda c: c.train and not c.distort and (file := vote_file(c)) and not is_table(file)
        and (it := _several(c) or _set_of(c, "split_by", "split_shares")) and (it, file),
        "{it[0]}: only with label files or a table: {it[1]} is split by --train_size, --val_size "
        "and --test_list"),
    "rows of a table": (
        lambda c: c.labels and is_table(Path(c.labels))
        and (it := _set_of(c, "train_size", "val_size", "test_list")) and (it, c.labels),
        "{it[0]}: only with AVA.txt or JSON samples: {it[1]} is divided by its own column of "
        "splits, or by --split_by and --split_shares"),
    "photographs are divided": (
        lambda c: c.distort and _set_of(c, "split_by", "split_shares"),
        "{it} and --distort cannot go together: photographs are held out by --val_photos and "
        "--test_photos"),
    "column of groups": (
        lambda c: c.split_by not in (None, "auto", "image", "reference")
        and not (c.labels and is_table(Path(c.labels))),
        "--split_by {c.split_by}: only a table (--labels) has columns: pass auto, image or group"),
    "repeats or folds": (lambda c: c.repeats and c.folds, "--repeats and --folds: choose one"),
    "equal folds": (lambda c: c.folds and c.split_shares,
        "--split_shares {c.split_shares} and --folds {c.folds} cannot go together: each fold tests "
        "on one part of {c.folds} and validates on another: leave --split_shares out"),
    "one of the runs": (lambda c: c.repeat is not None and c.repeat > (c.repeats or c.folds or 0),
        "--repeat {c.repeat}: one of the runs of --repeats N or --folds K, from 1 on"),
    "runs or stages": (
        lambda c: (c.repeats or c.folds) is not None and (it := _set(c, "stages", "distort"))
        and (_several(c).split(",")[0], it),
        "{it[0]} and {it[1]} cannot go together: leave one out"),
    "one size": (lambda c: c.train and c.resize == "native" and c.crop != "random",
        "--resize native trains only with --crop random: a batch needs images of one size"),
    "kept images": (
        lambda c: c.cache is not None and not remote_tars(c)
        and ("--distort" if c.distort
             else "--crop random without --crop_from" if c.crop == "random" and not c.crop_from
             else ""),
        "--cache {c.cache} and {it} cannot go together: it keeps images of one size, as they are "
        "before anything is drawn: leave --cache out"),
    "pixels decoded fast": (
        lambda c: c.decode == "fast"
        and ("--resize native" if c.resize == "native"
             else "--crop random" if c.crop == "random" and not c.crop_from else ""),
        "--decode fast and {it} without a resize cannot go together: images are decoded at about "
        "the size that they are resized to: pass --decode exact, or with crops --crop_from H W"),
    "small photographs": (
        lambda c: c.crop_from and (it := _small(c)) and (" ".join(map(str, c.crop_from)), it),
        "--crop_from {it[0]} is smaller than the crop of {it[1]}"),
    "two sources of weights": (lambda c: c.train and c.pretrained and c.resume is not None,
        "--pretrained and --resume both bring weights: choose one"),
    "AdvProp from nothing": (
        lambda c: c.train and c.advprop and c.pretrained is False and c.resume is None,
        "--advprop names ImageNet weights and --no_pretrained wants none: choose one"),
    "rate of what is frozen": (lambda c: c.freeze == "backbone" and c.lr_backbone is not None,
        "--lr_backbone {c.lr_backbone} with --freeze backbone: nothing is left to learn at it"),
    "features of a frozen backbone": (
        lambda c: c.train and c.cache_features is not None and c.freeze != "backbone",
        "--cache_features: only a frozen backbone has features to keep: pass --freeze backbone, "
        "or --stages head,all"),
    "features of noise": (
        lambda c: c.train and c.cache_features is not None and c.distort is not None,
        "--cache_features and --distort {c.distort}: noise is drawn anew every epoch, so that "
        "there is nothing to keep: write files with --generate, or leave --cache_features out"),
    "compiled heads": (
        lambda c: c.train and c.compile and c.cache_features is not None,
        "--compile and --cache_features cannot go together: a head alone learns in a moment: leave "
        "--compile out (--stage_flags 'all: --compile' compiles a later stage)"),
    "views that differ": (
        lambda c: c.train and c.cache_views is not None and c.crop != "random" and not c.jitter,
        "--cache_views {c.cache_views}: only with --crop random or --jitter; the whole view and "
        "its mirror are all there is"),
    "device": (lambda c: c.gpus == 0 and c.device not in ("auto", "cpu"),
        "-g 0 is the CPU and --device {c.device} is not: choose one"),
    "first machine": (lambda c: c.nodes > 1 and not c.init_method,
        "--nodes above 1 needs --init_method tcp://HOST:PORT of the first machine"),
    "rank of a machine": (
        lambda c: c.rank >= c.nodes, "--rank {c.rank} must be below --nodes {c.nodes}"),
    "synchronised": (lambda c: c.sync_bn and c.device == "cpu" and (c.gpus or 1) * c.nodes > 1,
        "--sync_bn: torch synchronises batch norm on accelerators only: leave it out with "
        "--device cpu"),
}  # fmt: skip
# Those that hold for a command before it is taken apart into stages.
OF_ALL_STAGES = (
    "repeats or folds", "equal folds", "runs or stages", "device", "first machine",
    "rank of a machine",
)  # fmt: skip
REACHABLE: Rule = (
    _unreachable,
    "{it} cannot be reached by scores between 1 and {c.num_classes}: pass a smaller --margin, or "
    "--num_classes 1",
)
BINS: Rule = (
    lambda c: c.num_classes == 1,
    "--criterion {c.criterion} needs --num_classes 2 or more: the bins of a histogram",
)
OPINIONS: Rule = (
    lambda c: c.train and c.distort,
    "--distort {c.distort} gives an order and --criterion {c.criterion} needs opinions: use "
    "--criterion rank, or label files (--data)",
)
HISTOGRAMS = {"bins": BINS, "opinions": OPINIONS}
# What a task asks of the other flags, beyond what its parts in applications/tasks can say.
OF_TASK: dict[str, dict[str, Rule]] = {
    "rank": {"reachable margin": REACHABLE},
    "regress": {"opinions": OPINIONS},
    **dict.fromkeys(("emd", "siamese", *JOINT), HISTOGRAMS),
}
