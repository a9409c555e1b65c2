"""What a run leaves to read: the log, valid JSON lines and TensorBoard scalars."""

import json
import math
import time

import numpy as np
import pytest
import torch

from utils.runtime.logger import Logger


def records(folder):
    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_info_goes_to_stderr_and_the_log(tmp_path, capsys):
    logger = Logger(tmp_path / "run")
    logger.info("Bäume")
    logger.file("only here")
    logger.close()
    logger.close()
    captured = capsys.readouterr()
    assert captured.err == "Bäume\n" and captured.out == ""
    assert (tmp_path / "run" / "log.txt").read_text(encoding="utf-8") == "Bäume\nonly here\n"


def test_metrics_are_valid_json_and_on_disk_at_once(tmp_path):
    logger = Logger(tmp_path, tensorboard=False)
    values = {  # as they are given and as they are stored
        "step": (3, 3), "split": ("val", "val"), "srcc": (math.nan, None),
        "worst": (math.inf, None), "rmse": (np.float32(0.5), 0.5),
        "loss": (torch.tensor(2.0), 2.0), "n": (np.int64(7), 7),
        "per_kind": ({"jpeg": math.nan, "noise": (1, 2)}, {"jpeg": None, "noise": [1, 2]}),
        "best": (True, True), "file": (tmp_path, str(tmp_path)), "none": (None, None),
    }  # fmt: skip
    logger.metrics({name: given for name, (given, _) in values.items()})
    assert records(tmp_path) == [{name: stored for name, (_, stored) in values.items()}]
    logger.close()


def test_a_record_needs_its_step(tmp_path):
    logger = Logger(tmp_path, tensorboard=False)
    for record in ({"loss": 1.0}, {"step": 1.5}):
        with pytest.raises(ValueError, match="step"):
            logger.metrics(record)
    logger.close()


def test_truncation_drops_what_is_beyond_the_step_and_a_torn_line(tmp_path):
    logger = Logger(tmp_path, tensorboard=False)
    for step in (1, 2, 3, 4):
        logger.metrics({"step": step})
    logger.close()
    with open(tmp_path / "metrics.jsonl", "a") as stream:
        stream.write('{"step": 5, "lo')
    mode = (tmp_path / "metrics.jsonl").stat().st_mode
    continued = Logger(tmp_path, tensorboard=False)
    continued.truncate_after(2)
    continued.metrics({"step": 3, "again": 1})
    continued.close()
    assert records(tmp_path) == [{"step": 1}, {"step": 2}, {"step": 3, "again": 1}]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.txt", "metrics.jsonl"]
    assert (tmp_path / "metrics.jsonl").stat().st_mode == mode


def test_other_ranks_and_no_folder_write_nothing(tmp_path, capsys):
    silent = Logger(tmp_path / "run", rank=1)
    silent.info("never")
    silent.metrics({"step": 1})
    silent.truncate_after(0)
    silent.close()
    assert not (tmp_path / "run").exists() and capsys.readouterr().err == ""
    loose = Logger(None)
    loose.info("seen")
    loose.metrics({"step": 1})
    loose.close()
    assert capsys.readouterr().err == "seen\n"


def test_tensorboard_shows_finite_metrics_under_their_split(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = Logger(tmp_path)
    for step in (1, 2, 3):
        logger.metrics({"step": step, "split": "val", "srcc": 0.1 * step, "plcc": math.nan, "n": 9})
    logger.metrics({"step": 3, "loss": 2.0})
    logger.close()
    # Event files are read in the order of the second in their names.
    time.sleep(1.1)
    continued = Logger(tmp_path)
    continued.truncate_after(2)
    continued.metrics({"step": 3, "split": "val", "srcc": 0.9})
    continued.close()
    board = EventAccumulator(str(tmp_path))
    board.Reload()
    assert set(board.Tags()["scalars"]) == {"val/srcc", "loss"}
    points = [(event.step, round(event.value, 5)) for event in board.Scalars("val/srcc")]
    assert points == [(1, 0.1), (2, 0.2), (3, 0.9)]
