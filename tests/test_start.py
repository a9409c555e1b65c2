"""What a program imports before it answers: torch, its compiler and timm take seconds each."""

import os
import subprocess
import sys

from tests.cli import ROOT, TINY
from tests.tiny_data import write_data

PROGRAMS = (
    "demos/image_assessment.py", "demos/onnx_assessment.py", "demos/openvino_assessment.py",
    "demos/photo_sheet.py", "demos/quickstart_report.py", "applications/predict_ray.py",
    "utils/check_images.py",
)  # fmt: skip
HELP = f"""
import runpy, sys
for words in (["main.py", "--generate"], *([name] for name in {PROGRAMS!r})):
    sys.argv = [*words, "--help"]
    try:
        runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        assert not end.code, words
    assert not {{"torch", "timm", "onnx", "openvino.torch"}} & {{*sys.modules}}, words
"""
NETWORK = "torchvision:squeezenet1_1"
# A part of torch that is imported for nothing once is seen here whoever asked for it.
CALLS = f"""
import ctypes, gc, pathlib, runpy, sys
watched = ("torch", "torchvision", "applications.train")
looked = []
def look(phase, info):
    specs = [sys.modules[name].__spec__ for name in watched if name in sys.modules]
    looked.append([spec.name for spec in specs if spec._initializing])
gc.callbacks.append(look)
def blas_threads():
    import numpy
    libraries = pathlib.Path(numpy.__file__).parents[1].glob("numpy.libs/libscipy_openblas64_*.so")
    for library in libraries:
        return ctypes.CDLL(str(library)).scipy_openblas_get_num_threads64_()
words = sys.argv[1].split()
sys.argv = ["main.py", "--train", *words, "--epochs", "1", "--bootstrap", "0"]
try:
    runpy.run_path(sys.path[0] + "/main.py", run_name="__main__")
except SystemExit as end:
    assert end.code == 0
assert gc.isenabled() and gc.get_freeze_count() and looked and not any(looked), looked
import main
weights = "checkpoints/model_best_{NETWORK.replace(":", "_")}.pth"
assert main.main(["--predict", "data/test/images", "-j", "0", "-g", "0", "--resume", weights]) == 0
threads = blas_threads()
assert threads in (None, 1), threads  # --threads 1
late = {{"timm", "torch._dynamo", "sympy", "torch.utils.flop_counter"}} & {{*sys.modules}}
assert not late, late
import torch, torch._dynamo.utils, torchvision
assert torchvision.ops.roi_align.__globals__["is_compile_supported"]("cpu") in (True, False)
assert torch.compiler.disable.__module__ == "torch.compiler"
"""


def _run(program: str, *words: str, folder: str = str(ROOT)) -> None:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}"]
    environment = {name: v for name, v in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [*command, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_help_of_every_program_comes_without_torch():
    _run(HELP)


def test_a_network_of_torchvision_is_trained_and_used_without_timm_and_the_compiler(tmp_path):
    write_data(tmp_path / "data", "regress", 2, 1)
    words = f"--criterion regress {TINY} --no_check --no_pretrained --arch {NETWORK}"
    _run(CALLS, words, folder=str(tmp_path))
