"""Programs that score with an export, each of one file: copied out alone they give the rows of
--predict, by the same rules of reading and cutting images.
"""

from __future__ import annotations

import ast
import csv
import functools
import importlib.util
import io
import math
import os
import shutil
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from applications.export.formats import open_artefact
from models.quality_net import build_model
from tests.cli import ROOT, call
from tests.png_files import chunk, png
from tests.tiny_data import write_data
from tests.utils.imaging.test_images import tiff
from utils.imaging.image_folders import list_images
from utils.imaging.images import read_image

CLIENTS = {"image": "jit_test_resnet.pt", "onnx": "onnx_test_resnet_whole.onnx"}
CLIENTS["openvino"] = "openvino_test_resnet_whole.xml"
CUT = "--crop_size 32 --test_crops 3 --crop_pool median"
# Its headers alone take the compiler a minute.
LIBTORCH = "IQA_TEST_LIBTORCH"
CASES = {
    "emd": (5, f"--criterion emd --num_classes 5 --image_size 40 56 --interpolation bicubic {CUT}"),
    "regress": (1, f"--criterion regress --image_size 32 --resize native --crop random {CUT}"),
}
NEAR = 1e-4  # OpenVINO resizes in 32 bits, and rounds a pixel in many thousands the other way
MODEL = "--arch test_resnet --resume w.pth -g 0 --threads 1"

# A folder with a network exported for each client, and the rows of --predict.
Exported = tuple[Path, dict[str, list[float]]]


def program(name: str):
    """demos/<name>_assessment.py as a module."""
    path = ROOT / "demos" / f"{name}_assessment.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


client = program("image")


