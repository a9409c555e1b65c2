"""Files of a run folder that are damaged, or made by a stranger: one line that names the file, and
nothing is written where only the file says so.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from applications.inputs.run_record import stored_facts, stored_results
from applications.inputs.runtime import Runtime
from applications.training.repeats import _begun
from applications.training.run_folder import hold, opened, settled
from applications.training.stages import read_plan
from config import Config, UsageError, parse, read_config
from tests.cli import call, inside
from tests.run_folders import write_run
from utils.files.reading import UnreadableFile, check_entries
from utils.runtime.distributed import world
from utils.runtime.logger import Logger, read_metrics

DEEP = "[" * 100_000
FACTS = {
    "started": "now", "command": ["main.py"], "python": "3", "packages": {}, "platform": "p",
    "device": "cpu", "processes": 1, "labels_sha256": {},
}  # fmt: skip


def refused(folder: Path, words: str, said: str, code: int = 1) -> None:
    done = call(folder, words, code)
    assert said in done.err and done.err.count("\n") == 1 and len(done.err) < 1200, done.err[:2000]


# ---- --config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DEEP, "c.json: not read: JSON nested too deep"),
        (f'{{"data": {DEEP}', "c.json: not read: JSON nested too deep"),
        ('{"arch": "a\\u0000b"}', "c.json: arch: a\\x00b: no flag has a null character"),
        ('{"data": ["\\ud800"]}', "c.json: data: \\ud800: no flag has a null character or half a"),
        ('{"ar\\u0000ch": 1}', "c.json: unknown key 'ar\\x00ch'"),
        (f'{{"{"x" * 10**6}": 1}}', "c.json: unknown key 'xxx"),
        (f'{{"lr": "{"x" * 10**6}"}}', "c.json: argument --lr/--learning_rate"),
        ("1" * 5000, "c.json: not JSON"),
        ("{", "c.json:1:2: not JSON"),
        ("3", "c.json: an object is wanted"),
    ],
)
def test_a_configuration_that_is_none(tmp_path, text, said):
    (tmp_path / "c.json").write_text(text)
    refused(tmp_path, "--config c.json", said, 2)


@pytest.mark.parametrize("name", ["logdir", "checkpoints", "cache_features", "output", "maps"])
def test_a_configuration_writes_into_the_present_folder_alone(tmp_path, name):
    """What a stranger's file says of other places holds when the command line repeats it."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    with inside(here):
        for value in (str(there), "../there", "link/there"):
            Path("link").unlink(missing_ok=True)
            Path("link").symlink_to(tmp_path)
            Path("c.json").write_text(json.dumps({"train": True, name: value}))
            with pytest.raises(UsageError, match=f"c.json: --{name} .*there lies outside this"):
                parse(["--config", "c.json"])
            assert getattr(parse(["--config", "c.json", f"--{name}", value]), name) == value
        Path("c.json").write_text(json.dumps({"train": True, name: "sub/folder"}))
        assert getattr(parse(["--config", "c.json"]), name) == "sub/folder"
        Path("c.json").write_text(json.dumps({"train": True, "data": str(there)}))
        assert parse(["--config", "c.json"]).data == str(there)  # is only read
        with pytest.raises(UsageError, match="c.json: --data .*there lies outside"):
            parse(["--config", "c.json", "--generate", "basic"])


def test_a_new_run_may_lie_beside_the_one_it_repeats(tmp_path):
    file = tmp_path / "all" / "run" / "config.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"train": True, "logdir": str(tmp_path / "all")}))
    (tmp_path / "here").mkdir()
    with inside(tmp_path / "here"):
        assert parse(["--config", str(file)]).logdir == str(tmp_path / "all")


