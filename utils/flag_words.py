"""The words around the flags: groups of the help, names of modes and criteria, and what is said of
flags that are passed where they do not belong.

The standard library only: `--help` must not wait for more.
"""

from __future__ import annotations

from utils.flag_places import EVERY, Group, Wording

# Modes by what they do with a network; the rest are named one by one.
JUDGE = "train evaluate test"
USE = "train evaluate test predict jit export"
BEGUN = USE + " check generate prepare make_buckets import_keras compare info"  # not --continue
SEEN = USE + " import_keras"  # a checkpoint says how its images are to be seen
TABLED = "train evaluate export check"  # a file of labels in place of a folder's
EAGER, AUTO = "eager", "auto"
RUNTIMES = (EAGER, "onnx", "openvino", AUTO)  # of --predict
RANKED = ("rank", "emd+rank")
JOINT = ("emd+rank", "emd+siamese")
# Rows of applications/export/formats.py.
EXPORTS = ("torchscript", "onnx", "openvino", "pt2", "aoti", "executorch", "coreml", "ascend")
PRECISIONS = ("fp32", "fp16", "int8")
PREPARED = (
    "tid2013, tid2008, live, mlive, waterloo, csiq, kadid10k, pipal, photonet, dpchallenge, ava, "
    "koniq10k, spaq, clive, flive, biq2021, agiqa3k, cid2013"
)
WORDING = Wording(
    groups={
        "mode": Group("what to do (none of these: print the model's summary)", EVERY),
        "data": Group("data", "train evaluate test export check"),
        "photos": Group("photographs to distort", "train generate"),
        "judge": Group("what a test says", JUDGE),
        "view": Group("from image to network input", SEEN),
        "model": Group("model", USE),
        "task": Group("task", "train"),
        "optim": Group("optimisation", "train"),
        "stages": Group("several trainings in one command", "train"),
        "run": Group("devices and processes", EVERY),
        "out": Group("output", "train"),
    },
    # In the order in which two that cannot go together are named.
    modes={
        "train": "--train",
        "continue_run": "--continue",
        "evaluate": "-e",
        "test": "--test",
        "predict": "--predict",
        "jit": "--jit",
        "export": "--export",
        "check": "--check",
        "generate": "--generate",
        "prepare": "--prepare",
        "make_buckets": "--make_buckets",
        "import_keras": "--import_keras",
        "compare": "--compare",
        "list_archs": "--list_archs",
        "info": "",
    },
    # Where there is more to say than where a flag belongs.
    refusals={
        "continue_run": (EVERY, "--continue repeats the run's own configuration: leave out {}"),
        "compare": (
            "data criterion resume split label_name fit",
            "--compare: leave out {}: the runs were tested, and say on what",
        ),
        "import_keras": (
            "criterion num_classes pretrained advprop resume",
            "--import_keras: leave out {}: the file decides (histograms: --criterion emd)",
        ),
        "generate": (
            "distort",
            "--generate writes files and {} needs none: choose one",
        ),
        "test": (
            "data photos distort",
            "--test names the data sets: leave {} out, or use -e",
        ),
    },
    usage="python main.py MODE [flags]",
    description="Train, evaluate and export no-reference image-quality models.",
    epilog="Long flags may be written with hyphens or underscores. Exit codes: 0 done; 1 something "
    "is\nwrong with data or files; 2 with the command line; 3 some images of --predict could not "
    "be\nread; 130, 143 and 129: stopped by SIGINT, SIGTERM or SIGHUP, state saved.\n",
    often=(
        "data",
        "labels",
        "images",
        "label_name",
        "split",
        "bad_images",
        "photos",
        "image_size",
        "resize",
        "crop",
        "crop_size",
        "arch",
        "pretrained",
        "resume",
        "criterion",
        "epochs",
        "batch_size",
        "lr",
        "freeze",
        "seed",
        "stages",
        "repeats",
        "device",
        "workers",
        "output",
    ),
    examples={
        "train": (
            "--train --data DATA --criterion regress",
            "--train --data DATA --criterion emd --arch resnet50 --epochs 30 --schedule cosine",
            "--train --criterion rank --photos PHOTOS --distort live --crop random --crop_size 160",
            "--train --stages rank,regress --stage_data RANKED,RATED --stage_epochs 30,30",
            "--train --data DATA --criterion regress --repeats 10",
        ),
        "continue_run": ("--continue runs/RUN",),
        "evaluate": (
            "-e --data DATA --resume checkpoints/model_best_efficientnet_b0.pth",
            "-e --data DATA --resume checkpoints/model_best_efficientnet_b0.pth -o report.html",
        ),
        "test": ("--test DATA1 DATA2 --resume checkpoints/model_best_efficientnet_b0.pth",),
        "predict": (
            "--predict photo.jpg folder/ --resume checkpoints/model_best_efficientnet_b0.pth",
            "--predict folder/ --sort --resume checkpoints/model_best_efficientnet_b0.pth -o s.csv",
            "--predict folder/ shards/0.tar --resume quality -o scores.parquet --continue",
        ),
        "jit": ("--jit --resume checkpoints/model_best_efficientnet_b0.pth",),
        "export": ("--export onnx,openvino --resume checkpoints/model_best_efficientnet_b0.pth",),
        "check": ("--check DATA --criterion regress -o found.json",),
        "generate": ("--generate basic --photos PHOTOS --data RANKED",),
        "prepare": ("--prepare tid2013 --source DOWNLOADS/tid2013 --data TID2013",),
        "make_buckets": ("--make_buckets VOTES/train/label.txt -o VOTES/train/buckets.txt",),
        "import_keras": ("--import_keras nima.h5 --arch mobilenetv1_100",),
        "compare": ("--compare runs/RUN1 runs/RUN2 -o compare.html",),
        "list_archs": ("--list_archs '*resnet*'",),
        "info": ("--arch resnet50 --image_size 384 512",),
    },
)
CRITERIONS = {
    "rank": "rank", "ranking_loss": "rank",
    "emd": "emd", "emd_loss": "emd",
    "regress": "regress", "regress_loss": "regress",
    "siamese": "siamese",
    "emd+rank": "emd+rank", "rank+emd": "emd+rank",
    "emd+siamese": "emd+siamese", "siamese+emd": "emd+siamese",
}  # fmt: skip
# Criterion -> the validation metric that decides what is best, where --monitor does not say.
MONITORED = {
    "rank": "pair_accuracy", "emd": "emd_r2", "regress": "srcc", "siamese": "same_bucket_accuracy",
    "emd+rank": "emd_r2", "emd+siamese": "emd_r2",
}  # fmt: skip
