"""Every recipe of z_task_shell runs as it stands, one after the other as a user would, on generated
data.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from config import parse
from tests.ava_tree import write_ava
from tests.cli import ROOT, Result, call, inside
from tests.small_photos import NAMES, small_photo
from tests.tiny_data import write_data

SHELL = ROOT / "z_task_shell"
REQUIREMENTS = (
    "requirements.txt", "requirements-quickstart.txt", "requirements-ray.txt",
    "requirements-test.txt", "requirements-weights.txt",
)  # fmt: skip
SMALL = (
    "--arch test_resnet --image_size 64 -b 8 -j 0 --epochs 1 --threads 1 --report_maps 0 "
    "--bootstrap 100".split()
)
QUICK = [*SMALL, "--no_report"]  # one training with a report is enough: it takes seconds
WEIGHTS = ["--resume", "checkpoints/model_best_test_resnet.pth"]

# This test's own interpreter; told to, it notes what main.py is called with instead of calling it,
# and the program that follows such a call.
PYTHON = f"""#!/bin/sh
if [ -n "$WORDS" ]; then
  case "$1" in
    */main.py) printf '%s\\0' "$@" >"$WORDS"; exit ;;
    -) [ ! -e "$WORDS" ] || {{ cat >"$WORDS.py"; printf '%s\\0' "$@" >"$WORDS.argv"; exit; }} ;;
  esac
fi
exec "{sys.executable}" "$@"
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """PYTHON dressed up as an environment that needs no installation."""
    venv = tmp_path_factory.mktemp("venv with space")
    python = venv / "bin" / "python"
    python.parent.mkdir()
    python.write_text(PYTHON)
    python.chmod(0o755)
    (venv / ".stamps").mkdir()
    for name in REQUIREMENTS:
        command = f'. "{SHELL}/setup.sh"; stamp_of "{python}" "{ROOT / name}"'
        stamp = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        (venv / ".stamps" / name).write_text(stamp.stdout)
    return {**os.environ, "IQA_VENV": str(venv), "WORDS": str(venv / "words")}


