"""Scores images with a file of `python main.py --export onnx --whole`. It needs onnxruntime,
NumPy and Pillow; without words it takes the newest export and data/test.

python onnx_assessment.py --model onnx_net_whole.onnx photo.jpg folder/ [--sort] [-o new.csv]
"""

import argparse
import csv
import glob
import json
import math
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # 1.32 reports its use to its makers
try:
    import numpy as np
    import onnxruntime
    from PIL import Image
except ImportError as error:
    sys.exit(f"error: {error}: pip install onnxruntime numpy pillow")

ROOT, NEWEST = Path(__file__).resolve().parent.parent, "checkpoints/onnx_*_whole.onnx"
HOW = "python main.py --export onnx --whole --resume WEIGHTS"  # makes what it takes
TURNS = dict(enumerate((0, 3, 1, 5, 4, 6, 2), 2))  # Image.Transpose of each EXIF orientation
CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], "?")  # what a terminal obeys
Image.MAX_IMAGE_PIXELS = None  # the model says how many


def open_model(file, threads=0):
    """(description, image (H,W,3) -> scores (1,) and, of histograms, shares (1,K)). threads: 0: as
    many as the runtime chooses."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["about"])
    (given,) = session.get_inputs()
    return about, lambda image: session.run(None, {given.name: image})


def read_image(path, most):
    """Upright RGB, uint8 (H,W,3): the first frame, 16-bit grey scaled, transparency over white."""
    with Image.open(path) as image:
        if image.width * image.height > most:
            raise ValueError(f"{image.width}x{image.height} pixels are more than {most}")
        image.load()
        if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
            raise ValueError("grey of 32 bits does not say what white is: convert it to 16 bits")
        try:
            turn = TURNS.get(int(image.getexif().get(274, 1)))
        except Exception:  # damaged metadata does not make the pixels unreadable
            turn = None
        if image.mode[0] == "I":
            tags, grey = getattr(image, "tag_v2", {}), np.asarray(image).astype(np.int64)
            white = (1 << tags.get(258, (16,))[0]) - 1
            grey = white - grey if tags.get(262) == 0 else grey
            grey = np.where(grey == image.info.get("transparency", -1), white, grey)
            image = Image.fromarray(((grey * 255 + white // 2) // white).astype(np.uint8))
        colours, rgb = image.convert("RGBA"), Image.new("RGB", image.size, "white")
        rgb.paste(colours, mask=colours.getchannel("A"))
    return np.array(rgb if turn is None else rgb.transpose(turn))


def row_of(path, about, run):
    """Of --predict's columns: path, score, of a histogram std and shares, or why there are none."""
    name = path.as_posix().translate(CONTROLS)
    row = {"path": f"./{name}" if name[0] in "=+-@＝＋－＠" else name}  # no spreadsheet's formula
    try:
        (score,), *probs = run(read_image(path, about["max_pixels"]))
        if not math.isfinite(score):
            raise ValueError(f"its score is {score}")
    except Exception as error:  # damaged data makes decoders raise nearly anything
        return row | {"error": f"unreadable: {error}".translate(CONTROLS)}
    bins, numbers = np.arange(1, about["num_classes"] + 1), [score]
    for (shares,) in probs:
        numbers += [math.sqrt(shares @ (bins - shares @ bins) ** 2), *shares]
    return row | dict(zip(about["columns"][1:], numbers, strict=False))


def main(argv=None):
    """Writes the rows of all images; 3 where one has no score."""
    newest = max(ROOT.glob(NEWEST), key=os.path.getmtime, default=None)
    parser = argparse.ArgumentParser(description="Score images with an exported quality model.")
    parser.add_argument("images", nargs="*", default=[str(ROOT / "data/test")])
    parser.add_argument("--model", type=Path, default=newest, required=newest is None)
    parser.add_argument("--sort", action="store_true", help="best first")
    parser.add_argument("-o", "--output", help="a new csv; default: stdout")
    args, files = parser.parse_args(argv), []
    warnings.simplefilter("ignore")  # Pillow's about metadata, torch's about the end of TorchScript
    try:
        about, run = open_model(args.model)
        if not about.get("whole"):  # of --jit: drawn by --crop_seed; of others: without --whole
            raise ValueError("it takes pixels only (without --whole, or with --crop_seed)")
    except Exception as error:  # each runtime has its own, some of many lines
        raise ValueError(
            f"{args.model}: no file of {HOW}: {' '.join(str(error).split())}"
        ) from error
    for path in args.images:
        below = sorted(map(Path, glob.iglob(f"{glob.escape(path)}/**/*.*", recursive=True)))
        images = [file for file in below if file.suffix.lower() in about["suffixes"]]
        files += images or [Path(path)]
        if others := len(below) - len(images):
            print(f"{path}: left out {others} files: no images", file=sys.stderr)
    rows = (row_of(file, about, run) for file in files)
    if args.sort:
        rows = sorted(rows, key=lambda row: -row.get("score", -math.inf))
    out, bad = open(args.output, "x") if args.output else sys.stdout, 0
    out.reconfigure(encoding="utf-8", errors="surrogateescape", newline="", line_buffering=True)
    writer = csv.DictWriter(out, about["columns"], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
        bad += "error" in row
    return 3 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # whoever reads stdout has enough, as head does
        os._exit(141)
    except Exception as error:  # each runtime has its own
        sys.exit(f"error: {error}")
