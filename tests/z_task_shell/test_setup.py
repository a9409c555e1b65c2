"""setup.sh makes an environment once, from any folder, and says in one line what it cannot do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts alone, with requirement files that need no download, in a folder with a space."""
    folder = tmp_path / "a checkout"
    (folder / "z_task_shell").mkdir(parents=True)
    shutil.copy(ROOT / "z_task_shell/setup.sh", folder / "z_task_shell")
    for name in ("requirements.txt", "requirements-test.txt"):
        (folder / name).write_text("# nothing\n")
    return folder


def setup(checkout: Path, *files: str, code: int = 0, **environment: str) -> str:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("IQA_")}
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


def test_a_second_run_installs_nothing_until_a_file_changes(checkout: Path) -> None:
    first = setup(checkout)
    assert "making an environment" in first and "installing requirements.txt" in first
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


def test_a_failed_installation_is_tried_again(checkout: Path) -> None:
    (checkout / "requirements-test.txt").write_text("./not-there\n")
    setup(checkout, "requirements-test.txt", code=1)
    (checkout / "requirements-test.txt").write_text("# nothing\n")
    assert "installing requirements.txt requirements-test.txt" in setup(
        checkout, "requirements-test.txt"
    )


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
