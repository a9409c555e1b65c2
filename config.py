"""Every flag of the command line, declared once, and the frozen `Config` they make.

Needs nothing beyond the standard library, so `--help` answers at once. A flag is a field of
`Config`; its parser argument, its help text and its default stand in the same place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import utils.flag_parser as flag_parser
import utils.flag_types as kind
import utils.flag_words as words
from utils.flag_help import answer_help
from utils.flag_places import check_places, modes_of, spell
from utils.flag_types import UsageError, flag
from utils.flag_words import BEGUN, CRITERIONS, JOINT, JUDGE, RANKED, SEEN, TABLED, USE, WORDING
from utils.imaging.view_rule import DECODES, DEFAULT_MAX_PIXELS, INTERPOLATIONS

MODES = tuple(mode for mode in WORDING.modes if mode != "info")
# Where output goes; --data as well, of the modes that write it.
WRITTEN = frozenset(
    ["logdir", "checkpoints", "cache", "cache_features", "output", "maps", "figures"]
)
_PIXELS: dict[str, Any] = {"type": kind.side, "nargs": "+", "metavar": "PIXELS"}


@dataclass(frozen=True)
class Config:
    """What one call of main.py was asked to do. `given` names the fields that were set by a flag or
    a configuration file, `passed` those whose flags stand on the command line, `adopted` those that
    the weights of --resume brought, and `going_on` is --continue beside --predict."""

    # fmt: off
    train: bool = flag("mode", False, "--train", help="train, keep the best weights, test them")
    evaluate: bool = flag("mode", False, "-e", "--evaluate", "--evaluation",
        help="evaluate --resume weights on a split")
    test: tuple[str, ...] = flag("mode", (), "--test", nargs="+", metavar="DATA",
        help="evaluate --resume weights on --split of several data sets")
    jit: bool = flag("mode", False, "--jit",
        help="export --resume weights to TorchScript with a .json beside it")
    export: str | None = flag("mode", None, "--export", metavar="FORMAT[,FORMAT...]",
        type=kind.list_of("format", words.EXPORTS), help="export --resume weights for other "
        "programs, with a .json beside each file: " + ", ".join(words.EXPORTS))
    precision: str = flag("out", "fp32", "--precision", metavar="PRECISION[,PRECISION...]",
        type=kind.list_of("precision", words.PRECISIONS), modes="export",
        help="of an export: fp32, fp16, or int8, chosen on your images")
    whole: bool = flag("out", False, "--whole", modes="export",
        help="take one decoded image of any size: resizing, crops and pooling are in the file")
    predict: tuple[str, ...] = flag("mode", (), "--predict", nargs="+", metavar="PATH",
        help="score files, folders, globs, .txt lists of images, .tar files, URLs of these; -: "
        "names on stdin")
    check: str | None = flag("mode", None, "--check", nargs="?", const="", metavar="DATA",
        help="find every fault of labels and images in DATA (default: --data)")
    generate: str | None = flag("mode", None, "--generate", metavar="SET",
        help="write distorted versions of --photos into --data (sets: basic, live, tid2013, chain)")
    prepare: str | None = flag("mode", None, "--prepare", metavar="NAME",
        help=f"write label files for a published data set in --source to --data: {words.PREPARED}")
    make_buckets: str | None = flag("mode", None, "--make_buckets", metavar="FILE",
        help="AVA.txt, or a label file of histograms or mean opinion scores, as a data file of "
        "--criterion siamese: -o OUT.txt or .csv, else on the screen")
    import_keras: str | None = flag("mode", None, "--import_keras", metavar="FILE",
        help="turn weights of Keras (.h5, .hdf5) into a checkpoint: MobileNet, "
        "InceptionResNetV2, NASNet mobile")
    compare: tuple[str, ...] = flag("mode", (), "--compare", nargs="+", metavar="RUN",
        help="differences of runs tested on the same images: run folders, or -e -o FILE.csv")
    list_archs: str | None = flag("mode", None, "--list_archs", nargs="?", const="*",
        metavar="PATTERN", help="list backbones whose names match, e.g. '*lite*': parameters, size "
        "of input, and whether ImageNet weights are at hand")
    continue_run: str | None = flag("mode", None, "--continue", nargs="?", const="",
        modes="continue_run predict", metavar="RUN_DIR",
        help="go on with an interrupted run, or --predict -o FILE, bit for bit")
    config: str | None = flag("mode", None, "--config", metavar="FILE", modes=BEGUN,
        help="repeat a run's config.json; flags override it")

    data: str = flag("data", "data/", "--data", metavar="DIR",
        modes="train evaluate jit export check generate prepare make_buckets",
        help="root with train/ val/ test/, each with a label file")
    label_name: str = flag("data", "label.txt", "--label_name", metavar="NAME",
        help="label file inside each split's folder")
    labels: str | None = flag("data", None, "--labels", metavar="FILE", modes=TABLED,
        help="scores or votes in one file, in place of --data's label files: a table (csv, tsv, "
        "txt, xlsx, parquet, json), AVA.txt, JSON samples (image_id, label); or tar files with "
        "images and labels: 'shards/{train,val}-{000..009}.tar', also URLs")
    images: str | None = flag("data", None, "--images", metavar="DIR",
        modes=JUDGE + " export check make_buckets",
        help="folder of the images that --labels names, or of tar files with them, or a tar file "
        "(default: that of the table; images/ in "
        "--data, where AVA.txt is found by itself)")
    sheet: str | None = kind.column("sheet", "of a spreadsheet with several", "--sheet")
    image_column: str | None = kind.column("image", "names of images")
    score_column: str | None = kind.column("score", "scores; =-NAME if a high one is a bad image")
    votes_column: str | None = kind.column("votes", "FIRST..LAST, votes for each of the bins 1..K")
    rater_column: str | None = kind.column("rater", "who gave the score, where a row is one rating")
    std_column: str | None = kind.column("std", "deviation of the opinions behind a score")
    count_column: str | None = kind.column("count", "how many opinions those are")
    split_column: str | None = kind.column("split", "train, val or test; none: no such column")
    val_size: int = flag("data", 5000, "--val_size", type=kind.count, metavar="N",
        help="votes in one file: its last usable rows, which validate")
    train_size: int | None = flag("data", None, "--train_size", type=kind.positive, metavar="N",
        help="votes in one file: its first usable rows, which train (default: all others)")
    test_list: str | None = flag("data", None, "--test_list", metavar="FILE",
        help="votes in one file: ids of images that test, one a line (generic_test.jpgl)")
    split: str = flag("data", "test", "--split", choices=("train", "val", "test", "all"),
        modes="evaluate test export", instead="training holds the other splits out",
        help="split to judge; all: every photograph of --photos")
    source: str | None = flag("data", None, "--source", metavar="DIR", modes="prepare",
        help="the data set as it was downloaded and unpacked; only read")
    image_paths: str = flag("data", "source", "--image_paths",
        choices=("source", "absolute", "links"), modes="prepare",
        help="how labels name images: relative to --source, absolutely, or by links in --data")
    random_split: bool = flag("data", False, "--random_split", modes="prepare",
        help="draw the split (--seed) although the data set has an official one")
    bad_images: str = flag("data", "stop", "--bad_images", choices=("stop", "skip", "row"),
        modes=USE, help="unreadable images, and those missing of --labels or AVA.txt: stop, or "
        "leave out, count and list; of --predict also a row that says why (its default)")
    no_check: bool = flag("data", False, "--no_check", modes=JUDGE, idle="predict jit export",
        help="do not decode every image before epoch 1")
    cache: str | None = flag("data", None, "--cache", metavar="DIR",
        modes=TABLED + " test predict", help="keep images at their training size in DIR, so that "
        "this run and later ones decode each file once; and tar files of URLs")
    max_pixels: int = flag("data", DEFAULT_MAX_PIXELS, "--max_pixels",
        type=kind.positive, metavar="N", modes=USE + " check generate compare",
        help="refuse images of more pixels before decoding them")
    mirrored: bool = flag("data", False, "--mirrored", modes="check",
        help="an image with left and right exchanged is a near duplicate, too")
    photos: str | None = flag("photos", None, "--photos", metavar="DIR",
        modes="train evaluate jit export check generate",
        help="pristine photographs for --distort and --generate (default of --generate: those "
        "inside installed packages)")
    distort: str | None = flag("photos", None, "--distort", metavar="SET", modes="train evaluate",
        help="rank distorted versions of --photos that are made while they are loaded, without "
        "files (sets: basic, live, tid2013, chain)")
    ladders: int | None = flag("photos", None, "--ladders", type=kind.positive, metavar="N",
        modes="train",
        help="--distort: distortions of each photograph in an epoch, drawn anew (default: all, "
        "fewer above 100,000 pairs)")
    split_seed: int | None = flag("photos", None, "--split_seed", type=kind.count, metavar="SEED",
        modes="train evaluate",
        help="what is held out, and the noise of --distort (default: --seed)")
    tile: int | None = flag("photos", None, "--tile", type=kind.tile_side, metavar="PIXELS",
        modes="generate", instead="--distort takes --crop random --crop_size H W",
        help="cut training photographs into square tiles")
    val_photos: int = kind.kept_photos("val", 2)
    test_photos: int = kind.kept_photos("test", 3)

    bootstrap: int = flag("judge", 1000, "--bootstrap", type=kind.resamples, metavar="N",
        modes=JUDGE + " compare", help="resamples behind each 95%% interval; 0: none")
    no_report: bool = flag("judge", False, "--no_report", modes=JUDGE + " continue_run",
        help="no report.html")
    report_maps: int = flag("judge", 4, "--report_maps", type=kind.count, metavar="N",
        modes="train evaluate",
        help="report.html: images with a map of where their score comes from")
    fit: str | None = flag("judge", None, "--fit", choices=("val", "test"),
        help="images whose scores the logistics of plcc_4p and plcc_5p are fitted on: of val/, or "
        "those that are judged (default: after training val, where there is one; -e: test)")

    image_size: tuple[int, ...] = flag("view", (224, 224), "--image_size", **_PIXELS,
        modes=SEEN + " info", help="network input, height and width; one value: a square")
    resize: str = flag("view", "squash", "--resize", choices=("squash", "crop", "pad", "native"),
        help="squash to the size; crop its aspect from the centre; pad to its aspect; or leave "
        "pixels as they are")
    interpolation: str | None = flag("view", None, "--interpolation", choices=INTERPOLATIONS,
        help="how pixels are resized (default: as the weights that training began from were "
        "trained; bilinear where those are random)")
    decode: str = flag("view", "exact", "--decode", choices=DECODES,
        help="JPEGs in full, or fast at a part of their size, never below twice what --resize "
        "makes of them; in training and of the weights that come of it")
    crop: str = flag("view", "none", "--crop", choices=("none", "random"), modes=SEEN + " info",
        help="train on the whole view, or on random crops of unscaled images")
    crop_size: tuple[int, ...] = flag("view", (), "--crop_size", **_PIXELS, modes=SEEN + " info",
        help="height and width of a crop (default: --image_size)")
    crop_from: tuple[int, ...] = flag("view", (), "--crop_from", **_PIXELS,
        help="resize to this before a random crop; evaluation then sees the whole image at "
        "--image_size")
    test_crops: int | None = flag("view", None, "--test_crops", type=kind.count, metavar="N",
        modes=SEEN + " info",
        help="score an image by N crops on a grid (default: 5 after training on unscaled crops, "
        "else 0: whole)")
    crop_seed: int | None = flag("view", None, "--crop_seed", type=kind.count, metavar="SEED",
        help="--test_crops at places drawn from this seed (default: on a grid)")
    crop_pool: str = flag("view", "mean", "--crop_pool", choices=("mean", "median"),
        help="how the crops' scores become one, and their histograms: the mean; or the median, "
        "with the histogram of the crop that has it")
    no_flip: bool = flag("view", False, "--no_flip", modes="train",
        help="no random horizontal flip")
    jitter: float = flag("view", 0.0, "--jitter", type=kind.from_0_to_2, metavar="S", modes="train",
        help="random contrast, gamma and white balance, the same for all versions of "
        "a photograph; for few photographs (e.g. 0.5); 0: off")

    arch: str = flag("model", "efficientnet_b0", "-a", "--arch", metavar="NAME",
        modes=SEEN + " info",
        help="backbone: any of timm or torchvision; timm:NAME, torchvision:NAME, keras:NAME or "
        "efficientnet_pytorch:NAME say which")
    num_classes: int | None = flag("model", None, "--num_classes", type=kind.positive, metavar="K",
        modes=USE + " check info",
        help="branches of the head (default: 1; emd: the bins of the label file)")
    dropout: float = flag("model", 0.2, "--dropout", type=kind.probability, metavar="P",
        modes="train", help="probability of dropout before the head")
    pretrained: bool | None = flag("model", None, "--pretrained", "--no_pretrained", modes="train",
        action=kind.YesOrNo, help="begin from ImageNet weights of pretrained/, of a package, or of "
        "the library, or from random ones (default: from ImageNet weights if they can be had)")
    pretrained_sha256: str | None = flag("model", None, "--pretrained_sha256", modes="train",
        type=kind.sha256, metavar="HEX", help="ImageNet weights of this SHA-256 and no others; "
        "written into a run's config.json")
    offline: bool = flag("model", False, "--offline", modes="train",
        help="ask no network for weights")
    advprop: bool = flag("model", False, "--advprop",
        help="AdvProp ImageNet weights (EfficientNet)")
    resume: str | None = flag("model", None, "--resume", metavar="FILE",
        help="weights to start from (--train) or to use: a file, a run folder, or quality")

    criterion: str = flag("task", "rank", "--criterion", metavar="NAME",
        type=kind.one_of("criterion", CRITERIONS), modes=JUDGE + " jit export check info",
        idle="predict",
        help="rank: pairs; emd: histograms of scores; regress: mean opinion scores; siamese: "
        "buckets of scores; emd+rank, emd+siamese: histograms, and the order or the buckets of "
        "their means (default: of the weights; to train and to --check, read off the labels)")
    margin: float = flag("task", 0.5, "--margin", type=kind.margin, metavar="M",
        criteria=RANKED, idle=USE,
        help="by how much the better score must lead; emd+rank: by what share of its lead in the "
        "votes")
    loss_weights: str = flag("task", "1,0.3", "--loss_weights", type=kind.weights, metavar="A,B",
        criteria=JOINT, help="weights of the two losses")
    bucket_width: float = flag("task", 1.0, "--bucket_width", type=kind.above_0, metavar="BINS",
        modes=JUDGE + " make_buckets", criteria=("emd+siamese",),
        help="a mean score belongs to the nearest multiple of this")
    margin_by_level: bool = flag("task", False, "--margin_by_level", criteria=("rank",),
        help="--margin for each level between the two images; needs levels.csv")
    hard_pairs: float = flag("task", 1.0, "--hard_pairs", type=kind.share_of_pairs, metavar="SHARE",
        criteria=("rank",),
        help="learn from this share of a step's pairs, those with the largest loss")
    across: int = flag("task", 0, "--across", type=kind.count, metavar="LEVELS", criteria=("rank",),
        help="also pair two photographs, of one distortion or the better one pristine, where "
        "they are at least so many levels apart (0: never; RankIQA: 1)")
    use_margin: bool = flag("task", False, "--use_margin", criteria=RANKED, idle=USE,
        help="accepted; a margin above 0 is always used")
    loss: str = flag("task", "l1", "--loss", choices=("l1", "l2", "huber"), criteria=("regress",),
        help="distance to the MOS")
    monitor: str | None = flag("task", None, "--monitor", metavar="METRIC",
        help="validation metric that decides what is best (default: pair_accuracy, emd_r2, srcc "
        "or same_bucket_accuracy); with levels.csv also metrics of ladders, such as p_test")

    epochs: int = flag("optim", 65, "--epochs", type=kind.positive, metavar="N",
        help="passes over the training labels")
    warmup: int = flag("optim", 5, "--warmup", type=kind.count, metavar="N",
        help="epochs of warm-up")
    eval_every: int = flag("optim", 1, "--eval_every", type=kind.positive, metavar="EPOCHS",
        help="epochs between validations; the last epoch always has one")
    batch_size: int = flag("optim", 32, "-b", "--batch_size", type=kind.positive, metavar="N",
        modes=JUDGE + " predict export",
        help="label lines per process and step; rank with levels.csv learns from all pairs of "
        "their images; in scoring, images or crops at once")
    accumulate: int = flag("optim", 1, "--accumulate", type=kind.positive, metavar="N",
        help="steps whose gradients make one update")
    lr: float = flag("optim", 1e-3, "--lr", "--learning_rate", type=kind.above_0,
        help="learning rate")
    lr_backbone: float | None = flag("optim", None, "--lr_backbone", metavar="LR",
        type=kind.above_0, help="learning rate of the backbone (default: --lr)")
    lr_head: float | None = flag("optim", None, "--lr_head", type=kind.above_0, metavar="LR",
        help="learning rate of the head (default: --lr)")
    freeze: str = flag("optim", "none", "--freeze", type=kind.part, metavar="PART",
        help="leave a part of the backbone as it is: none; backbone; up to a block of the model's "
        "summary (Siamese NIMA's 618 layers of inception_resnet_v2: mixed_7a); or the first "
        "blocks up to a share of the parameters, e.g. 0.5")
    cache_features: str | None = flag("optim", None, "--cache_features", nargs="?",
        const="features", metavar="DIR",
        help="--freeze backbone: compute the backbone's features of each image once and keep them "
        "in DIR (without DIR: features/) for this run and later ones")
    cache_views: int | None = flag("optim", None, "--cache_views", type=kind.positive, metavar="N",
        help="--cache_features with --crop random or --jitter: random views kept of each training "
        "image, those of the first N epochs, used in turn (default: 8)")
    learning_curve: bool = flag("optim", False, "--learning_curve",
        help="--cache_features: report.html also says whether more training images would help")
    opt: str = flag("optim", "adamw", "--opt", metavar="NAME",
        help="sgd (Nesterov), adam, adamw, radam, or any of timm's")
    momentum: float = flag("optim", 0.9, "--momentum", type=kind.probability,
        help="momentum of sgd")
    weight_decay: float = flag("optim", 0.01, "--wd", "--weight_decay", type=kind.not_below_0,
        help="weight decay; none on biases and norms")
    schedule: str = flag("optim", "step", "--schedule", help="how the rate falls over the epochs",
        choices=("step", "cosine", "constant", "exp"))
    decay: float = flag("optim", 0.95, "--decay", type=kind.share, metavar="FACTOR",
        help="--schedule exp: what the rate is multiplied with")
    decay_every: int = flag("optim", 10, "--decay_every", type=kind.positive, metavar="EPOCHS",
        help="--schedule exp: after so many epochs")
    clip_grad: float = flag("optim", 0.0, "--clip_grad", type=kind.not_below_0, metavar="NORM",
        help="largest gradient norm; 0: no clipping")
    ema: float = flag("optim", 0.0, "--ema", type=kind.probability, metavar="DECAY",
        help="average the weights, e.g. 0.999, and evaluate the average; 0: off")
    seed: int = flag("optim", 0, "--seed", type=kind.count,
        modes=JUDGE + " generate prepare compare", idle="predict jit export",
        help="decides initial weights, order and augmentation")

    stages: str | None = flag("stages", None, "--stages", metavar="LIST",
        help="trainings one after the other, each from the best weights of the one before: "
        "criteria, or head (backbone frozen) and all (nothing frozen) of --criterion; "
        "e.g. rank,regress or head,all")
    stage_epochs: str | None = kind.of_stages("epochs", ", e.g. 24,12")
    stage_lr: str | None = kind.of_stages("lr")
    stage_data: str | None = kind.of_stages("data")
    stage_label_name: str | None = kind.of_stages("label_name")
    stage_freeze: str | None = kind.of_stages("freeze")
    stage_flags: tuple[str, ...] = flag("stages", (), "--stage_flags", nargs="+", metavar="TEXT",
        help="any other flags of a stage, by its name or number, e.g. "
        "'regress: --crop_size 128 -b 16'")
    stage_of: str | None = flag("stages", None, "--stage_of", metavar="TEXT",
        help="written by --stages into a run's config.json; changes nothing")

    repeats: int | None = flag("stages", None, "--repeats", type=kind.positive, metavar="N",
        help="train N times, all labels divided anew by --split_by")
    folds: int | None = flag("stages", None, "--folds", type=kind.fold_count, metavar="K",
        help="train K times, each part tested once, the next one validates")
    split_by: str | None = flag("stages", None, "--split_by", type=kind.split_by, metavar="WHAT",
        help="divide all labels, of which these are never in two splits: auto (groups, and near "
        "duplicates), image, group (of levels.csv or the table), or a COLUMN of the table")
    split_shares: str | None = flag("stages", None, "--split_shares", type=kind.shares,
        metavar="A/B/C", help="train/val/test or train/test of --split_by (default: 70/10/20; "
        "--repeats: 60/20/20)")
    repeat: int | None = flag("stages", None, "--repeat", type=kind.positive, metavar="I",
        help="only the I-th of --repeats or --folds")

    device: str = flag("run", "auto", "--device", choices=("auto", "cpu", "cuda", "npu"),
        help="auto: npu, then cuda, then cpu")
    gpus: int | None = flag("run", None, "-g", "--gpus", type=kind.count, metavar="N",
        help="devices (processes) per node; 0 is the CPU")
    nodes: int = flag("run", 1, "-n", "--nodes", type=kind.positive, metavar="M",
        modes=JUDGE + " continue_run predict", help="machines")
    rank: int = flag("run", 0, "--rank", type=kind.count, metavar="R",
        modes=JUDGE + " continue_run predict", help="which of the machines this is, from 0")
    init_method: str | None = flag("run", None, "--init_method", metavar="URL",
        modes=JUDGE + " continue_run predict", help="tcp://HOST:PORT of the first machine")
    sync_bn: bool = flag("run", False, "--sync_bn", modes="train",
        help="batch-norm statistics over all devices")
    amp: str | None = flag("run", None, "--amp", choices=("off", "bf16", "fp16"),
        modes=JUDGE + " predict",
        help="mixed precision (default: training picks what the device does natively, on the CPU "
        "the faster one after a few trial steps; -e, --test and --predict use float32)")
    compile: bool = flag("run", False, "--compile", modes="train",
        help="compile the network that learns (torch.compile): minutes before the first step, for "
        "long trainings; a line says what that cost and gains")
    workers: int = flag("run", 2, "-j", "--workers", type=kind.count, metavar="N",
        modes=JUDGE + " continue_run predict export check generate compare", idle="jit",
        help="how many read images at once, in each process")
    threads: int | None = flag("run", None, "--threads", type=kind.positive, metavar="N",
        help="CPU threads of torch, and of NumPy's and SciPy's linear algebra")
    runtime: str = flag("run", "eager", "--runtime", modes="predict", choices=words.RUNTIMES,
        help="what computes on the CPU: torch; an export, made once and cached; the fastest one")

    output: str | None = flag("out", None, "-o", "--output", metavar="FILE",
        modes="evaluate test predict jit export check compare make_buckets import_keras",
        help="--predict: .csv, .jsonl, .json, .parquet, or -: csv on stdout; -e: .csv and .html; "
        "--test: .csv or .json, and .html; --jit: the .pt file; --export: its table, .json or "
        ".csv; --check, --compare: .json and .html; --make_buckets: .txt or .csv; "
        "--import_keras: the .pth file")
    sort: bool = flag("out", False, "--sort", modes="predict", help="best first")
    top: int | None = flag("out", None, "--top", type=kind.positive, metavar="N", modes="predict",
        help="the N best, best first")
    threshold: float | None = flag("out", None, "--threshold", type=kind.number, metavar="S",
        modes="predict", help="images whose score is S or more")
    maps: str | None = flag("out", None, "--maps", metavar="DIR", modes="predict",
        help="for each image NAME_map.png and .csv in DIR: where its score comes from")
    figures: str | None = flag("out", None, "--figures", metavar="DIR", modes=JUDGE + " compare",
        help="every chart of the report in DIR, as PDF, SVG and csv (training: in DIR/RUN)")
    map_way: str = flag("out", "occlusion", "--map_way", choices=("occlusion", "gradcam"),
        modes="predict",
        help="--maps: hide one part after the other, or Grad-CAM (networks with feature maps)")
    print_freq: int = flag("out", 10, "-p", "--print_freq", type=kind.positive, metavar="STEPS",
        modes="train continue_run", help="steps between lines of progress in a file")
    logdir: str = flag("out", "runs", "--logdir", metavar="DIR", idle=USE,
        help="folder that holds one folder per run")
    checkpoints: str = flag("out", "checkpoints", "--checkpoints", metavar="DIR",
        modes="train continue_run jit export import_keras",
        help="folder of the latest weights per backbone")
    save_every: int = flag("out", 0, "--save_every", type=kind.count, metavar="STEPS",
        help="save between epochs as well; 0: at their ends")
    # fmt: on

    given: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()
    adopted: frozenset[str] = frozenset()
    going_on: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Built-in types only, as config.json and a checkpoint store it; the call's own mode and
        file are left out."""
        names = [f.name for f in _flags() if f.name not in ("config", "continue_run")]
        values = {name: getattr(self, name) for name in names}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def mode(self) -> str:
        """The one thing to do: a name of MODES, or "info"."""
        chosen = [name for name in MODES if getattr(self, name) not in (False, None, ())]
        if len(chosen) > 1:
            first, second = (spell(_flags(), name) for name in chosen[:2])
            raise UsageError(f"{first} and {second} cannot go together: choose one")
        return chosen[0] if chosen else "info"


