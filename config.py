"""Every flag of the command line, declared once, and the frozen `Config` they make.

Imports the standard library only, so `--help` answers at once. A flag is a field of `Config`; its parser argument,
its help text and its default stand in the same place.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

CRITERIONS = {
    "rank": "rank", "ranking_loss": "rank",
    "emd": "emd", "emd_loss": "emd",
    "regress": "regress", "regress_loss": "regress",
}  # fmt: skip
MODES = ("train", "evaluate", "jit", "predict", "check", "generate", "continue_run")
# What may change when a run goes on: nothing that its result depends on.
CONTINUE_FLAGS = frozenset(
    "continue_run workers device gpus nodes rank init_method print_freq checkpoints threads".split()
)
_GROUPS = {
    "mode": "what to do (none of these: print the model's summary)",
    "data": "data",
    "view": "from image to network input",
    "model": "model",
    "task": "task",
    "optim": "optimisation",
    "run": "devices and processes",
    "out": "output",
}


def flag(group: str, default: Any, *names: str, help: str, **options: Any) -> Any:
    """One field of Config together with its command-line argument."""
    return dataclasses.field(
        default=default, metadata={"group": group, "names": names, "help": help, "options": options}
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def _size(text: str) -> int:
    value = _positive(text)
    if value > 16384:
        raise argparse.ArgumentTypeError(f"{text} pixels is over the limit of 16384")
    return value


def _criterion(text: str) -> str:
    if text not in CRITERIONS:
        near = difflib.get_close_matches(text, CRITERIONS, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise argparse.ArgumentTypeError(f"unknown criterion {text!r}: {hint}one of rank, emd, regress")
    return CRITERIONS[text]


_SIZE = {"type": _size, "nargs": "+", "metavar": "PIXELS"}


@dataclass(frozen=True)
class Config:
    """What one call of main.py was asked to do. `given` names the fields set by a flag or a configuration file."""

    # fmt: off
    train: bool = flag("mode", False, "--train", help="train, keep the best weights, test them")
    evaluate: bool = flag("mode", False, "-e", "--evaluate", "--evaluation", help="evaluate --resume weights on a split")
    jit: bool = flag("mode", False, "--jit", help="export --resume weights to TorchScript with a .json beside it")
    predict: tuple[str, ...] = flag("mode", (), "--predict", nargs="+", metavar="PATH",
        help="score images: files, folders, globs, or .txt lists of files")
    check: str | None = flag("mode", None, "--check", nargs="?", const="", metavar="DATA",
        help="find every fault of labels and images in DATA (default: --data)")
    generate: str | None = flag("mode", None, "--generate", metavar="SET",
        help="write distorted versions of --photos into --data (sets: basic)")
    continue_run: str | None = flag("mode", None, "--continue", metavar="RUN_DIR",
        help="go on with an interrupted run, bit for bit")
    config: str | None = flag("mode", None, "--config", metavar="FILE",
        help="repeat a run's config.json; flags override it")

    data: str = flag("data", "data/", "--data", metavar="DIR", help="root with train/ val/ test/, each with a label file")
    label_name: str = flag("data", "label.txt", "--label_name", metavar="NAME", help="label file inside each split's folder")
    split: str = flag("data", "test", "--split", choices=("train", "val", "test"), help="split that -e evaluates")
    bad_images: str = flag("data", "stop", "--bad_images", choices=("stop", "skip"),
        help="unreadable images in training: stop, or leave out, count and list")
    no_check: bool = flag("data", False, "--no_check", help="do not decode every image before epoch 1")
    max_pixels: int = flag("data", 179_000_000, "--max_pixels", type=_positive, metavar="N",
        help="refuse images of more pixels before decoding them")
    photos: str | None = flag("data", None, "--photos", metavar="DIR",
        help="pristine photographs for --generate (default: those that ship inside installed packages)")
    tile: int | None = flag("data", None, "--tile", type=_size, metavar="PIXELS", help="--generate: cut photographs into square tiles")
    val_photos: int = flag("data", 2, "--val_photos", type=_count, metavar="N", help="--generate: whole photographs kept for val")
    test_photos: int = flag("data", 3, "--test_photos", type=_count, metavar="N", help="--generate: whole photographs kept for test")

    image_size: tuple[int, ...] = flag("view", (224, 224), "--image_size", help="network input, height and width; one value: a square", **_SIZE)
    resize: str = flag("view", "squash", "--resize", choices=("squash", "crop", "pad", "native"),
        help="squash to the size; crop its aspect from the centre; pad to its aspect; or leave pixels as they are")
    crop: str = flag("view", "none", "--crop", choices=("none", "random"),
        help="train on the whole view, or on random crops of unscaled images")
    crop_size: tuple[int, ...] = flag("view", (), "--crop_size", help="height and width of a crop (default: --image_size)", **_SIZE)
    crop_from: tuple[int, ...] = flag("view", (), "--crop_from",
        help="resize to this before a random crop; evaluation then sees the whole image at --image_size", **_SIZE)
    test_crops: int | None = flag("view", None, "--test_crops", type=_count, metavar="N",
        help="score an image by N crops on a grid (default: 5 after training on unscaled crops, else 0: whole)")
    crop_pool: str = flag("view", "mean", "--crop_pool", choices=("mean", "median"), help="how the crops' scores become one")
    no_flip: bool = flag("view", False, "--no_flip", help="no random horizontal flip in training")

    arch: str = flag("model", "efficientnet_b0", "-a", "--arch", metavar="NAME",
        help="backbone: any of timm or torchvision; timm:NAME, torchvision:NAME or efficientnet_pytorch:NAME say which")
    num_classes: int | None = flag("model", None, "--num_classes", type=_positive, metavar="K",
        help="branches of the head (default: 1; emd: the bins of the label file)")
    dropout: float = flag("model", 0.2, "--dropout", type=float, metavar="P", help="dropout before the head")
    pretrained: bool = flag("model", False, "--pretrained", help="ImageNet weights, from pretrained/ or the library's source")
    advprop: bool = flag("model", False, "--advprop", help="AdvProp ImageNet weights (EfficientNet)")
    resume: str | None = flag("model", None, "--resume", metavar="FILE", help="weights to start from (--train) or to use")

    criterion: str = flag("task", "rank", "--criterion", type=_criterion, metavar="NAME",
        help="rank: pairs; emd: histograms of scores; regress: mean opinion scores")
    margin: float = flag("task", 0.5, "--margin", type=float, metavar="M", help="rank: by how much the better score must lead")
    use_margin: bool = flag("task", False, "--use_margin", help="accepted; a margin above 0 is always used")
    loss: str = flag("task", "l1", "--loss", choices=("l1", "l2", "huber"), help="regress: distance to the MOS")
    monitor: str | None = flag("task", None, "--monitor", metavar="METRIC",
        help="validation figure that decides what is best (default: pair_accuracy, emd_r2 or srcc)")

    epochs: int = flag("optim", 65, "--epochs", type=_positive, metavar="N", help="passes over the training labels")
    warmup: int = flag("optim", 5, "--warmup", type=_count, metavar="N", help="epochs of warm-up")
    batch_size: int = flag("optim", 32, "-b", "--batch_size", type=_positive, metavar="N", help="label lines per process and step")
    accumulate: int = flag("optim", 1, "--accumulate", type=_positive, metavar="N", help="steps whose gradients make one update")
    lr: float = flag("optim", 1e-3, "--lr", "--learning_rate", type=float, help="learning rate")
    opt: str = flag("optim", "adamw", "--opt", metavar="NAME", help="sgd (Nesterov), adam, adamw, radam, or any of timm's")
    momentum: float = flag("optim", 0.9, "--momentum", type=float, help="momentum of sgd")
    weight_decay: float = flag("optim", 0.01, "--wd", "--weight_decay", type=float, help="weight decay; none on biases and norms")
    schedule: str = flag("optim", "step", "--schedule", choices=("step", "cosine", "constant"), help="how the rate falls over the epochs")
    clip_grad: float = flag("optim", 0.0, "--clip_grad", type=float, metavar="NORM", help="largest gradient norm; 0: no clipping")
    ema: float = flag("optim", 0.0, "--ema", type=float, metavar="DECAY", help="average the weights, e.g. 0.999, and evaluate the average; 0: off")
    seed: int = flag("optim", 0, "--seed", type=_count, help="decides initial weights, order and augmentation")

    device: str = flag("run", "auto", "--device", choices=("auto", "cpu", "cuda", "npu"), help="auto: npu, then cuda, then cpu")
    gpus: int | None = flag("run", None, "-g", "--gpus", type=_count, metavar="N", help="devices (processes) per node; 0 is the CPU")
    nodes: int = flag("run", 1, "-n", "--nodes", type=_positive, metavar="M", help="machines")
    rank: int = flag("run", 0, "--rank", type=_count, metavar="R", help="which of the machines this is, from 0")
    init_method: str | None = flag("run", None, "--init_method", metavar="URL", help="tcp://HOST:PORT of the first machine")
    sync_bn: bool = flag("run", False, "--sync_bn", help="batch-norm statistics over all devices")
    amp: str | None = flag("run", None, "--amp", choices=("off", "bf16", "fp16"),
        help="mixed precision (default: training picks what the device does natively; -e, --predict and --jit use float32)")
    workers: int = flag("run", 2, "-j", "--workers", type=_count, metavar="N", help="loader processes per process")
    threads: int | None = flag("run", None, "--threads", type=_positive, metavar="N", help="torch's CPU threads")

    output: str | None = flag("out", None, "-o", "--output", metavar="FILE", help="--predict: .csv or .json; --jit: the .pt file; --check: .json")
    print_freq: int = flag("out", 10, "-p", "--print_freq", type=_positive, metavar="STEPS", help="steps between lines of progress in a file")
    logdir: str = flag("out", "runs", "--logdir", metavar="DIR", help="folder that holds one folder per run")
    checkpoints: str = flag("out", "checkpoints", "--checkpoints", metavar="DIR", help="folder of the latest weights per backbone")
    save_every: int = flag("out", 0, "--save_every", type=_count, metavar="STEPS", help="save between epochs as well; 0: at their ends")
    # fmt: on

    given: frozenset[str] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """Built-in types only, as config.json and a checkpoint store it; the call's own mode and file are left out."""
        values = {f.name: getattr(self, f.name) for f in _flags() if f.name not in ("config", "continue_run")}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def mode(self) -> str:
        """The one thing to do: a name of MODES, or "info"."""
        chosen = [name for name in MODES if getattr(self, name) not in (False, None, ())]
        if len(chosen) > 1:
            raise ValueError(f"{_spell(chosen[0])} and {_spell(chosen[1])} cannot go together: choose one")
        return chosen[0] if chosen else "info"


