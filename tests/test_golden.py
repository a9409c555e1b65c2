"""Golden results (tests/golden/): the comparison finds what differs, and passes what may."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.golden.__main__ import fill, main, needed, read_plan
from tests.golden.compare import differences
from tests.golden.keep import Masks, kept_text, page, weights

RESULTS = {"srcc": 0.5, "n": 6, "plcc": None, "started": "now", "fits": {"4p": [1.5, 2.5]}}
FILES = {
    "results.json": json.dumps(RESULTS),
    "metrics.jsonl": '{"epoch": 1, "loss": 0.25, "data_wait": 0.1}\n{"epoch": 2, "loss": NaN}\n',
    "scores.csv": "path,score\na.png,3.0423\nb.png,nan\n",
    "calls.json": '{"--train": {"code": 0, "out": ["epoch 1/2"]}}',
    "files.txt": "a\nb\n",
    "model.pth.json": '{"model": "2 tensors 12e4"}',
    "page.html.json": '{"tables": {"fit 1": [["made", "today"], ["srcc", "0.5000"]]}, "files": {}}',
}


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    """Two equal folders of results."""
    for name, text in FILES.items():
        for side in "ab":
            file = tmp_path / side / "scene" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return tmp_path / "a", tmp_path / "b"


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("results.json", "0.5", "0.5000000001", ""),  # what may differ
        ("results.json", "now", "later", ""),
        ("metrics.jsonl", '"data_wait": 0.1', '"data_wait": 0.3', ""),
        ("scores.csv", "3.0423", "3.04230000001", ""),
        ("page.html.json", "today", "yesterday", ""),
        ("results.json", "0.5,", "0.500001,", "/srcc: 0.5 against 0.500001"),
        ("results.json", "6", "7", "/n: 6 against 7"),
        ("results.json", "null", "0.0", "/plcc: null against 0.0"),
        ("results.json", '"n": 6, ', "", "n: only in A"),
        ("results.json", "2.5]", "2.5, 3.5]", "only in B: 3.5"),
        ("metrics.jsonl", "NaN", "0.1", "[2]/loss: NaN against 0.1"),
        ("scores.csv", "3.0423", "3.0424", '[2][2]: "3.0423" against "3.0424"'),
        ("scores.csv", "b.png,nan\n", "", 'only in A: ["b.png", "nan"]'),
        ("calls.json", "0", "1", "/--train/code: 0 against 1"),
        ("calls.json", "1/2", "2/2", '/--train/out[1]: "epoch 1/2" against "epoch 2/2"'),
        ("files.txt", "b\n", "", 'only in A: "b"'),
        ("model.pth.json", "12e4", "13e4", '/model: "2 tensors 12e4" against "2 tensors 13e4"'),
        ("page.html.json", "0.5000", "0.5001", '[1][2]: "0.5000" against "0.5001"'),
    ],
)
def test_a_planted_difference_is_found(pair, name, old, new, said, capsys):
    file = pair[1] / "scene" / name
    file.write_text(file.read_text().replace(old, new))
    assert main(["compare", *map(str, pair)]) == bool(said)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == bool(said) and said in "".join(lines)
    assert all(line.startswith(f"scene/{name}: ") for line in lines)


def test_a_file_of_one_side_is_found(pair):
    shutil.rmtree(pair[1] / "scene")
    assert len(list(differences(*pair))) == len(FILES)


def test_one_bit_of_the_weights_is_another_digest(tmp_path):
    found = []
    for value in (1.0, 1.0, 1.0 + 2**-23):
        state = {"model": {"a": torch.tensor([value, 2.0])}, "epoch": 3, "config": {"lr": 1}}
        torch.save(state, tmp_path / "w.pth")
        found.append(weights(tmp_path / "w.pth"))
    assert found[0] == found[1] != found[2] and found[0]["epoch"] == 3 and "config" not in found[0]
    torch.save({"model": {"b": torch.tensor([1.0, 2.0])}}, tmp_path / "w.pth")
    assert weights(tmp_path / "w.pth")["model"] != found[0]["model"]


def test_a_page_is_its_tables_and_downloads():
    text = (
        "<h2 id='fit'>Fit</h2><table><tr><th>a<td>b <b>c</b></td></tr></table><p>text</p>"
        "<a download='x.csv' href='data:text/csv;base64,YSxiCjEsMgo='>x</a>"
    )
    assert page(text) == {
        "tables": {"fit 1": [["a", "b c"]]}, "files": {"x.csv": [["a", "b"], ["1", "2"]]}
    }  # fmt: skip


def test_what_no_two_runs_share_is_masked(tmp_path):
    scene = tmp_path / "scene"
    for name in ("runs/20261128-085452_net_emd", "runs/20261128-085452_net_emd-2"):
        (scene / name).mkdir(parents=True)
        (scene / name / "config.json").touch()
    masks = Masks(tmp_path, Path("/checkout"))
    masks.find_runs(scene)
    text = f"{scene}/runs/20261128-085452_net_emd-2: 6 in 0.3 s, 12 img/s, /checkout/main.py"
    assert masks(text, scene) == "WORK/scene/runs/2: 6 in TIME, RATE, TREE/main.py"
    (scene / "run.lock").write_text("process 3")
    assert kept_text(scene / "run.lock", masks) is None


def test_the_plan_can_be_followed(tmp_path):
    plan = read_plan()
    lines = [line for calls in plan.values() for _, _, line in calls]
    assert not any("{" in line.replace("{run:", "").replace("{best:", "") for line in lines)
    assert "train_emd" in needed(plan, "train_siamese") and len(needed(plan, "")) == len(plan)
    assert all(set(needed(plan, name)) <= set(plan) for name in plan)
    assert fill("-e --resume {best:train_rank}", tmp_path, tmp_path / "x") == "-e --resume no_best"
    assert len(plan["refusals"]) > 300
