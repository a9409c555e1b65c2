"""The command line: what it accepts, what it refuses, and in what words."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys

import pytest

import main
from applications.combinations import check
from config import CONTINUE_FLAGS, MODES, Config, UsageError, make_config, parse
from tests.cli import ROOT
from utils.flag_places import modes_of
from utils.flag_words import WORDING


def refusal(words: str) -> str:
    with pytest.raises(UsageError) as caught:
        check(parse(words.split()))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_defaults():
    config = parse([])
    assert config.mode() == "info" and config.given == frozenset()
    assert config.image_size == (224, 224) and config.arch == "efficientnet_b0"
    assert config.margin > 0  # at 0 a constant output is optimal


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("--image_size 64", "image_size", (64, 64)),
        ("--image-size 40 56", "image_size", (40, 56)),
        ("--crop_size 9 --crop random", "crop_size", (9, 9)),
        ("--learning-rate 0.5", "lr", 0.5),
        ("--learning_rate 0.5", "lr", 0.5),
        ("--weight-decay 0.5", "weight_decay", 0.5),
        ("--wd 0", "weight_decay", 0.0),
        ("--criterion ranking_loss", "criterion", "rank"),
        ("--criterion=emd_loss", "criterion", "emd"),
        ("--criterion regress_loss", "criterion", "regress"),
        ("--criterion rank+emd", "criterion", "emd+rank"),
        ("--criterion siamese+emd", "criterion", "emd+siamese"),
        ("-b 3", "batch_size", 3),
        ("-j 3 --workers 0", "workers", 0),  # the last one wins
        ("--evaluation --resume x", "evaluate", True),
        ("-p 5", "print_freq", 5),
        ("--predict a b --resume x", "predict", ("a", "b")),
        ("--check", "check", ""),
        ("--check folder", "check", "folder"),
    ],
)
def test_spellings(words, name, value):
    config = parse(words.split())
    assert getattr(config, name) == value
    assert name in config.given


def help_on(capsys, words: str) -> str:
    with pytest.raises(SystemExit) as done:
        parse(words.split())
    assert done.value.code == 0
    return capsys.readouterr().out


def test_every_long_flag_takes_hyphens_and_the_help_shows_one_spelling(capsys):
    text = help_on(capsys, "--help all")
    for field in dataclasses.fields(Config):
        for name in field.metadata.get("names", ()):
            assert name in text
            if "_" in name:
                assert name.replace("_", "-") not in text
    assert "(default: 224 224)" in text and "(default: 0)" in text
    assert "\noptimisation (--train):" in text and "\nwhat to do" in text
    assert "[--predict] best first" in text and "[rank] learn from this share" in text


def test_the_short_help_has_the_modes_and_the_25_flags_used_most(capsys):
    text = help_on(capsys, "-h")
    found = set(re.findall(r"^  (?:-\w, )?(--\w+)", text, re.M))
    modes = {f.metadata["names"][-1] for f in dataclasses.fields(Config) if f.name in MODES}
    assert len(WORDING.often) == 25
    assert len(found) == 24 + len(modes) + 1 and "--margin" not in found  # -e, --evaluate is a mode
    assert "--help all for all" in text and "python main.py --compare runs/RUN1" in text


@pytest.mark.parametrize("mode", WORDING.modes)
def test_the_help_of_a_mode_has_its_flags_and_no_others(capsys, mode):
    words = {"continue_run": "continue"}.get(mode, mode)
    text = help_on(capsys, f"--help {words}")
    for field in dataclasses.fields(Config):
        if field.metadata and field.name not in WORDING.modes:
            inside = mode in modes_of(field, WORDING)
            long = next(n for n in field.metadata["names"] if n.startswith("--"))
            assert bool(re.search(rf"^  (-\w, )?{long}\b", text, re.M)) == inside, long
    assert ("\n  --continue" in text) == (mode in ("continue_run", "predict"))
    for line in WORDING.examples[mode]:
        assert f"\n  python main.py {line}\n" in text
        config = parse(line.split())
        check(config)
        assert config.mode() == (mode if mode in MODES else "info")


@pytest.mark.parametrize("words", ["--jit --help", "--help jit", "-j 2 --jit -h", "-h --jit"])
def test_help_beside_a_mode_is_about_that_mode(capsys, words):
    assert help_on(capsys, words).startswith("usage: python main.py --jit [flags]")


def test_help_about_nothing_names_what_is_near(tmp_path):
    assert refusal("--help evalaute").startswith("no help about evalaute: did you mean evaluate")
    assert "one of train, continue," in refusal("--help xyzzy")
    (tmp_path / "c.json").write_text('{"predict": ["a", "--help"]}')  # no person asks here
    assert "unknown flag --help" in refusal(f"--config {tmp_path / 'c.json'}")


def test_a_file_whose_name_begins_like_a_flag(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-x.jpg").touch()
    assert refusal("--predict a.jpg -x.jpg") == "unknown flag -x.jpg: write ./-x.jpg for the file"


def test_help_is_quick_as_it_imports_nothing_but_python_and_what_flags_are():
    program = (
        "import sys\nbefore = {*sys.modules}\nimport main\ntry: main.main(['--help'])\n"
        "finally: print(*({*sys.modules} - before), file=sys.stderr)"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    loaded = {*done.stderr.split()}
    assert "config" in loaded and "tempfile" not in loaded
    others = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert others <= {"main", "config", "utils"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--trian", "unknown flag --trian: did you mean --train"),
        ("--imagesize 3", "did you mean --image_size"),
        ("--batch-sise=3", "did you mean --batch_size"),
        ("--xyzzyx", "--help all lists all flags"),
        ("folder", "unexpected argument folder"),
        ("--criterion regres", "unknown criterion 'regres': did you mean regress"),
        ("--lr nan", "--lr/--learning_rate"),
        ("--lr inf", "not a finite number"),
        ("--lr 0", "--lr 0 must be above 0"),
        ("--epochs 0", "0 is not above 0"),
        ("--epochs many", "'many' is not a whole number"),
        ("-j -1", "-1 is below 0"),
        ("--image_size 1 2 3", "--image_size takes height and width, got 3 values"),
        ("--image_size 100000", "limit of 16384"),
        ("--train --jit", "--train and --jit cannot go together"),
        ("-e", "-e needs weights: pass --resume FILE"),
        ("--jit", "--jit needs weights"),
        ("--margin 0", "a constant output is optimal"),
        ("--margin=-1", "must be above 0"),
        ("--train --num_classes 5 --margin 4", "--margin 4 cannot be reached"),
        ("--train --num_classes 5 --margin 0.8 --margin_by_level", "0.8 over 5 levels"),
        ("--hard_pairs 0", "--hard_pairs 0 must be above 0 and at most 1"),
        ("--jitter 3", "--jitter 3 must be at least 0 and at most 2"),
        ("--hard_pairs 1.5", "--hard_pairs 1.5 must be"),
        ("--criterion siamese --num_classes 1", "--criterion siamese needs --num_classes 2"),
        ("--criterion emd+rank --num_classes 1", "--criterion emd+rank needs --num_classes 2"),
        ("--criterion emd+rank --loss_weights 1", "two numbers such as 1,0.5"),
        ("--criterion emd+rank --loss_weights 0,0", "two numbers such as 1,0.5"),
        ("--train --loss_weights 1,2", "only with --criterion emd+rank or emd+siamese"),
        ("--bucket_width 0", "--bucket_width 0 must be above 0"),
        ("--criterion emd --num_classes 1", "--criterion emd needs --num_classes 2"),
        ("--train --pretrained --resume x", "both bring weights"),
        ("--train --crop_from 64", "--crop_from needs --crop random"),
        ("--crop_size 64", "--crop_size needs --crop random or --test_crops"),
        ("--train --crop random --crop_from 200", "smaller than the crop of 224 224"),
        ("--train --resize native", "only with --crop random"),
        ("--train --no_check --bad_images skip", "leave out --no_check"),
        ("--train --labels AVA.txt", "--labels AVA.txt needs --images DIR"),
        (
            "--train --labels a --images b --distort live",
            "--labels and --distort cannot go together",
        ),
        ("--schedule exp --decay 0", "--decay 0 must be above 0"),
        ("--schedule exp --decay 1.5", "--decay 1.5 must be above 0 and at most 1"),
        ("--train --decay_every 3", "--decay_every needs --schedule exp"),
        ("--dropout 1", "--dropout 1 must be at least 0 and below 1"),
        ("--ema 1", "--ema 1 must be"),
        ("--momentum=-0.1", "--momentum -0.1 must be"),
        ("--wd=-1", "--wd -1 must not be below 0"),
        ("--clip_grad=-1", "--clip_grad -1 must not be below 0"),
        ("-g 0 --device cuda", "choose one"),
        ("--train --nodes 2", "--init_method"),
        ("--train --rank 1", "--rank 1 must be below --nodes 1"),
        ("--train --sync_bn --device cpu -g 2", "accelerators only"),
        ("--predict a --resume x -o y.txt", "must end in .csv or .json"),
        ("-e --resume x -o y.json", "must end in .csv"),
        ("--jit --resume x -o y.json", "must end in .pt"),
        ("-e --resume x --sort", "--sort: only with --predict"),
        ("-e --resume x --maps m", "--maps m: only with --predict"),
        ("--predict a --resume x --map_way gradcam", "--map_way needs --maps DIR"),
        ("--train -o y.csv", "only with -e, --test, --predict, --jit, --export, --check"),
        ("--check -o y.csv", "must end in .json or .html"),
        ("--compare a", "--compare a: name two runs or more"),
        ("--compare a b --resume x --fit val", "leave out --fit, --resume: the runs were tested"),
        ("--compare a b --bootstrap 0", "--compare needs resamples"),
        ("--compare a b --bootstrap 50", "intervals need 100 resamples or more"),
        ("--compare a b -o y.csv", "must end in .html or .json"),
        ("--compare " + "r " * 27, "at most 26 runs, not 27"),
        ("--compare a b --train", "--train and --compare cannot go together"),
        ("--train --mirrored", "--mirrored: only with --check"),
        ("--generate basic --tile 10", "at least 64 pixels"),
        ("--continue run --lr 1", "leave out --lr"),
        ("--continue run --train -b 3", "leave out --batch_size, --train"),
        ("--device tpu", "invalid choice"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(words, said):
    assert said in refusal(words)


def test_a_refusal_is_exit_code_2(capsys):
    assert main.main(["--trian"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown flag --trian")


def test_a_lone_double_hyphen_hides_nothing(capsys):
    config = parse("--train -- --use_margin --image_size 244 224 --epochs 3".split())
    assert config.use_margin and config.image_size == (244, 224) and config.epochs == 3
    assert "lone --" in capsys.readouterr().err


def test_abbreviations_are_not_guessed():
    assert "did you mean --epochs" in refusal("--epoch 3")


# ---- configuration files


def write(tmp_path, values) -> str:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(values), encoding="utf-8")
    return str(file)


def test_a_stored_configuration_comes_back(tmp_path):
    words = "--train --criterion emd --image_size 40 56 --lr 3e-5 --no_flip --ema 0.5 --crop random"
    config = parse(words.split())
    again = parse(["--config", write(tmp_path, config.to_dict())])
    assert again.to_dict() == config.to_dict()
    assert json.loads(json.dumps(config.to_dict())) == config.to_dict()


def test_flags_override_the_file(tmp_path):
    file = write(tmp_path, {"train": True, "lr": 0.5, "epochs": 3, "resume": "start.pth"})
    config = parse(["--config", file, "--epochs", "9"])
    assert (config.lr, config.epochs, config.train, config.resume) == (0.5, 9, True, "start.pth")


def test_another_mode_does_not_take_the_weights_that_training_started_from(tmp_path):
    file = write(tmp_path, {"train": True, "resume": "start.pth", "arch": "resnet18"})
    with pytest.raises(UsageError, match="needs weights"):
        check(parse(["--config", file, "-e"]))
    config = parse(["--config", file, "-e", "--resume", "best.pth"])
    assert config.mode() == "evaluate" and config.resume == "best.pth"
    assert config.arch == "resnet18"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"learnrate": 1}', "unknown key 'learnrate'"),
        ('{"bacth_size": 1}', "did you mean batch_size"),
        ('{"lr": "fast"}', "'fast' is not a finite number"),
        ('{"criterion": "rnak"}', "did you mean rank"),
        ('{"epochs": 2.5}', "'2.5' is not a whole number"),
        ('{"resize": "stretch"}', "invalid choice"),
        ("[1]", "an object is wanted"),
        ("{", "not JSON"),
    ],
)
def test_a_key_that_nobody_reads_is_not_ignored(tmp_path, content, said):
    file = tmp_path / "c.json"
    file.write_text(content, encoding="utf-8")
    message = refusal(f"--config {file}")
    assert said in message and str(file) in message


def test_a_missing_file_is_named():
    assert "nothing.json" in refusal("--config nothing.json")


def test_make_config_refuses_unknown_names():
    with pytest.raises(UsageError, match="did you mean epochs"):
        make_config({"epoch": 3})


def test_constants_name_fields():
    names = {f.name for f in dataclasses.fields(Config)}
    assert set(MODES) <= names and names >= CONTINUE_FLAGS


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse([]).lr = 3
