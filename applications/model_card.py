"""The card of a model that is given away (README.md of `save_pretrained`): what it is, what it
learned from, how good it was in the test of its training, how it is used. What is not known is left
out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from os.path import abspath  # of ../scores.csv it says the folder, and follows no links
from pathlib import Path
from typing import Any

from applications.inputs.run_record import stored_facts, stored_results
from applications.tasks import TASKS
from utils.files.reading import read_object, read_text
from utils.files.weight_names import WEIGHTS

_NOTICE = re.compile(r"(notice|licen[cs]e|copying|copyright)(\.(txt|md))?", re.I)
_USE = """## Use

```shell
python main.py --predict photo.jpg --resume THIS_FOLDER
```

```python
from applications.scorer import from_pretrained

table = from_pretrained("THIS_FOLDER").score(["photo.jpg", "folder/"])
```
"""


@dataclass(frozen=True)
class Run:
    """What a run folder says of its weights: its configuration, environment.json, results.json."""

    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    results: Mapping[str, Any]


def run_of(weights: Path) -> Run | None:
    """The run whose best weights the file is, None where it does not lie in a finished run."""
    folder = weights.parent
    if not (folder / "results.json").is_file():
        return None
    results = stored_results(folder)
    if results.get("weights") != weights.name:
        return None
    return Run(read_object(folder / "config.json"), stored_facts(folder), results)


def model_card(
    facts: Mapping[str, Any], settings: Mapping[str, Any], weights: Path, sha256: str
) -> str:
    """Markdown. facts, settings: what config.json of the model folder holds; weights: the file that
    the model comes from; sha256: of model.safetensors.
    """
    run = run_of(weights)
    criterion, bins = settings["criterion"], facts["num_classes"]
    outputs = f"a histogram over 1 to {bins}, whose mean is the score" if bins > 1 else "one score"
    seen = ", ".join(f"{name} {value}" for name, value in facts["view"].items() if value)
    rows = [
        ("network", f"{settings['arch']}: {outputs}"),
        ("scores", f"in units of: {TASKS[criterion].units}; higher is better"),
        ("sees", seen),
        ("trained for", ", ".join(facts["trained_for"])),
        *(_training(run) if run else ()),
        ("weights", f"`{WEIGHTS}`, SHA-256 `{sha256}`"),
    ]
    lines = [
        f"# {settings['arch']}, {criterion}", "",
        facts.get("about") or "A no-reference image quality model.", "",
        "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), "",
        *(_judged(run.results.get("test") or {}, run.results.get("verdict")) if run else ()),
        *_USE.splitlines(),
    ]  # fmt: skip
    for name, text in _notices(run) if run else ():
        lines += ["", f"## {name}, as it lies beside the data", "", "```text"]
        lines += [*text.replace("```", "'''").strip().splitlines(), "```"]
    return "\n".join(lines) + "\n"


def _training(run: Run) -> list[tuple[str, str]]:
    config, facts, labels = run.config, run.facts, run.facts["labels_sha256"]
    images = ", ".join(f"{name} {count}" for name, count in facts.get("images", {}).items())
    packages = ", ".join(f"{n} {v}" for n, v in facts["packages"].items() if n in ("torch", "timm"))
    began = facts.get("began_from", "")
    began = Path(began).name if Path(began).is_absolute() else began
    return [
        ("learned from", _name(config, facts) + (f"; images: {images}" if images else "")),
        *((f"labels of {name}", f"SHA-256 `{sha}`") for name, sha in labels.items()),
        *([("began from", began)] if began else []),
        ("trained", f"{facts['started'][:10]}, {packages}, seed {config['seed']}, best epoch "
                    f"{run.results['best_epoch']} of {config['epochs']}"),
    ]  # fmt: skip


def _name(config: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Of the data, without the place where it lay."""
    table, photos = config.get("labels"), config.get("photos")
    if table:
        return f"{Path(table).name} of {Path(abspath(Path(facts['folder']) / table)).parent.name}"
    if photos:
        return f"photographs of {(Path(facts['folder']) / photos).name}, distorted"
    card = Path(facts["folder"]) / config["data"] / "card.json"
    title = read_object(card).get("title") if card.is_file() else None
    return str(title or (Path(facts["folder"]) / config["data"]).name)


def _judged(test: Mapping[str, Any], verdict: Mapping[str, Any] | None) -> list[str]:
    """The test's metrics with their intervals; nothing where there was no test."""
    between = {
        name: "[{:.4f}, {:.4f}]".format(*ends)
        for name, ends in (test.get("intervals") or {}).items()
        if None not in ends
    }
    rows = [
        f"| {name} | {value:.4f} | {between.get(name, '')} |"
        for name, value in test.items()
        if isinstance(value, float)
    ]
    if not rows:
        return []
    drawn = test.get("bootstrap") or {}
    level = f"{100 * drawn['level']:g}% interval" if drawn else ""
    said = f"{drawn['samples']} resamples of {drawn['count']} {drawn['drawn']}" if drawn else ""
    return [
        "## How good it is", "",
        *([str(verdict["text"]), ""] if verdict else []),
        f"The test of its training, {test['n']} labels:", "",
        f"| metric | value | {level} |", "|---|---|---|", *rows, "",
        *([f"Intervals: {said}.", ""] if said else []),
    ]  # fmt: skip


def _notices(run: Run) -> list[tuple[str, str]]:
    """(name, text) of notices and licences in the folders of the data, where these are still
    there.
    """
    given = [run.config.get(name) for name in ("data", "photos", "images", "labels")]
    if given[3]:
        given = [given[2], str(Path(given[3]).parent)]
    folders = {Path(run.facts["folder"]) / folder for folder in given if folder}
    files = [file for folder in folders if folder.is_dir() for file in sorted(folder.iterdir())]
    return [(f.name, read_text(f)) for f in files if _NOTICE.fullmatch(f.name) and f.is_file()]
