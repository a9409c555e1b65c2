"""Exit codes and the one line of each refusal, mode by mode; no traceback reaches a user."""

from __future__ import annotations

import pytest

from tests.cli import TINY, call
from tests.tiny_data import write_data


def refused(folder, words: str, code: int = 1) -> str:
    done = call(folder, words, code)
    assert done.err.count("error:") == 1 and "Traceback" not in done.err
    return done.err


def test_no_mode_prints_the_summary_and_reads_nothing(tmp_path):
    done = call(tmp_path, "--arch test_resnet --num_classes 6 --image_size 40 56")
    assert "40" in done.out and "56" in done.out and not done.err.startswith("error")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", ["--xyz", "-e", "--train --jit", "--margin 0"])
def test_a_wrong_command_line_is_2(tmp_path, words):
    refused(tmp_path, words, 2)


def test_missing_data_is_named(tmp_path):
    assert "train/label.txt" in refused(tmp_path, f"--train {TINY}").replace("\\", "/")
    assert "data: no such folder: check the path" in refused(tmp_path, "--check -j 0")
    write_data(tmp_path / "data", "rank", 1, 1)
    said = "data/train: no label.txt in any of train/, val/, test/, but in it: name the folder"
    assert f"{said} that holds train/" in refused(tmp_path, "--check data/train -j 0")
    said = "data/train/train/label.txt: no label file here, but data/train/label.txt: name the"
    assert said in refused(tmp_path, f"--train --data data/train {TINY}")


def test_missing_and_wrong_weights_are_named(tmp_path):
    write_data(tmp_path / "data", "rank", 1, 1)
    (tmp_path / "text.pth").write_text("hello")
    for mode in ("-e", "--jit", "--predict data/test", "--train"):
        words = f"{mode} --arch test_vit --image_size 32 -j 0 -g 0"
        assert "none.pth" in refused(tmp_path, f"{words} --resume none.pth")
        assert "text.pth" in refused(tmp_path, f"{words} --resume text.pth")


def test_predict_names_the_word_that_leads_nowhere(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text("# nothing\n\nmissing.png\n")
    (tmp_path / "none.txt").write_text("\n")
    words = "--resume x.pth -j 0 --predict"
    assert "nothing.png" in refused(tmp_path, f"{words} nothing.png")
    assert "no image in this folder" in refused(tmp_path, f"{words} empty")
    assert "list.txt:3: no such image: missing.png" in refused(tmp_path, f"{words} list.txt")
    assert "empty list" in refused(tmp_path, f"{words} none.txt")
    assert "no file matches" in refused(tmp_path, f"{words} '*.tif'")


def test_label_faults_stop_training_with_file_and_line(tmp_path):
    write_data(tmp_path / "data", "regress", 1, 1)
    file = tmp_path / "data" / "train" / "label.txt"
    file.write_text(file.read_text() + "images/photo0_0.png,much\nimages/gone.png,3\n")
    said = refused(tmp_path, f"--train --criterion regress {TINY}")
    assert "label.txt:4:" in said and "label.txt:5:" in said and "much" in said
    assert not (tmp_path / "runs").exists()


def test_scores_out_of_reach_of_the_head_are_refused(tmp_path):
    write_data(tmp_path / "data", "regress", 1, 1)  # MOS from 1.5 to 4.5
    said = refused(tmp_path, f"--train --criterion regress --num_classes 3 {TINY}")
    assert "--num_classes 3 can only say 1 to 3" in said


def test_margins_by_level_without_levels_are_refused(tmp_path):
    write_data(tmp_path / "data", "rank", 1, 1)
    said = refused(tmp_path, f"--train --margin_by_level {TINY}")
    assert "train/label.txt: --margin_by_level needs" in said.replace("\\", "/")
    assert "levels.csv" in said and not (tmp_path / "runs").exists()


def test_an_accelerator_that_is_not_there(tmp_path):
    """-g 1 on a machine without one runs on the CPU and says so."""
    import torch

    if torch.accelerator.is_available():
        pytest.skip("this machine has one")
    write_data(tmp_path / "data", "rank", 1, 1)
    done = call(tmp_path, f"--train {TINY} --epochs 1 -g 1")
    assert "CPU" in done.err
    refused(tmp_path, f"--train {TINY} -g 1 --device cuda")


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ('{"epochs": "many"}', "'many' is not a whole number"),
        ('{"epoch": 3}', "did you mean epochs"),
    ],
)
def test_a_run_is_not_continued_with_a_configuration_that_cannot_be_meant(tmp_path, stored, said):
    (tmp_path / "config.json").write_text(stored, encoding="utf-8")
    message = refused(tmp_path, "--continue .")
    assert said in message and "config.json" in message