def test_continue_keeps_to_the_present_folder_and_that_of_the_run(tmp_path):
    file = tmp_path / "all" / "run" / "config.json"
    features = tmp_path / "features"
    (tmp_path / "here").mkdir()
    with inside(tmp_path / "here"):
        with pytest.raises(UsageError, match="--checkpoints /x lies outside this folder: pass"):
            settled({"checkpoints": "/x"}, (), file)
        assert settled({"checkpoints": "/x"}, {"checkpoints"}, file) == {"checkpoints": "/x"}
        assert settled({"logdir": "/x"}, (), file) == {"logdir": str(tmp_path / "all")}
        for root in ("runs", str(tmp_path / "all"), "../all"):
            assert settled({"logdir": root}, (), file) == {"logdir": root}
        with pytest.raises(ValueError, match="--cache_features .* holds no features yet"):
            settled({"cache_features": str(features)}, (), file)
        (features / "network").mkdir(parents=True)
        (features / "network" / "about.json").touch()
        settled({"cache_features": str(features)}, (), file)


# ---- what a run says of itself


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", DEEP, "b/config.json: not read: JSON nested too deep"),
        ("config.json", {"criterion": []}, "b/config.json: criterion: text is wanted, not []"),
        ("config.json", {"criterion": "rank", "monitor": {}}, "monitor: text or null is wanted"),
        ("environment.json", "[]", "b/environment.json: an object is wanted"),
        ("environment.json", {"packages": 3}, "packages: an object is wanted, not 3"),
        ("environment.json", {"labels_sha256": "x"}, "labels_sha256: an object is wanted"),
        ("environment.json", {"folder": None}, "folder: text is wanted, not null"),
        ("results.json", {"best_epoch": "x"}, "best_epoch: a whole number or null is wanted"),
        ("results.json", {"test": [1]}, "b/results.json: test: an object is wanted, not [1]"),
        ("results.json", {"test": {"fits": {"4p": {"kind": 1}}}}, "b/results.json: test: fits: "),
        ("results.json", {"test": {"fits": [1]}}, "b/results.json: test: fits: none that"),
        ("metrics.jsonl", '{"step": 1}\n{\n{"step": 2}\n', "b/metrics.jsonl:2:2: not JSON"),
        ("metrics.jsonl", f"{DEEP}\n", "b/metrics.jsonl:1: not read: JSON nested too deep"),
        ("metrics.jsonl", {"step": 1, "split": "val"}, "b/metrics.jsonl:1: no record of a"),
        ("metrics.jsonl", {"step": 1, "split": "val", "epoch": []}, "metrics.jsonl:1: no record"),
        (
            "metrics.jsonl", {"step": 1, "split": "val", "epoch": 1, "loss": "low"},
            "b/metrics.jsonl:1: no record of a training: remove the line",
        ),
        ("predictions_test.csv", 'path,score\n"' + "a" * 140_000, "csv:2: not a csv row"),
        (
            "predictions_test.csv",
            "path,score,reference_id,distortion,level\na,1,r,blur," + "9" * 5000,
            "b/predictions_test.csv:2: level '999",
        ),
    ],
)  # fmt: skip
def test_odd_files_of_a_compared_run(tmp_path, name, content, said):
    values = list(range(8))
    columns = {"path": list("abcdefgh"), "score": values, "mos": values}
    for run in "ab":
        write_run(tmp_path / run, columns, {"folder": str(tmp_path)}, criterion="regress")
    text = content if isinstance(content, str) else json.dumps(content) + "\n"
    (tmp_path / "b" / name).write_text(text)
    refused(tmp_path, "--compare a b", said)


@pytest.mark.parametrize("name", FACTS)
def test_odd_entries_of_the_environment_of_a_run(tmp_path, name):
    folder = opened(tmp_path, Config())
    (tmp_path / "environment.json").write_text(json.dumps(FACTS))
    assert stored_facts(folder.path) == FACTS
    for value in (None, True, 1.5, [[]] if name != "command" else {}):
        (tmp_path / "environment.json").write_text(json.dumps({**FACTS, name: value}))
        with pytest.raises(ValueError, match=f"environment.json: {name}: .* is wanted, not "):
            stored_facts(folder.path)