def recipe(
    name: str, arguments: list[str], folder: Path, environment: dict[str, str], code: int = 0
) -> Result:
    """The recipe in a shell; the main.py that it starts, and a program of its own behind that, run
    in this process, if WORDS is set.
    """
    words = Path(environment["WORDS"] or "none")
    program = words.with_name("words.py")
    for file in (words, program):
        file.unlink(missing_ok=True)
    done = subprocess.run(
        ["bash", str(SHELL / name), *arguments],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    found = Result(done.returncode, done.stdout, done.stderr)
    assert "nothing to install" in found.err
    if words.exists():
        main, *flags = words.read_text().split("\0")[:-1]
        assert (found.code, main) == (0, str(ROOT / "main.py"))
        found = call(folder, shlex.join(flags), code=None)
    assert found.code == code, f"{name}: {found}"
    if program.exists():
        with inside(folder), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", program.with_suffix(".argv").read_text().split("\0")[:-1])
            patch.setattr(sys, "path", sys.path[:])
            exec(compile(program.read_text(), name, "exec"), {})
    return found


def test_every_recipe_is_run_here() -> None:
    """A new recipe needs a run below; quickstart.sh and test.sh are run as a whole by hand and by
    CI.
    """
    run = set(
        "info generate check train_rank train_rank_photos train_emd train_regress nima_ava "
        "nima_paper rank_then_regress evaluate export predict siamese_nima faults "
        "quality_model predict_slurm predict_kubernetes predict_ray".split()
    )
    assert {p.stem for p in SHELL.glob("*.sh")} == run | {"setup", "test", "quickstart"}
    for script in SHELL.glob("*.sh"):
        assert "set -euo pipefail" in script.read_text()
        subprocess.run(["bash", "-n", str(script)], check=True)


def test_from_photographs_to_scores(tmp_path: Path, environment: dict[str, str]) -> None:
    photos = tmp_path / "my photos"
    photos.mkdir()
    for i, name in enumerate(NAMES[:3]):  # real ones: patterns are near duplicates of each other
        small_photo(name).resize((96, 72)).save(photos / f"photo {i}.png")
    data = ["--data", "ranked"]
    split = ["--val_photos", "1", "--test_photos", "1", "-j", "0"]
    recipe("generate.sh", ["--photos", str(photos), *data, *split], tmp_path, environment)
    assert "no faults found" in recipe("check.sh", data, tmp_path, environment).out
    recipe("train_rank.sh", [*data, *SMALL], tmp_path, environment)
    mos = [*data, "--label_name", "label_mos.txt"]
    recipe("train_regress.sh", [*mos, *QUICK, *WEIGHTS], tmp_path, environment)
    stages = ["--stage_epochs", "1,1", "--checkpoints", "staged"]
    staged = recipe("rank_then_regress.sh", [*data, *QUICK, *stages], tmp_path, environment)
    assert "2 regress" in staged.err and (tmp_path / "staged/model_best_test_resnet.pth").exists()
    assert "srcc" in recipe("evaluate.sh", [*mos, *WEIGHTS, "-j", "0"], tmp_path, environment).out
    recipe("export.sh", [*data, *WEIGHTS], tmp_path, environment)
    assert (tmp_path / "checkpoints" / "jit_test_resnet.pt").exists()
    scored = recipe("predict.sh", [str(photos), *WEIGHTS, "-j", "0"], tmp_path, environment)
    assert scored.out.count(".png") == 3
    flags = ["--photos", str(photos), *split, *QUICK, "--crop_size", "64", "--ladders", "1"]
    recipe("train_rank_photos.sh", flags, tmp_path, environment)
    assert len(list(tmp_path.glob("runs/*/photographs.json"))) == 1
    assert "resnet18" in recipe("info.sh", ["--arch", "resnet18"], tmp_path, environment).out


def test_the_quality_model_is_trained_anew(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "photos").mkdir()
    rows = ["image,mos"]
    for i in range(10):
        small_photo(NAMES[i % 3]).crop((i, i, i + 72, i + 60)).save(tmp_path / f"photos/{i}.png")
        rows.append(f"{i}.png,{10 * i}")
    (tmp_path / "scores.csv").write_text("\n".join(rows))
    words = "out --labels scores.csv --images photos --crop_size 32 --test_crops 2 -b 4 -j 0"
    quick = "--epochs 1 --no_check --no_report"
    recipe("quality_model.sh", f"{words} {quick}".split(), tmp_path, environment)
    done = call(tmp_path, "--predict photos/3.png --resume out/model -j 0")
    assert "about 0 (bad) to 100" in done.err and "3.png" in done.out
    card = (tmp_path / "out/model/README.md").read_text()
    assert "| srcc | " in card and "95% interval" in card and "learned from | scores.csv" in card


def test_histograms_and_a_fault(tmp_path: Path, environment: dict[str, str]) -> None:
    write_data(tmp_path / "votes", "emd", train=3, held_out=1)
    recipe("train_emd.sh", ["--data", "votes", *QUICK], tmp_path, environment)
    buckets = ["--data", "votes", "--label_name", "buckets.txt"]
    for split in ("train", "val", "test"):
        words = f"--make_buckets votes/{split}/label.txt -o votes/{split}/buckets.txt"
        call(tmp_path, words)
    frozen = [*WEIGHTS, "--freeze", "layer3"]  # in place of the recipe's stage of another network
    done = recipe("siamese_nima.sh", [*buckets, *QUICK, *frozen], tmp_path, environment)
    assert "the backbone up to layer3" in done.err and "0 new" in done.err
    fresh = [*QUICK, "--arch", "test_vit"]  # would refuse the stage
    done = recipe("siamese_nima.sh", [*buckets, *fresh], tmp_path, environment)
    assert "never learned scores" in done.err and "frozen:" not in done.err
    with open(tmp_path / "votes" / "val" / "label.txt", "a") as labels:
        labels.write("missing.png,1,1,1,1,1\n")
    found = recipe(
        "check.sh", ["votes", "--criterion", "emd", "-j", "0"], tmp_path, environment, code=1
    )
    assert "val/label.txt:4:1" in found.out and "missing.png" in found.out


def stub(folder: Path, name: str, lines: str) -> None:
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / name).write_text(f"#!/usr/bin/env bash\n{lines}\n")
    (folder / "bin" / name).chmod(0o755)


def test_a_slurm_job_goes_on(tmp_path: Path, environment: dict[str, str]) -> None:
    """sbatch runs the job at once; srun what it is given, as the second of two nodes."""
    (tmp_path / "my photos").mkdir()
    small_photo(NAMES[0]).save(tmp_path / "my photos/a.png")
    stub(tmp_path, "sbatch", "exec bash")
    stub(tmp_path, "scontrol", '[ "$*" = "show hostnames node[1-2]" ] && printf "node1\\nnode2\\n"')
    stub(tmp_path, "srun", 'shift; exec "$@"')
    place = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NNODES": "2", "SLURM_NODEID": "1"}
    found = f"{tmp_path}/bin:{os.environ['PATH']}"
    there = {**environment, **place, "PATH": found, "CPUS": "1"}
    words = ["my photos", "-o", "s.csv", "--threads", "1"]
    for _ in range(2):
        recipe("predict_slurm.sh", words, tmp_path, there)
        assert (tmp_path / "s.csv").read_text().count("my photos/a.png") == 1
    job = recipe("predict_slurm.sh", words, tmp_path, {**there, "SBATCH": "cat", "NODES": "2"}).out
    assert "#SBATCH --job-name=iqa_predict --time=24:00:00 --nodes=2" in job
    assert subprocess.run(["bash", "-n"], input=job, text=True).returncode == 0
    with_words = {**there, "NODES": "2", "WORDS": str(tmp_path / "words")}
    subprocess.run(
        ["bash", str(SHELL / "predict_slurm.sh"), *words], env=with_words, cwd=tmp_path, check=True
    )
    passed = (tmp_path / "words").read_text().split("\0")
    config = parse([word for word in passed[1:] if word])
    assert (config.nodes, config.rank, config.init_method) == (2, 1, "tcp://node1:29400")
    assert config.predict == ("my photos",) and config.going_on


