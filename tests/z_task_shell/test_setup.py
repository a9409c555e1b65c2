"""setup.sh makes an environment once, from any folder, and says in one line what it cannot do."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def write_checkout(folder: Path) -> Path:
    (folder / "z_task_shell").mkdir(parents=True)
    shutil.copy(ROOT / "z_task_shell/setup.sh", folder / "z_task_shell")
    for name in ("requirements.txt", "requirements-test.txt"):
        (folder / name).write_text("# nothing\n")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts alone, with requirement files that need no download, in a folder with a space."""
    return write_checkout(tmp_path / "a checkout")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A checkout with the environment that setup.sh has made, and what it said."""
    folder = write_checkout(tmp_path_factory.mktemp("first") / "a checkout")
    return folder, setup(folder)


@pytest.fixture
def made(first: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of that checkout."""
    return shutil.copytree(first[0], tmp_path / "a copy", symlinks=True)


def setup(checkout: Path, *files: str, code: int = 0, **environment: str) -> str:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("IQA_", "PIP_"))}
    plain["PIP_CONFIG_FILE"] = os.devnull  # an index of this machine's would bring the whole torch
    done = subprocess.run(
        ["bash", str(checkout / "z_task_shell/setup.sh"), *files],
        cwd="/",
        env={**plain, "IQA_PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert done.stdout == ""  # a recipe's own output is not mixed with it
    return done.stderr


def test_a_second_run_installs_nothing_until_a_file_changes(
    first: tuple[Path, str], made: Path
) -> None:
    checkout, said = made, first[1]
    assert "making an environment" in said and "installing requirements.txt" in said
    python = checkout / ".venv/bin/python"
    assert subprocess.run([python, "-c", "import pip"], check=True).returncode == 0
    assert setup(checkout).count("\n") == 1 and "nothing to install" in setup(checkout)
    both = setup(checkout, "requirements-test.txt")
    assert "making" not in both and "installing requirements-test.txt into" in both
    assert "nothing to install" in setup(checkout)
    assert "nothing to install" in setup(checkout, "requirements-test.txt")
    (checkout / "requirements.txt").write_text("# another\n")
    assert "installing requirements.txt into" in setup(checkout, "requirements-test.txt")


def test_an_environment_of_a_killed_run_is_made_again(checkout: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / "mine"], check=True)
    venv = str(checkout / "mine")
    assert "making an environment" in setup(checkout, IQA_VENV=venv)
    assert "nothing to install" in setup(checkout, IQA_VENV=venv)
    assert not (checkout / ".venv").exists()


def test_a_failed_installation_is_tried_again(made: Path) -> None:
    shutil.rmtree(made / ".venv/.stamps")  # nothing is installed yet
    (made / "requirements-test.txt").write_text("./not-there\n")
    setup(made, "requirements-test.txt", code=1)
    (made / "requirements-test.txt").write_text("# nothing\n")
    said = setup(made, "requirements-test.txt")
    assert "installing requirements.txt requirements-test.txt" in said


def test_an_interpreter_that_will_not_do_is_named(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    said = setup(checkout, code=1, IQA_PYTHON=str(old))
    assert said == f"setup: IQA_PYTHON={old} is no Python of 3.10 or newer\n"
    assert not (checkout / ".venv").exists()


def test_without_any_new_python_the_remedy_is_named(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "dirname", "cat"):
        (tools / tool).symlink_to(shutil.which(tool))
    said = setup(checkout, code=1, IQA_PYTHON="", PATH=str(tools))
    assert "no Python 3.10 or newer found" in said and "IQA_PYTHON=/path/to/python" in said


def write_wheel(index: Path, name: str) -> None:
    """An empty package in a package index of the file system."""
    info = f"{name}-9.0.dist-info"
    page = index / name / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="{name}-9.0-py3-none-any.whl">{name}</a>')
    with zipfile.ZipFile(page.parent / f"{name}-9.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_torch_and_nothing_else_comes_from_its_own_index(made: Path, tmp_path: Path) -> None:
    shutil.rmtree(made / ".venv/.stamps")
    for name in ("torch", "torchvision"):
        write_wheel(tmp_path / "index of wheels", name)
    (made / "requirements.txt").write_text("# torch\ntorch>=2.11,!=2.13.0\ntorchvision>=0.26\n")
    index = (tmp_path / "index of wheels").as_uri()
    said = setup(made, IQA_TORCH_INDEX=index)
    assert "torch and torchvision come from IQA_TORCH_INDEX" in said
    assert "delete it first" in setup(made, IQA_TORCH_INDEX=index)
    (made / "requirements-test.txt").write_text("timm\n")  # would be in another index
    other = {"PIP_NO_INDEX": "1", "IQA_TORCH_INDEX": index}
    assert "for timm" in setup(made, "requirements-test.txt", code=1, **other)


def test_every_recipe_has_a_help_of_its_own() -> None:
    answers = {}
    for script in sorted((ROOT / "z_task_shell").glob("*.sh")):
        words = ["bash", str(script), "--data", "D", "--help"]
        done = subprocess.run(words, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        first = script.read_text().splitlines()[1].removeprefix("# ")
        assert done.stdout.startswith(first) and "set -euo" not in done.stdout
        answers[script.stem] = done.stdout
    assert len(set(answers.values())) == len(answers)
    assert "IQA_TORCH_INDEX" in answers["setup"] and "main.py --help" in answers["train_rank"]
    assert "main.py --help" not in answers["quickstart"] + answers["setup"]