def noise(*shape: int, high: int = 256, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(7).integers(0, high, shape).astype(dtype)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Images of every kind that has a rule, one in a folder below."""
    folder = tmp_path_factory.mktemp("photos")
    colours = Image.fromarray(noise(8, 12, 3)).resize((77, 45))
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        colours.save(folder / f"turned{turn}.jpg", exif=exif)
    colours.save(folder / "turned.png", exif=exif)
    colours.save(folder / "turned.tif", exif=exif)
    colours.save(folder / "damaged_exif.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage")
    Image.fromarray(noise(31, 64, 1)[..., 0].astype(np.uint16) * 256 + 7).save(folder / "deep.png")
    deep = noise(40, 36, high=65536, dtype=np.uint16)
    Image.fromarray(deep).save(folder / "deep.tif")
    (folder / "deep.pgm").write_bytes(b"P5 36 40 65535\n" + deep.astype(">u2").tobytes())
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in noise(40, 36, 3, high=65536))
    (folder / "deep_colour.png").write_bytes(png(36, 40, rows, depth=16))
    for mode in ("RGBA", "LA"):
        Image.fromarray(noise(33, 50, len(mode))).save(folder / f"{mode}.png")
    palette = colours.quantize(8)
    palette.save(folder / "palette.png")
    palette.save(folder / "palette.gif")
    palette.save(folder / "clear.png", transparency=2)
    colours.save(folder / "key.png", transparency=colours.getpixel((3, 3)))
    colours.convert("CMYK").save(folder / "cmyk.jpg")
    colours.convert("1").save(folder / "bits.png")
    (folder / "below" / "deeper").mkdir(parents=True)
    Image.fromarray(noise(9, 200, 3)).save(folder / "below" / "deeper" / "thin =1.webp")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "label.txt").write_text("deep.png,1\n")
    return folder


@pytest.mark.parametrize("bits", [(16, 0), (12, 1)])
def test_odd_tiffs(tmp_path, bits):
    depth, photometric = bits
    values = noise(6, 8, high=2**depth, dtype=np.uint16)
    tiff(tmp_path / "t.tif", values, "<", photometric, depth)
    same_pixels(tmp_path / "t.tif")


def same_pixels(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own, which the program turns off for itself
        theirs = client.read_image(path, 10**6)
    np.testing.assert_array_equal(theirs, np.asarray(read_image(path)))


def test_images_are_read_by_the_same_rules(photos, tmp_path):
    files = list_images(photos, None)
    assert len(files) == 24 and [f for f in files if f.parent.name == "deeper"]
    for file in files:
        same_pixels(file)
    key = tmp_path / "key.png"
    extra = chunk(b"tRNS", struct.pack(">H", 300))
    row = b"\0" + struct.pack(">4H", 0, 300, 301, 65535)
    key.write_bytes(png(4, 1, row, depth=16, colour=0, extra=extra))
    same_pixels(key)
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "f.tif")
    for bad, most, said in ((tmp_path / "f.tif", 99, "32 bits"), (key, 3, "4x1 pixels are more")):
        with pytest.raises(ValueError, match=said):
            client.read_image(bad, most)


def functions(name: str) -> dict[str, str]:
    tree = ast.parse((ROOT / "demos" / f"{name}_assessment.py").read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.dump(node) for node in found if node.name != "open_model"}


def test_what_they_share_is_equal():
    assert functions("image") == functions("onnx") == functions("openvino")


def test_a_package_that_is_missing_is_named():
    for name, runtime in (("image", "torch"), ("onnx", "onnxruntime"), ("openvino", "openvino")):
        words = ["-I", "-S", ROOT / "demos" / f"{name}_assessment.py", "photo.jpg"]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
        cure = f"error: No module named 'numpy': pip install {runtime} numpy pillow\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", cure)


@pytest.fixture(scope="module")
def exports(photos, tmp_path_factory) -> Callable[[str], Exported]:
    """What makes each case once: as parameters of a fixture of the module, one would go where the
    next one comes, and be made again.
    """
    return functools.cache(functools.partial(export, photos, tmp_path_factory))


@pytest.fixture
def exported(request, exports) -> Exported:
    return exports(request.param)


def export(photos: Path, tmp_path_factory, case: str) -> Exported:
    for package in ("onnx", "onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(package, reason="needs requirements-export.txt")
    folder = tmp_path_factory.mktemp(case)
    bins, words = CASES[case]
    torch.manual_seed(1)
    torch.save({"model": build_model("test_resnet", bins, (32, 32)).state_dict()}, folder / "w.pth")
    call(folder, f"--jit {words} {MODEL}")
    if case == "emd":  # the graphs are those of tests/applications/export/test_whole.py
        write_data(folder / "data", "emd", train=1)
        done = call(folder, f"--export onnx,openvino --whole {words} {MODEL} -j 0")
        assert done.err.count("50 images of odd sizes made of 6 images of data/") == 2
    broken = folder / "broken.png"
    broken.write_bytes((photos / "deep.png").read_bytes()[:200])
    call(folder, f"--predict {photos} {broken} {words} {MODEL} -j 0 -o predict.csv", 3)
    return folder, rows(folder / "predict.csv")


def rows(file: Path) -> dict[str, list[float]]:
    """path -> its numbers, nan where an image cannot be read."""
    with open(file, encoding="utf-8", newline="") as text:
        table = list(csv.DictReader(text))
    assert list(table[0])[-1] == "error"
    assert all(bool(row["error"]) == (row["score"] == "") for row in table)
    return {
        row["path"]: [float(v or "nan") for k, v in row.items() if k not in ("path", "error")]
        for row in table
    }


@pytest.mark.parametrize(
    ("exported", "name"), [*(("emd", name) for name in CLIENTS), ("regress", "image")],
    indirect=["exported"],
)  # fmt: skip
def test_alone_it_gives_the_rows_of_predict(exported, photos, tmp_path, name):
    folder, wanted = exported
    shutil.copy(ROOT / "demos" / f"{name}_assessment.py", tmp_path / "alone.py")
    words = [photos, folder / "broken.png", "--model", folder / "checkpoints" / CLIENTS[name]]
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "alone.py", *words],
        cwd=tmp_path, capture_output=True, text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )  # fmt: skip
    assert done.returncode == 3, done
    (tmp_path / "scores.csv").write_text(done.stdout)
    found = rows(tmp_path / "scores.csv")
    assert list(found) == list(wanted) and len(wanted) == 25
    for path, numbers in wanted.items():
        assert found[path] == pytest.approx(numbers, abs=NEAR, nan_ok=True), path
    assert math.isnan(found[f"{folder / 'broken.png'}"][0])


@pytest.mark.parametrize("exported", ["emd"], indirect=True)
@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_a_whole_file_takes_any_image(exported, photos, name):
    folder, wanted = exported
    opened = open_artefact(folder / "checkpoints" / CLIENTS[name])
    assert opened.about["whole"] and opened.about["input"].startswith("uint8 (H,W,3)")
    found = opened.run(np.array(read_image(photos / "deep.png")))
    score, _, *probs = wanted[str(photos / "deep.png")]
    assert found["scores"] == pytest.approx([score], abs=NEAR)
    assert found["probs"][0] == pytest.approx(probs, abs=NEAR)


@pytest.mark.parametrize("exported", ["emd"], indirect=True)
def test_the_service_gives_the_rows_of_predict(exported, photos):
    for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "httpx2"):
        pytest.importorskip(package, reason="needs requirements-service.txt and -test.txt")
    from starlette.testclient import TestClient

    from demos.service import make_app
    from demos.serving.models import open_models

    folder, wanted = exported
    names = [name for name in CLIENTS.values() if not name.endswith(".pt")]
    models = open_models([folder / "checkpoints" / name for name in names], 1)
    files = [("images", (path, Path(path).read_bytes())) for path in wanted]
    with TestClient(make_app(models)) as client:
        for model in models:
            answer = client.post("/score", files=files, params={"model": model.name}).json()
            assert answer["model"] == model.name
            for row, (path, numbers) in zip(answer["rows"], wanted.items(), strict=True):
                found = [v for k, v in row.items() if k not in ("image", "error")]
                assert row["image"] == path and (row["error"] is None) == (found[0] is not None)
                found = [math.nan if v is None else v for v in found]
                assert found == pytest.approx(numbers, abs=NEAR, nan_ok=True), path


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder of the programs in C++."""
    if not (
        shutil.which("cmake") and shutil.which("c++") and Path("/usr/include/jpeglib.h").exists()
    ):
        pytest.skip("needs cmake, g++ and libjpeg-dev (Debian: apt-get install them)")
    openvino = pytest.importorskip("openvino", reason="needs requirements-export.txt")
    folder = tmp_path_factory.mktemp("built")
    torch_too = bool(os.environ.get(LIBTORCH))
    packages = f"-D OpenVINO_DIR={Path(openvino.__file__).parent}/cmake"
    packages += f" -D TORCH={Path(torch.__file__).parent if torch_too else ''}"
    for words in (f"-S {ROOT / 'demos' / 'cpp'} -B . {packages}", "--build . -j 2"):
        done = subprocess.run(["cmake", *words.split()], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done
    return folder


@pytest.mark.parametrize(
    ("exported", "name", "file"),
    [("emd", "openvino", CLIENTS["openvino"]), ("emd", "openvino", CLIENTS["onnx"]),
     ("emd", "torch", CLIENTS["image"]), ("regress", "torch", CLIENTS["image"])],
    indirect=["exported"],
)  # fmt: skip
def test_the_programs_in_cpp_give_the_scores_of_predict(
    exported, photos, built, tmp_path, name, file
):
    folder, wanted = exported
    if not (built / f"{name}_assessment").exists():
        pytest.skip(f"libtorch's headers take a minute to compile: set {LIBTORCH}=1")
    jpegs = sorted(str(path) for path in photos.glob("[td]*.jpg"))
    odd = shutil.copy(jpegs[0], tmp_path / 'two, "in\r" one.jpg')
    wanted = {**wanted, str(odd): wanted[jpegs[0]]}
    jpegs.append(str(odd))
    words = [built / f"{name}_assessment", folder / "checkpoints" / file, *jpegs]
    done = subprocess.run(words, capture_output=True)
    assert done.returncode == 0, done
    head, *lines = csv.reader(io.StringIO(done.stdout.decode(), newline=""))
    assert [line[0] for line in lines] == jpegs and len(lines) == 10
    assert head == ["path", "score", *(f"p{k}" for k in range(1, len(lines[0]) - 1))]
    for path, score, *shares in lines:
        numbers = [wanted[path][0], *wanted[path][2:]]  # all but std
        assert [float(score), *map(float, shares)] == pytest.approx(numbers, abs=NEAR), path
    done = subprocess.run([*words[:2], photos / "bits.png"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {photos / 'bits.png'}: Not a JPEG file")