def _flags() -> list[dataclasses.Field]:
    return [f for f in dataclasses.fields(Config) if f.metadata]


def _spell(field_name: str) -> str:
    names = next(f.metadata["names"] for f in _flags() if f.name == field_name)
    return next(n for n in names if n.startswith("--"))


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=110)

    def _get_help_string(self, action: argparse.Action) -> str:
        quiet = action.default in (None, False, (), argparse.SUPPRESS) or "default" in (action.help or "")
        return (action.help or "") if quiet else f"{action.help} (default: {_show(action.default)})"

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        shown = [o for o in action.option_strings if "-" not in o[2:]]  # one spelling of each
        values = "" if action.nargs == 0 else " " + self._format_args(action, (action.metavar or action.dest.upper()))
        return ", ".join(shown) + values


def _show(default: Any) -> str:
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


class UsageError(ValueError):
    """The command line itself is wrong (exit code 2)."""


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python main.py", formatter_class=_Help, allow_abbrev=False,
        usage="python main.py [--train | -e | --jit | --predict PATH ... | --check | --generate SET | --continue RUN_DIR] [flags]",
        description="Train, evaluate and export no-reference image-quality models.",
        epilog="Long flags may be written with hyphens or underscores. Exit codes: 0 done; 1 something is wrong "
        "with data or files; 2 with the command line; 130 and 143: stopped by SIGINT or SIGTERM, state saved.",
    )  # fmt: skip
    groups = {key: parser.add_argument_group(title) for key, title in _GROUPS.items()}
    for field in _flags():
        names: list[str] = []
        for name in field.metadata["names"]:
            names.append(name)
            if name.startswith("--") and "_" in name:
                names.append(name.replace("_", "-"))
        options: dict[str, Any] = dict(field.metadata["options"])
        if field.default is False:
            options["action"] = "store_true"
        elif "type" not in options and "choices" not in options:
            options["type"] = str
        # Defaults stay out of the namespace, so that it holds what was given and nothing else.
        action = groups[field.metadata["group"]].add_argument(*names, dest=field.name, help=field.metadata["help"], **options)
        action.default = field.default
    return parser


