"""The data that golden results are made of: a few hundred tiny images, drawn from fixed seeds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

NOISE = (0, 30, 80)  # standard deviation of the noise at level 0, 1, 2
SPLITS = {"train": 6, "val": 2, "test": 4}  # contents of each, with three images apiece
AVA = (953619, 953958, 954184, 954113, 953980, 954175, 953349, 953645, 953756, 953841, 953000, 7)


def picture(seed: int, noise: float, size: tuple[int, int] = (40, 56)) -> Image.Image:
    """Smooth colours of a seed, with noise of the given standard deviation (of 255)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : size[0], 0 : size[1]] / max(size)
    waves = np.stack([np.sin(4 * x + p) * np.cos(3 * y - p) for p in rng.uniform(0, 6, 3)], axis=2)
    pixels = 128 + 90 * waves + rng.normal(0, 1, waves.shape) * noise
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def save(file: Path, image: Image.Image) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)


def write(file: Path, lines: Sequence[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def votes(peak: float, bins: int = 5) -> str:
    """Vote counts around a bin, apart by commas."""
    shape = np.exp(-0.5 * (np.arange(bins) - peak) ** 2)
    return ",".join(str(int(count)) for count in np.ceil(20 * shape))


def labelled(root: Path, lines: Callable[[int, list[str]], list[str]], more: bool = False) -> None:
    """Three splits; `lines` gives label lines of a content's three images, the best one first.
    more: levels.csv and std.csv beside each label file.
    """
    first = 0
    for split, contents in SPLITS.items():
        labels, levels, spread = [], ["path,reference_id,distortion,level"], ["path,std,votes"]
        for content in range(first, first + contents):
            names = [f"c{content}_{level}.png" for level in range(len(NOISE))]
            for level, name in enumerate(names):
                save(root / split / name, picture(content, NOISE[level]))
                levels.append(f"{name},c{content},noise,{level}")
                spread.append(f"{name},{0.5 + 0.01 * content + 0.1 * level:.2f},{20 + content}")
            labels += lines(content, names)
        write(root / split / "label.txt", labels)
        if more:
            write(root / split / "levels.csv", levels)
            write(root / split / "std.csv", spread)
        first += contents


# Label lines of a content's three images, the best one first.
LINES: dict[str, Callable[[int, list[str]], list[str]]] = {
    "pairs": lambda c, names: [f"{a},{b}" for i, a in enumerate(names) for b in names[i + 1 :]],
    "votes": lambda c, names: [f"{n},{votes(4 - 1.5 * i - 0.1 * c)}" for i, n in enumerate(names)],
    "rated": lambda c, names: [f"{n},{4.5 - 1.4 * i - 0.07 * c:.2f}" for i, n in enumerate(names)],
    "buckets": lambda c, names: [f"{n} {1 + i + c % 2}" for i, n in enumerate(names)],
}


def write_all(root: Path) -> None:
    """Everything, below root. Never changed by what is run: outputs lie elsewhere."""
    for name in ("pairs", "votes", "rated", "buckets"):
        labelled(root / name, LINES[name])
    labelled(root / "ranked", LINES["pairs"], more=True)
    for name in ("known", "faulty", "leaking"):
        labelled(root / name, LINES["rated"], more=name == "known")
    for file in (root / "buckets" / split / "label.txt" for split in SPLITS):
        write(file.with_name("buckets.txt"), ["file_name label", file.read_text().rstrip("\n")])
        file.unlink()
    (root / "faulty/train/c1_1.png").write_bytes(b"no image")
    whole = (root / "faulty/train/c2_0.png").read_bytes()
    (root / "faulty/test/c9_1.png").write_bytes(whole[: len(whole) // 2])
    copied = Image.open(root / "leaking/train/c0_0.png")
    copied.save(root / "leaking/test/c8_0.png")  # the same pixels
    copied.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(root / "leaking/val/c6_0.png")
    copied.save(root / "leaking/train/c1_0.png", compress_level=1)
    leaking = ["c0_0.png,4", "c1_0.png,3", "c5_0.png,9", "gone.png,1"]
    write(root / "leaking/train/label.txt", leaking)
    for number in range(6):
        save(root / f"photos/p{number}.png", picture(100 + number, 8, (96, 128)))
    for number, image in enumerate(AVA):
        save(root / f"ava/images/{image}.jpg", picture(200 + number, 5 * (12 - number)))
    rows = [f"{i + 1} {n} {votes(2 + 0.5 * i, 10)} {i % 3} 22 1396" for i, n in enumerate(AVA)]
    rows.append(rows[0].replace("953619", "5"))  # has no image
    write(root / "ava/AVA.txt", [row.replace(",", " ") for row in rows])
    write(root / "ava/tested.jpgl", [str(AVA[2]), str(AVA[7]), str(AVA[9])])
    samples = [{"image_id": str(n), "label": [i + 1, 5, 9 - i % 4]} for i, n in enumerate(AVA)]
    write(root / "ava/samples.json", [json.dumps(samples)])
    write(root / "list.txt", ["votes/test/c8_0.png", "# a note", "rated/test/c9_2.png"])
    published(root)
    odd(root / "odd")


def published(root: Path) -> None:
    """TID2013, KADID-10k and KonIQ-10k as they unpack, in small."""
    rows, std = [], []
    for reference in (1, 2, 3, 4, 25):
        save(root / f"tid/reference_images/I{reference:02d}.BMP", picture(reference, 0, (16, 16)))
        for kind in (1, 11, 14, 24):
            for level in (1, 2, 3):
                name = f"i{reference:02d}_{kind:02d}_{level}.bmp"
                save(root / f"tid/distorted_images/{name}", picture(reference, 9 * level, (16, 16)))
                rows.append(f"{6 - level - kind / 10 - reference / 100:.5f} {name}")
                std.append(f"{0.1 + level / 100:.5f}")
    write(root / "tid/mos_with_names.txt", rows)
    write(root / "tid/mos.txt", [row.split()[0] for row in rows])
    write(root / "tid/mos_std.txt", std)
    rows = ["dist_img,ref_img,dmos,var"]
    for reference in range(1, 5):
        save(root / f"kadid/images/I{reference:02d}.png", picture(reference, 0, (16, 16)))
        for name in (f"I{reference:02d}_{k:02d}_{n:02d}.png" for k in (1, 25) for n in (1, 2, 3)):
            save(root / f"kadid/images/{name}", picture(reference, 9, (16, 16)))
            rows.append(f"{name},I{reference:02d}.png,{5.5 - int(name[-6:-4])},0.496")
    write(root / "kadid/dmos.csv", rows)
    rows = ["image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set"]
    for n, part in enumerate(["training"] * 6 + ["validation"] * 2 + ["test"] * 2):
        save(root / f"koniq/1024x768/1000{n}.jpg", picture(n, 3, (16, 16)))
        rows.append(f"1000{n}.jpg,0.0,0.0,0.25,0.65,0.1,105,{70.5 + n},0.527,{part}")
    write(root / "koniq/koniq10k_distributions_sets.csv", rows)


def odd(folder: Path) -> None:
    """Things that are not what their names say, for refusals."""
    folder.mkdir()
    (folder / "out.csv").mkdir()
    write(folder / "file", ["mine"])
    write(folder / "weights.pth", ["no weights"])
    write(folder / "net.pt", ["no export"])
    (folder / "link").symlink_to("../rated")
    (folder / "nothing").symlink_to("gone")
    os.mkfifo(folder / "pipe.csv")
    (folder / "empty").mkdir()