@pytest.mark.parametrize("content", [DEEP, "[]", "null", '{"best_epoch": 1.5}', '{"test": []}'])
def test_odd_results_of_a_run(tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(UnreadableFile, match="results.json: "):
        stored_results(tmp_path)


def test_messages_show_the_beginning_of_odd_values():
    with pytest.raises(UnreadableFile) as caught:
        check_entries({"a": ["x" * 10**6]}, {"a": int}, "f\x1b.json")
    assert str(caught.value).startswith("f\\x1b.json: a: a whole number is wanted")
    assert len(str(caught.value)) < 200


def plan(**changed) -> dict:
    stage = {**Config(train=True).to_dict(), "criterion": "regress"}
    good = {"names": ["a", "b"], "configs": [stage, stage], "labels_sha256": [{}, {}], "done": []}
    return {**good, **changed}


@pytest.mark.parametrize(
    "content",
    [
        DEEP, "[]",
        *(json.dumps(plan(**{name: odd})) for name in plan() for odd in (None, [3], {})),
        json.dumps(plan(done=["x", "y"])),
        json.dumps(plan(configs=[{"lr": []}, {"lr": {"a": 1}}])),
        json.dumps(plan(configs=[{"lr": 1}])),
        json.dumps(plan(configs=[{"checkpoints": "/x"}] * 2)),
    ],
)  # fmt: skip
def test_odd_plans_of_stages(tmp_path, content):
    file = tmp_path / "stages.json"
    file.write_text(json.dumps(plan()))
    assert read_plan(tmp_path).names == "a,b"
    file.write_text(content)
    with pytest.raises(ValueError, match="stages.json: ") as caught:
        read_plan(tmp_path)
    assert "\n" not in str(caught.value)


def test_odd_runs_below_repeats(tmp_path):
    (tmp_path / "one").mkdir()
    file = tmp_path / "one" / "config.json"
    file.write_text('{"repeat": 2}')
    assert _begun(tmp_path, 2) == file.parent and _begun(tmp_path, 1) is None
    for content in (DEEP, "[]", "{"):
        file.write_text(content)
        with pytest.raises(UnreadableFile, match="one/config.json"):
            _begun(tmp_path, 2)


@pytest.mark.parametrize("name", ["run.lock", "log.txt", "metrics.jsonl"])
def test_nothing_is_written_through_a_link_in_a_run_folder(tmp_path, name):
    """Whoever sent the folder chose where the link leads."""
    (tmp_path / "mine.txt").write_text("precious\n")
    (tmp_path / "run").mkdir()
    for made in (lambda p: p.symlink_to("../mine.txt"), os.mkfifo):
        made(tmp_path / "run" / name)
        with pytest.raises(ValueError, match=f"run/{name}: is a (link|pipe)"):
            hold(tmp_path / "run", Runtime(torch.device("cpu"), "off", world()))
            Logger(tmp_path / "run", tensorboard=False)
        assert (tmp_path / "mine.txt").read_text() == "precious\n"
        (tmp_path / "run" / name).unlink()


def test_a_torn_record_is_left_out_and_an_odd_one_named(tmp_path):
    file = tmp_path / "metrics.jsonl"
    whole = '{"step": 1, "split": "val", "epoch": 1, "loss": null}\n'
    file.write_text(whole + '{"step": 2, "sp')
    assert [r["step"] for r in read_metrics(file)] == [1]
    file.write_text(whole + "null\n" + whole)
    logger = Logger(tmp_path, tensorboard=False)
    for read_it in (lambda: read_metrics(file), lambda: logger.truncate_after(1)):
        with pytest.raises(ValueError, match="metrics.jsonl:2: no record of a training"):
            read_it()
    logger.close()
    assert file.read_text() == whole + "null\n" + whole


def test_the_configuration_of_a_run_is_read_back_as_it_was(tmp_path):
    stored = Config(train=True, stage_flags=("a: --lr 1",), data="d\u00e9").to_dict()
    (tmp_path / "config.json").write_text(json.dumps(stored))
    found = read_config(str(tmp_path / "config.json"))
    assert {k: stored[k] for k in found} == {
        k: list(v) if isinstance(v, tuple) else v for k, v in found.items()
    }
