"""The card of a prepared data set: what its labels hold, where they come from, what is missing."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dataloader.datasets.ladders import agreement
from dataloader.datasets.records import Reading, Record
from dataloader.datasets.table import DATA_SETS
from dataloader.labels.side_tables import LEVELS_FILE, SPREAD_FILE

SHOWN = 20  # of missing and surplus files; card.json names all
_IMAGES = {
    "source": "labels name images relative to the source",
    "absolute": "labels name images by absolute paths",
    "links": "symbolic links to the source, in images/ of each split",
}
# Files that are tables with a header, not label lines.
_TABLES = (SPREAD_FILE, LEVELS_FILE)


def data_card(
    name: str,
    source: Path,
    reading: Reading,
    splits: Mapping[str, Sequence[Record]],
    files: Mapping[str, Mapping[str, tuple[str, str]]],
    image_paths: str,
    drawn: bool,
    seed: int,
) -> dict[str, Any]:
    """Everything as JSON can hold it. files: split -> file name -> (kind of its lines, text).
    drawn: whether the split is of our own, by `seed`, not the official one.
    """
    data_set = DATA_SETS[name]
    records = [record for members in splits.values() for record in members]
    return {
        "format": 1,
        "name": name,
        "title": data_set.title,
        "paper": data_set.paper,
        "licence": f"see the data set's own terms on the {data_set.title} project page; nothing is "
        "said of them here",
        "source": str(source),
        "images": _IMAGES[image_paths],
        "scores": data_set.scores,
        "std": data_set.std,
        "split": "drawn (--random_split)" if drawn else data_set.split,
        "seed": seed,
        "rated": {"found": sum(r.mos is not None for r in records), "published": data_set.rated},
        "splits": {split: _numbers(members) for split, members in splits.items()},
        "distortions": _distortions(records),
        "files": {
            f"{split}/{file}": {
                "kind": kind,
                "lines": text.count("\n") - (file in _TABLES),
                "sha256": hashlib.sha256(text.encode("utf-8")).hexdigest(),
            }
            for split, contents in files.items()
            for file, (kind, text) in contents.items()
        },
        "left_out": dict(reading.dropped),
        "missing": {"count": len(reading.missing), "names": reading.missing},
        "surplus": {"count": len(reading.surplus), "names": reading.surplus},
        "notes": [*reading.notes, *_outside(data_set.scale, records)],
    }


def _numbers(members: Sequence[Record]) -> dict[str, Any]:
    """Counts of a split, and lowest, mean and highest of what is known."""
    contents = {record.content for record in members}
    found: dict[str, Any] = {"contents": len(contents), "images": len(members)}
    for name in ("mos", "std", "votes"):
        if values := [value for r in members if (value := getattr(r, name)) is not None]:
            found[name] = {
                "images": len(values),
                "lowest": min(values),
                "mean": sum(values) / len(values),
                "highest": max(values),
            }
    return found


def _distortions(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """Of each distortion: images, levels, and how often the scores have the order of the levels,
    and contradict it.
    """
    below: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.distortion and record.level != 0:
            below[record.distortion].append(record)
    agreed = agreement(records)
    found = {}
    for name, members in sorted(below.items()):
        levels = {record.level for record in members if record.level is not None}
        found[name] = {"images": len(members), "levels": sorted(levels)}
        if name in agreed:
            found[name]["order_agrees"] = round(agreed[name][0], 4)
            found[name]["order_contradicted"] = round(agreed[name][1], 4)
    return found


def _outside(scale: tuple[float, float] | None, records: Sequence[Record]) -> list[str]:
    """A note where scores lie outside the published scale: of another set, or another version."""
    scores = [record.mos for record in records if record.mos is not None]
    if scale is None or not scores or (scale[0] <= min(scores) and max(scores) <= scale[1]):
        return []
    ends = f"{min(scores):g} to {max(scores):g}"
    return [f"scores from {ends} where {scale[0]:g} to {scale[1]:g} are possible: check the source"]


def summary(card: Mapping[str, Any]) -> str:
    """What a person should see at once."""
    found, published = card["rated"]["found"], card["rated"]["published"]
    lines = [f"{card['title']}: {found} rated images" + (f" of {published}" if published else "")]
    lines.append(f"{'split':6} {'contents':>9} {'images':>8} {'rated':>8}  scores")
    for split, numbers in card["splits"].items():
        mos = numbers.get("mos", {"images": 0})
        scores = f"{mos['lowest']:g} to {mos['highest']:g}" if mos["images"] else "none"
        counts = f"{numbers['contents']:9} {numbers['images']:8} {mos['images']:8}"
        lines.append(f"{split:6} {counts}  {scores}")
    lines += [f"{file}: {x['lines']} {x['kind']}" for file, x in card["files"].items()]
    return "\n".join(lines + _problems(card))


def _problems(card: Mapping[str, Any]) -> list[str]:
    lines = []
    what = {"missing": "image(s) of the list are missing", "surplus": "image(s) stand in no list"}
    for key, words in what.items():
        count, names = card[key]["count"], card[key]["names"][:SHOWN]
        if names:
            lines += [f"{count} {words}:", *(f"  {name}" for name in names)]
        if count > len(names):
            lines.append(f"  ... and {count - len(names)} more, named in card.json")
    lines += [f"left out: {count} ({reason})" for reason, count in card["left_out"].items()]
    return lines + [f"note: {note}" for note in card["notes"]]


def markdown(card: Mapping[str, Any]) -> str:
    """The card for a person."""
    facts = ("paper", "licence", "source", "images", "scores", "std", "split", "seed")
    parts = [f"# {card['title']}", "\n".join(f"- {fact}: {card[fact]}" for fact in facts)]
    rows = []
    for split, numbers in card["splits"].items():
        mos = numbers.get("mos", {})
        ends = [f"{mos[key]:.4g}" if mos else "" for key in ("lowest", "mean", "highest")]
        rows.append([split, numbers["contents"], numbers["images"], mos.get("images", 0), *ends])
    parts += ["## Splits", _table("split,contents,images,rated,lowest,mean,highest", rows)]
    if card["distortions"]:
        rows = []
        for name, x in card["distortions"].items():
            order = [x.get(key, "") for key in ("order_agrees", "order_contradicted")]
            rows.append([name, x["images"], " ".join(map(str, x["levels"])), *order])
        columns = "distortion,images,levels,scores have the levels' order,contradict it"
        parts += ["## Distortions", _table(columns, rows)]
    rows = [[file, x["kind"], x["lines"], x["sha256"]] for file, x in card["files"].items()]
    parts += ["## Files", _table("file,holds,lines,SHA-256", rows)]
    if problems := _problems(card):
        parts += ["## Missing, left out, notes", "\n".join(f"    {line}" for line in problems)]
    return "\n\n".join(parts) + "\n"


def _table(columns: str, rows: Sequence[Sequence[Any]]) -> str:
    heads = columns.split(",")
    lines = [heads, ["---"] * len(heads), *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
