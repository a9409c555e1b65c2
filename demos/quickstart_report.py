"""What the quickstart leaves to look at: scores of held-out photographs as a picture and a table.

    python quickstart_report.py --scores scores.csv --split data/test --out quickstart

`--scores` is the csv of image_assessment.py (path, score); `--split` a folder of `--generate`, with
levels.csv and label_mos.txt beside the images.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere; only utils/

from utils.drawing.chart import Chart, Points  # noqa: E402
from utils.drawing.render import png  # noqa: E402
from utils.drawing.sheet import sorted_sheet  # noqa: E402
from utils.files.writing import write_bytes, write_text  # noqa: E402
from utils.imaging.images import read_image  # noqa: E402
from utils.statistics.ladders import build_ladders  # noqa: E402
from utils.statistics.metrics import pair_accuracy, plcc, srcc  # noqa: E402
from utils.text import visible  # noqa: E402


@dataclass(frozen=True)
class Row:
    """One version of a photograph: its file, what was done to it, its target and its score."""

    path: Path
    photograph: str
    distortion: str
    level: int
    target: float
    score: float

    @property
    def kind(self) -> str:
        return "undistorted" if self.level == 0 else self.distortion.replace("_", " ")

    @property
    def name(self) -> str:
        return self.kind if self.level == 0 else f"{self.kind}, level {self.level}"


def read_rows(scores: Path, split: Path) -> list[Row]:
    """One row per image of levels.csv; ValueError for an image without a score or a target."""
    scored = {Path(path).resolve(): float(score) for path, score in _table(scores, 2)}
    targets = {path: float(target) for path, target in _table(split / "label_mos.txt", 2)}
    rows = []
    for path, photograph, distortion, level in _table(split / "levels.csv", 4):
        file = split / path
        if file.resolve() not in scored or path not in targets:
            raise ValueError(f"{file}: no score in {scores}, or no target in label_mos.txt")
        score = scored[file.resolve()]
        rows.append(Row(file, photograph, distortion, int(level), targets[path], score))
    return rows


def _table(file: Path, columns: int) -> list[list[str]]:
    """The first columns of a csv's rows; a header and comment lines are left out."""
    with open(file, encoding="utf-8", newline="") as stream:
        rows = [row[:columns] for row in csv.reader(stream) if row and not row[0].startswith("#")]
    return rows[1:] if rows and rows[0][0] == "path" else rows


def accuracy_of_pairs(rows: list[Row]) -> tuple[float, int]:
    """(share of pairs in the right order, their number), over every two levels of every ladder."""
    scores = np.array([r.score for r in rows])
    columns = ([r.path.name for r in rows], [r.distortion for r in rows], [r.level for r in rows])
    ladders = build_ladders(scores, *columns)
    pairs = [ladders.image[np.stack(pair)] for pair in ladders.pairs()]
    better, worse = np.concatenate([np.zeros((2, 0), int), *pairs], axis=1)
    return pair_accuracy(scores[better], scores[worse]), len(better)


def summary(rows: list[Row]) -> str:
    """The metrics of the held-out photographs, for a person."""
    score, target = np.array([r.score for r in rows]), np.array([r.target for r in rows])
    accuracy, pairs = accuracy_of_pairs(rows)
    photographs = len({row.photograph for row in rows})
    return (
        f"{len(rows)} images of {photographs} photographs that training never saw\n"
        f"pair accuracy {accuracy:.3f} ({pairs} pairs: every two levels of a distortion)\n"
        f"SRCC {srcc(score, target):.3f}, PLCC {plcc(score, target):.3f} (raw) against SSIM, "
        "a synthetic target: no person rated these images\n"
    )


def write_table(rows: list[Row], file: Path) -> None:
    """A csv of the images, best score first."""
    lines = ["place,score,target_ssim,photograph,distortion,level,path"]
    for place, r in enumerate(sorted(rows, key=lambda r: -r.score), 1):
        scored = f"{place},{r.score:.4f},{r.target:.4f}"
        lines.append(f"{scored},{r.photograph},{r.distortion},{r.level},{r.path.as_posix()}")
    write_text(file, "\n".join(lines) + "\n")


def scatter(rows: list[Row]) -> Chart:
    """Scores over targets, a colour for each distortion, the undistorted photographs first."""
    kinds = dict.fromkeys(r.kind for r in sorted(rows, key=lambda r: r.level > 0))
    marks = []
    for colour, kind in enumerate(kinds):
        own = [r for r in rows if r.kind == kind]
        marks.append(Points([r.target for r in own], [r.score for r in own], kind, colour=colour))
    score, target = np.array([r.score for r in rows]), np.array([r.target for r in rows])
    metrics = f"SRCC {srcc(score, target):.3f}, PLCC {plcc(score, target):.3f} (raw)"
    return Chart(
        "Photographs that training never saw",
        "target: SSIM with the undistorted photograph (synthetic, nobody rated these)",
        "predicted quality, from the distorted image alone",
        marks,
        remarks=[f"{len(rows)} images: {metrics}"],
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Picture and table of the quickstart's scores.")
    parser.add_argument("--scores", type=Path, required=True, help="csv of image_assessment.py")
    parser.add_argument("--split", type=Path, required=True, help="folder of --generate, data/test")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    args = parser.parse_args(argv)
    try:
        rows = read_rows(args.scores, args.split)
        text = summary(rows)
        picture = png(scatter(rows), 720, 520)
        write_bytes(args.out / "prediction_against_target.png", picture)
        by_score = sorted_sheet(
            [r.name for r in rows],
            [r.score for r in rows],
            lambda place: read_image(rows[place].path),
            "Unseen photographs, best predicted quality first",
            limit=64,
        )
        write_bytes(args.out / "photographs_by_score.png", by_score)
        write_table(rows, args.out / "photographs_by_score.csv")
        write_text(args.out / "metrics.txt", text)
    except (ValueError, OSError) as error:
        print(f"error: {visible(error)}", file=sys.stderr)
        return 1
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