def test_a_job_of_kubernetes(tmp_path: Path, environment: dict[str, str]) -> None:
    words = ["/data/my photos", "/data/*.tar", "-o", "/data/s.csv"]
    there = {**environment, "WORDS": ""}
    (job,) = json.loads(recipe("predict_kubernetes.sh", words, tmp_path, there).out)["items"]
    assert job["kind"] == "Job" and job["spec"]["completions"] == 1
    shell = job["spec"]["template"]["spec"]["containers"][0]["command"]
    stub(tmp_path, "python", "printf '%s\\0' \"$@\"; exit 3")  # some images could not be read
    path = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "JOB_COMPLETION_INDEX": "1"}
    done = subprocess.run(shell, env=path, cwd=tmp_path, capture_output=True, text=True, check=True)
    program, *passed = done.stdout.split("\0")[:-1]
    config = parse(passed)
    assert program == "/app/main.py" and config.going_on and config.output == "/data/s.csv"
    assert config.predict == ("/data/my photos", "/data/*.tar")
    found = recipe("predict_kubernetes.sh", words, tmp_path, {**there, "PODS": "3", "GPUS": "2"})
    service, job = json.loads(found.out)["items"]
    assert service["spec"]["clusterIP"] == "None" and job["spec"]["completions"] == 3
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    done = subprocess.run(
        pod["containers"][0]["command"], env=path, capture_output=True, text=True, check=True
    )
    config = parse(done.stdout.split("\0")[1:-1])
    assert (config.nodes, config.rank, config.gpus) == (3, 1, 2)
    assert config.init_method == "tcp://iqa-predict-0.iqa-predict:29400"


def test_ray_is_asked_for_by_name(tmp_path: Path, environment: dict[str, str]) -> None:
    """tests/applications/test_predict_ray.py runs the program where ray is installed."""
    there = {**environment, "WORDS": ""}
    assert "--processes" in subprocess.run(
        [sys.executable, str(ROOT / "applications/predict_ray.py"), "--help"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    words = [str(tmp_path / "nothing.png"), "-o", "out"]
    done = recipe("predict_ray.sh", words, tmp_path, there, code=1)
    assert done.err.splitlines()[-1].startswith("error: ") and not (tmp_path / "out").exists()


def test_trials_of_faults(tmp_path: Path, environment: dict[str, str]) -> None:
    found = recipe("faults.sh", ["pictures", "--short"], tmp_path, environment)
    assert "WRONG" not in found.out and "right" in found.out


def test_nima_from_imagenet_weights(tmp_path: Path, environment: dict[str, str]) -> None:
    """Both recipes of NIMA on a small AVA; random weights stand in for ImageNet's."""
    import timm
    from safetensors.torch import save_file

    write_ava(tmp_path / "AVA")
    (tmp_path / "pretrained").mkdir()
    state = timm.create_model("test_resnet").state_dict()
    save_file(state, tmp_path / "pretrained" / "test_resnet.safetensors")
    small = ["--data", "AVA", *"--val_size 3 --epochs 1 -b 4 -j 0 --threads 1 --no_report".split()]
    size = "--crop_from 72 --crop_size 64 --image_size 64".split()
    arguments = [*small, *size, "--arch", "test_resnet"]
    first = recipe("nima_ava.sh", arguments, tmp_path, environment)
    assert "--train_size 250502: only 9 rows are left to train" in first.err
    listed = ["--test_list", "generic_test.jpgl"]
    arguments = ["test_resnet", *small, *size, *listed]
    second = recipe("nima_paper.sh", arguments, tmp_path, environment)
    assert "--lr_backbone 3e-07, --lr_head 3e-06" in second.err
    assert "12 rows: 7 train, 3 val, 2 test" in second.err
    usage = ["bash", str(SHELL / "nima_paper.sh"), "--data", "AVA"]
    done = subprocess.run(usage, capture_output=True, text=True)
    assert done.returncode == 2 and "ARCH [flags]" in done.stderr
