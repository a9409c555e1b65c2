"""Photographs in the order of their scores, as one picture.

    python main.py --predict folder/ --resume WEIGHTS -o scores.csv
    python photo_sheet.py --scores scores.csv -o sheet.jpg --limit 12

Of more images than `--limit` every n-th is shown, the best and the worst included.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere; only utils/

from utils.drawing.sheet import sorted_sheet  # noqa: E402
from utils.files.writing import write_bytes  # noqa: E402
from utils.imaging.images import read_image  # noqa: E402
from utils.text import visible  # noqa: E402

KINDS = (".jpg", ".png")


def read_scores(file: Path) -> tuple[list[Path], list[float]]:
    """Paths and scores of a csv that --predict or image_assessment.py wrote; ValueError with file
    and line.
    """
    paths, scores = [], []
    with open(file, encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        for row in rows:
            try:
                if row.get("error"):  # an image that could not be read
                    continue
                paths.append(Path(row["path"]))
                scores.append(float(row["score"]))
            except (KeyError, TypeError, ValueError):
                said = "expected the columns path and score, as --predict -o FILE.csv writes them"
                raise ValueError(f"{file}:{rows.line_num}: {said}") from None
    return paths, scores


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Photographs in the order of their scores.")
    parser.add_argument("--scores", type=Path, required=True, help="csv of --predict")
    parser.add_argument("-o", "--out", type=Path, required=True, help=f"file: {' or '.join(KINDS)}")
    parser.add_argument("--limit", type=int, default=48, help="photographs to show")
    parser.add_argument("--title", default="Photographs, best predicted quality first")
    args = parser.parse_args(argv)
    try:
        if args.out.suffix.lower() not in KINDS:
            raise ValueError(f"{args.out}: the name must end in {' or '.join(KINDS)}")
        if args.limit < 2:
            raise ValueError(f"--limit {args.limit}: the best and the worst need 2 or more")
        paths, scores = read_scores(args.scores)
        names = [path.name for path in paths]
        picture = sorted_sheet(
            names, scores, lambda place: read_image(paths[place]), args.title, args.limit
        )
        if args.out.suffix.lower() == ".jpg":
            packed = io.BytesIO()
            Image.open(io.BytesIO(picture)).convert("RGB").save(packed, "JPEG", quality=85)
            picture = packed.getvalue()
        write_bytes(args.out, picture)
    except (ValueError, OSError) as error:
        print(f"error: {visible(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