def _given(parser: argparse.ArgumentParser, argv: list[str]) -> dict[str, Any]:
    """Only the flags that stand in argv, with their values."""
    blank = argparse.Namespace(**{f.name: argparse.SUPPRESS for f in _flags()})
    known, unknown = parser.parse_known_args(argv, blank)
    if unknown:
        spelled = [o for action in parser._actions for o in action.option_strings]
        word = unknown[0].split("=")[0]
        near = difflib.get_close_matches(word.replace("_", "-"), spelled, 3, 0.6)
        near = list(dict.fromkeys(n for n in near if n.startswith("-")))
        hint = f": did you mean {' or '.join(near)}?" if near else "; python main.py --help lists all flags"
        what = "unknown flag" if word.startswith("-") else "unexpected argument"
        raise UsageError(f"{what} {unknown[0]}{hint}")
    return {k: v for k, v in vars(known).items() if v is not argparse.SUPPRESS}


def _from_file(path: str) -> dict[str, Any]:
    try:
        loaded = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"--config {path}: not JSON: {error}") from None
    names = {f.name for f in _flags()}
    if not isinstance(loaded, dict):
        raise UsageError(f"--config {path}: expected an object of flag names and values")
    for key in loaded:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            raise UsageError(f"--config {path}: unknown key {key!r}" + (f": did you mean {near[0]!r}?" if near else ""))
    # The same parser checks types and choices; a null or a false stands for the default.
    argv: list[str] = []
    for key, value in loaded.items():
        if value is None or value is False or value == []:
            continue
        values = [] if value is True else list(map(str, value)) if isinstance(value, list) else [str(value)]
        argv += [f"{_spell(key)}={values[0]}"] if len(values) == 1 else [_spell(key), *values]
    try:
        return _given(build_parser(), argv)
    except UsageError as error:
        raise UsageError(f"--config {path}: {error}") from None


