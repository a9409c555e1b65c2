"""Scores images with a file of `python main.py --export onnx`; needs onnxruntime, NumPy and Pillow.

python onnx_assessment.py                              newest export, images of data/test
python onnx_assessment.py --model onnx_resnet18.onnx photo.jpg folder/ [--sort] [-o scores.csv]
"""

import argparse
import csv
import glob
import hashlib
import json
import math
import os
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image, ImageOps

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # 1.32 reports its use to its makers
import onnxruntime  # noqa: E402

ROOT, NEWEST = Path(__file__).resolve().parent.parent, "checkpoints/onnx_*.onnx"
KINDS = """.jpg .jpeg .jpe .jfif .mpo .png .apng .bmp .dib .tif .tiff .webp .gif .jp2 .j2k .j2c .jpx
.ppm .pgm .pbm .pnm .avif .avifs""".split()
TURNS = dict(enumerate((0, 3, 1, 5, 4, 6, 2), 2))  # Image.Transpose of each EXIF orientation
FORMULA = "=+-@\t\r\n＝＋－＠"
Image.MAX_IMAGE_PIXELS = None  # the model says how many


def open_model(file, threads=0):
    """(description, pixels (V,3,H,W) -> [scores (V,)] and, of histograms, [..., shares (V,K)]).
    threads: 0: as many as the runtime chooses."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["about"])
    (given,) = session.get_inputs()
    about["whole"] = given.type == "tensor(uint8)"
    return about, lambda pixels: session.run(None, {given.name: pixels})


def views_of(image, rule):
    """uint8 (V, 3, H, W): what of an RGB image the network sees, resized and cut as `rule` says."""
    (height, width), way = rule["image_size"], Image.Resampling[rule["interpolation"].upper()]
    if rule["resize"] == "squash":
        image = image.resize((width, height), way)
    elif rule["resize"] == "crop":
        image = ImageOps.fit(image, (width, height), way)
    elif rule["resize"] == "pad":
        scale = min(width / image.width, height / image.height)
        wide = min(width, max(1, round(image.width * scale)))
        high = min(height, max(1, round(image.height * scale)))
        inner, image = image.resize((wide, high), way), Image.new("RGB", (width, height), "#808080")
        image.paste(inner, ((width - wide) // 2, (height - high) // 2))
    height, width = rule["crop_size"] or (image.height, image.width)
    scale = max(width / image.width, height / image.height)
    if scale > 1:
        size = (max(width, round(image.width * scale)), max(height, round(image.height * scale)))
        image = image.resize(size, way)
    pixels = np.asarray(image).transpose(2, 0, 1)
    places = places_of(image.height, image.width, height, width, rule)
    return np.stack([pixels[:, y : y + height, x : x + width] for y, x in places])


def places_of(full_height, full_width, height, width, rule):
    """(top, left) of crops in an image: at places drawn from the rule's seed, or on a grid."""
    down, right, crops = full_height - height, full_width - width, rule["crops"]
    if down == right == 0:
        return [(0, 0)]
    if rule["crop_seed"] is not None:
        texts = (f"{rule['crop_seed']} {full_height} {full_width} {i}" for i in range(crops))
        drawn = (hashlib.sha256(text.encode()).digest() for text in texts)
        pairs = [(int.from_bytes(d[:8], "big"), int.from_bytes(d[8:16], "big")) for d in drawn]
        return [(y % (down + 1), x % (right + 1)) for y, x in pairs]
    if crops == 5:
        return [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    lines, (less, more) = math.isqrt(crops), sorted((down, right))
    shares = [crops // lines + (line < crops % lines) for line in range(lines)]
    rows = zip(spread(less, lines), shares, strict=True)
    places = [(a, b) for a, share in rows for b in spread(more, share)]
    return places if right >= down else [(b, a) for a, b in places]


def spread(span, count):
    """`count` whole numbers from 0 to `span` at equal distances; a single one in the middle."""
    steps = 2 * (count - 1)
    return [(2 * k * span + count - 1) // steps for k in range(count)] if steps else [span // 2]


def turn_of(image):
    """The Image.Transpose that turns the image upright, or None."""
    try:
        return TURNS.get(int(image.getexif().get(274, 1)))
    except Exception:  # damaged metadata does not make the pixels unreadable
        return None


def least_size(image, rule):
    """(width, height) that fast decoding leaves of a JPEG at least: twice what it is resized to."""
    (height, width), aside = rule["image_size"], turn_of(image) in (2, 4, 5, 6)
    across, down = image.size[::-1] if aside else image.size
    if rule["resize"] == "pad":
        scale = min(width / across, height / down)
        width = min(width, max(1, round(across * scale)))
        height = min(height, max(1, round(down * scale)))
    return (2 * height, 2 * width) if aside else (2 * width, 2 * height)


def read_image(path, most, rule=None):
    """Upright RGB: the first frame, 16-bit grey scaled to 8 bits, transparency over white. rule:
    of the view that it is read for, None to have all pixels."""
    with Image.open(path) as image:
        if image.width * image.height > most:
            raise ValueError(f"{image.width}x{image.height} pixels are more than {most}")
        if rule and rule.get("decode") == "fast":
            image.draft(None, least_size(image, rule))  # of a JPEG; nothing of others
        image.load()
        if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
            raise ValueError("grey of 32 bits does not say what white is: convert it to 16 bits")
        if image.mode[0] == "I":
            tags, values = getattr(image, "tag_v2", {}), np.asarray(image).astype(np.int64)
            white = (1 << tags.get(258, (16,))[0]) - 1
            values = white - values if tags.get(262) == 0 else values
            clear = values == image.info.get("transparency", -1)
            grey = np.where(clear, 255, (values * 255 + white // 2) // white).astype(np.uint8)
            rgb = Image.fromarray(grey).convert("RGB")
        elif image.has_transparency_data:
            colours, rgb = image.convert("RGBA"), Image.new("RGB", image.size, "white")
            rgb.paste(colours, mask=colours.getchannel("A"))
        else:
            rgb = image.convert("RGB")
        turn = turn_of(image)
    return rgb if turn is None else rgb.transpose(turn)


def images_of(path):
    """A file as it is named; of a folder all images below it, hidden ones left out. How many other
    files there are is said. SystemExit for a folder without one."""
    names = glob.iglob("**/*", root_dir=path, recursive=True) if path.is_dir() else ()
    files = sorted(file for name in names if not (file := path / name).is_dir())
    images = [file for file in files if file.suffix.lower() in KINDS]
    if others := len(files) - len(images):
        print(f"{shown(path)}: left out {others} of {len(files)} files: no images", file=sys.stderr)
    if path.is_dir() and not images:
        sys.exit(f"error: {shown(path)}: no image in this folder or below it")
    return images or [path]


def row_of(path, about, run):
    """[path, score, of a histogram its std and shares, why the image cannot be read or ""]."""
    bins = np.arange(1, about["num_classes"] + 1)
    whole, rule = about["whole"], about["view"]  # whole: it resizes, cuts and pools by itself
    try:
        image = read_image(path, about["max_pixels"], None if whole else rule)
    except Exception as error:  # damaged data makes decoders raise nearly anything
        return [path, *[np.nan] * (len(bins) + 2 if len(bins) > 1 else 1), f"unreadable: {error}"]
    scores, *probs = run(np.asarray(image) if whole else views_of(image, rule) / np.float32(255))
    middle, views = np.argsort(scores, kind="stable"), len(scores)
    if rule["crop_pool"] == "median":
        middle = middle[(views - 1) // 2 : views // 2 + 1]
    score, *probs = (output[middle].mean(axis=0) for output in (scores, *probs))
    if not np.isfinite(score):
        sys.exit(f"error: {path}: its score is {score}, not a finite number")
    numbers = [number for p in probs for number in (np.sqrt(p @ (bins - p @ bins) ** 2), *p)]
    return [path, score, *numbers, ""]


def shown(text):
    """One line that a terminal does not obey."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


def check_output(output, read):
    """What is read is never written to: no input, and nothing in a folder of inputs."""
    place = output.parent.resolve() / output.name
    for path in read:
        if path.is_dir() and place.is_relative_to(path.resolve()):
            raise ValueError(f"lies in {path}, which is only read: write elsewhere")
        if output.exists() and path.exists() and output.samefile(path):
            raise ValueError(f"is {path}, which is only read: name another file")
    if output.is_dir() or not output.parent.is_dir():
        raise ValueError("is a folder, or in none: name a file in a folder that exists")


def write_csv(output, rows, bins):
    """The whole file or none; ./ in front of a name that a spreadsheet would take for a formula."""
    names = ["path", "score", "std", *(f"p{k}" for k in range(1, bins + 1))][: len(rows[0]) - 1]
    part = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        with open(part, "x", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            # By itself it ends a line with \r\n, and so quotes a name that has either of them.
            lines = SimpleNamespace(write=lambda line: stream.write(line[:-2] + "\n"))
            writer = csv.writer(lines)
            writer.writerow([*names, "error"])
            for path, *numbers, why in rows:
                name = f"./{path}" if str(path)[0] in FORMULA else path
                writer.writerow([name, *(f"{n:.9g}" if n == n else "" for n in numbers), why])
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)


def main(argv=None):
    """A table, or a csv as --predict writes it; 3 where an image could not be read."""
    parser = argparse.ArgumentParser(description="Score images with an exported quality model.")
    parser.add_argument("images", nargs="*", type=Path, default=[ROOT / "data/test"])
    parser.add_argument("--model", type=Path, help="default: the newest in checkpoints/")
    parser.add_argument("--sort", action="store_true", help="best first")
    parser.add_argument("-o", "--output", type=Path, help="a .csv in place of the table")
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # Pillow's about metadata, torch's about the end of TorchScript
    exports = list(ROOT.glob(NEWEST))
    if not exports and not args.model:
        parser.error(f"there is no {ROOT / NEWEST}: pass --model FILE")
    file = args.model or max(exports, key=os.path.getmtime)
    if args.output and args.output.suffix != ".csv":  # an image, perhaps
        parser.error(f"{args.output}: -o writes a .csv")
    try:
        if args.output:
            check_output(args.output, [*args.images, file])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {shown(args.output)}: {shown(error)}")
    if not args.model:
        print(f"model: {file}, the newest of {len(exports)} (or --model FILE)", file=sys.stderr)
    try:
        about, run = open_model(file)
    except Exception as error:  # each runtime has its own
        said = next((line for line in str(error).splitlines() if line[-1:] not in ("", ":")), error)
        sys.exit(f"error: {shown(file)}: {shown(said)}: no export as {NEWEST}, or a damaged one")
    files = [image for path in args.images for image in images_of(path)]
    rows = [row_of(image, about, run) for image in files]
    if args.sort:
        rows.sort(key=lambda row: (row[-1], -row[1]))
    if args.output:
        try:
            write_csv(args.output, rows, about["num_classes"])
        except OSError as error:
            sys.exit(f"error: {shown(args.output)}: {shown(error)}")
    else:
        for path, score, *_, why in rows:
            print(f"{score:9.4f}  {shown(path)}{why and ': '}{shown(why)}")
        sys.stdout.flush()
    return 3 if any(row[-1] for row in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # whoever reads stdout has enough, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        sys.exit(130)
