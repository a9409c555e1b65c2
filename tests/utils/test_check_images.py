"""Finding unreadable images: same answer for any number of processes, and the program around it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import utils.check_images
from tests.cli import PATIENCE
from tests.faults.trial import fingerprint
from utils.check_images import BadImage, check_images, main

PROGRAM = Path(__file__).resolve().parents[2] / "utils" / "check_images.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """30 images below one folder; 3, 11 and 29 are bad in different ways."""
    images = tmp_path / "photos"
    (images / "deep").mkdir(parents=True)
    pixels = np.random.default_rng(3).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    for i in range(30):
        Image.fromarray(pixels).save(images / ("deep" if i % 2 else ".") / f"{i:02}.png")
    whole = (images / "deep" / "03.png").read_bytes()
    (images / "deep" / "03.png").write_bytes(whole[:300])
    (images / "deep" / "11.png").write_text("text")
    (images / "deep" / "29.png").write_bytes(b"")
    (images / "note.txt").write_text("not checked")
    return images


def paths(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"), key=lambda path: path.name)


def test_bad_images_in_input_order_for_any_number_of_workers(folder):
    before = fingerprint(folder)
    here = check_images(paths(folder), workers=0)
    assert [bad.path.name for bad in here] == ["03.png", "11.png", "29.png"]
    assert here[0].reason.startswith("cannot be decoded (")
    assert here[2] == BadImage(
        folder / "deep" / "29.png", "is empty (0 bytes): replace the file, or take it out"
    )
    assert check_images(paths(folder), workers=2) == here
    assert check_images(reversed(paths(folder)), workers=0) == here[::-1]
    assert fingerprint(folder) == before


@pytest.mark.parametrize("workers", [0, 2])
def test_progress_counts_every_image(folder, workers):
    seen = []
    check_images(paths(folder), workers, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 30) for i in range(1, 31)]


def test_edges(folder):
    assert check_images([]) == []
    assert check_images([str(folder / "gone.png")])[0].reason == "no such file: check the path"
    assert "cap of 5" in check_images([folder / "00.png"], max_pixels=5)[0].reason
    with pytest.raises(ValueError, match="workers -1: give 0 or more"):
        check_images([], workers=-1)


def test_an_image_too_large_for_the_memory_is_bad(folder, monkeypatch):
    def full(path, max_pixels):
        raise MemoryError

    monkeypatch.setattr(utils.check_images, "read_image", full)
    assert check_images([folder / "00.png"])[0].reason.startswith("does not fit in memory")


def test_an_error_in_progress_stops_the_processes(folder):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_images(paths(folder), workers=1, progress=stop)


def test_a_process_that_dies_is_told(folder):
    """In an own program: the reader of its processes is replaced by one that ends them."""
    program = folder / "dies.py"
    program.write_text(
        "import os, sys\n"
        f"sys.path.insert(0, {str(PROGRAM.parents[1])!r})\n"
        "import utils.check_images as c\n"
        "c.read_image = lambda path, max_pixels: os._exit(9)\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        c.check_images(['x.png'] * 20, workers=1)\n"
        "    except ValueError as error:\n"
        "        print(error)\n"
    )
    command = [sys.executable, program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.startswith("a process that checks images died: check with fewer workers")


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-W", "error", str(PROGRAM), *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )


def test_the_program_from_any_folder(folder, tmp_path):
    done = run("photos", "-j", 2, cwd=tmp_path)
    assert done.returncode == 1
    names = [line.split(":")[0] for line in done.stdout.splitlines()]
    assert names == [f"photos/deep/{name}.png" for name in ("03", "11", "29")]
    assert done.stderr == "30 images checked, 3 bad\n"  # no bar where stderr is no terminal


def test_the_program_on_good_files(folder, capsys):
    assert main([str(folder / "00.png"), str(folder / "02.png"), "--workers", "0"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err == "2 images checked, 0 bad\n"


@pytest.mark.parametrize("arguments", [["empty"], [], ["empty", "-j", "-1"]])
def test_the_program_with_nothing_to_do(tmp_path, arguments, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_the_bar_on_a_terminal(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main([str(folder), "-j", "0"]) == 1
    bar = capsys.readouterr().err.split("\n")[0]
    assert bar.rpartition("\r")[2].startswith("100%|") and "30/30 [" in bar