def parse(argv: list[str]) -> Config:
    """The checked configuration of a command line; raises UsageError (one line) for what cannot be meant."""
    if "--" in argv:
        # One documented recipe has it; argparse would take every later flag for a file name.
        print("note: a lone -- in the command line is passed over; the flags after it count", file=sys.stderr)
        argv = [word for word in argv if word != "--"]
    parser = build_parser()
    given = _given(parser, argv)
    if "config" in given:
        stored = _from_file(given["config"])
        if any(name in given for name in MODES):
            stored = {k: v for k, v in stored.items() if k not in MODES}
        given = {**stored, **given}
    changed = sorted(_spell(name) for name in given.keys() - CONTINUE_FLAGS)
    if "continue_run" in given and changed:
        raise UsageError(f"--continue repeats the run's own configuration: leave out {', '.join(changed)}")
    return make_config(given)


def make_config(given: dict[str, Any]) -> Config:
    """A checked Config from field values; the rest take their defaults."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    for key in ("image_size", "crop_size", "crop_from"):
        if values.get(key):
            if len(values[key]) > 2:
                raise UsageError(f"{_spell(key)} takes height and width, got {len(values[key])} values")
            values[key] = values[key] * 2 if len(values[key]) == 1 else values[key]
    config = Config(**values, given=frozenset(values))
    try:
        _check(config)
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(str(error)) from None
    return config


def _check(c: Config) -> None:
    """Combinations that cannot be meant, each with what to pass instead."""
    mode = c.mode()
    weights_needed = mode in ("evaluate", "jit", "predict")
    rules = [
        (weights_needed and not c.resume,
         f"{_spell(mode) if weights_needed else ''} needs weights: pass --resume FILE, e.g. {c.checkpoints}/model_best_{c.arch}.pth"),
        (c.criterion == "emd" and c.num_classes == 1, "--criterion emd needs --num_classes 2 or more: the bins of a histogram"),
        (not c.margin > 0, f"--margin {c.margin:g} must be above 0: at 0 a constant output is optimal"),
        (c.criterion == "rank" and c.num_classes is not None and c.num_classes > 1 and mode == "train" and c.margin >= c.num_classes - 1,
         f"--margin {c.margin:g} cannot be reached by scores between 1 and {c.num_classes}: pass a smaller --margin, or --num_classes 1"),
        (c.advprop and c.resume is not None and c.train, "--advprop and --resume both bring weights: choose one"),
        (c.pretrained and c.resume is not None and c.train, "--pretrained and --resume both bring weights: choose one"),
        (c.crop == "none" and bool(c.crop_from), "--crop_from needs --crop random"),
        (c.crop == "none" and bool(c.crop_size) and not c.test_crops, "--crop_size needs --crop random or --test_crops N"),
        (c.train and c.resize == "native" and c.crop == "none", "--resize native trains only with --crop random: a batch needs images of one size"),
        (bool(c.crop_from) and bool(c.crop_size) and any(a > b for a, b in zip(c.crop_size, c.crop_from, strict=False)),
         "--crop_size must fit into --crop_from"),
        (c.no_check and c.bad_images == "skip", "--bad_images skip needs the check before epoch 1: leave out --no_check"),
        (c.lr <= 0, f"--lr {c.lr:g} must be above 0"),
        (not 0 <= c.dropout < 1, f"--dropout {c.dropout:g} must be at least 0 and below 1"),
        (not 0 <= c.ema < 1, f"--ema {c.ema:g} must be at least 0 and below 1"),
        (c.weight_decay < 0, f"--wd {c.weight_decay:g} must not be below 0"),
        (c.clip_grad < 0, f"--clip_grad {c.clip_grad:g} must not be below 0"),
        (not 0 <= c.momentum < 1, f"--momentum {c.momentum:g} must be at least 0 and below 1"),
        (c.gpus == 0 and c.device in ("cuda", "npu"), f"-g 0 is the CPU and --device {c.device} is not: choose one"),
        (c.nodes > 1 and not c.init_method, "--nodes above 1 needs --init_method tcp://HOST:PORT of the first machine"),
        (c.rank >= c.nodes, f"--rank {c.rank} must be below --nodes {c.nodes}"),
        (mode == "predict" and c.output is not None and Path(c.output).suffix not in (".csv", ".json"),
         f"--output {c.output}: must end in .csv or .json"),
        (mode == "generate" and c.tile is not None and c.tile < 64, f"--tile {c.tile}: at least 64 pixels"),
    ]  # fmt: skip
    for broken, message in rules:
        if broken:
            raise UsageError(message)