def _flags() -> list[dataclasses.Field]:
    return [f for f in dataclasses.fields(Config) if f.metadata]


# What may change when a run goes on: nothing that its result depends on.
CONTINUE_FLAGS = frozenset(f.name for f in _flags() if "continue_run" in modes_of(f, WORDING))


def parse(argv: list[str]) -> Config:
    """The configuration of a command line; applications/combinations.py says what goes together.
    UsageError: what cannot be meant, in one line.
    """
    argv = flag_parser.without_lone_dashes(argv)
    answer_help(_flags(), WORDING, argv)
    passed = flag_parser.given_flags(_flags(), argv)
    stored = _repeated(passed) if "config" in passed else {}
    going_on = flag_parser.take_going_on(passed)
    found = make_config({**stored, **passed})
    return dataclasses.replace(found, passed=frozenset(passed), going_on=going_on)


def check_passed(config: Config, criteria: Collection[str]) -> list[str]:
    """Lines about flags of the command line that have no effect; UsageError where one belongs to
    another mode, or to none of `criteria` (empty: not known yet).
    """
    passed = {name: getattr(config, name) for name in config.passed}
    mode = "continue_run" if config.continue_run is not None else config.mode()
    return check_places(_flags(), WORDING, passed, mode, criteria)


def _repeated(given: dict[str, Any]) -> dict[str, Any]:
    """What --config says; a mode on the command line takes the place of the file's."""
    stored = flag_parser.overruled(read_config(given["config"]), given, MODES)
    check_written(stored, flag_parser.written_anew(stored, given, WRITTEN), given["config"])
    return stored


def check_written(values: dict[str, Any], names: Iterable[str], file: str | Path) -> None:
    """UsageError where fields `names` of a file's values lead outside the present folder."""
    flag_parser.refuse_outside(_flags(), values, names, file)


def read_config(path: str) -> dict[str, Any]:
    """Fields set by a config.json, their types and choices checked. Raises UsageError."""
    return flag_parser.from_file(_flags(), path)


def checked_config(values: dict[str, Any]) -> Config:
    """A Config from values by field name, checked as flags are. Raises UsageError."""
    return make_config(flag_parser.from_values(_flags(), values))


def make_config(given: dict[str, Any]) -> Config:
    """A Config from field values; the rest take their defaults. Raises UsageError."""
    flag_parser.refuse_unknown(_flags(), given)
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    for key in ("image_size", "crop_size", "crop_from"):
        if values.get(key):
            values[key] = kind.height_width(spell(_flags(), key), values[key])
    return Config(**values, given=frozenset(given))
