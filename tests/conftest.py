"""One torch thread per test process, and the longest files first: the suite runs several workers
on few cores.
"""

import gc
import os
import tempfile

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# A test that reaches for the network must fail at once, not after a timeout.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Nor must weights that a person once downloaded change what a test trains.
for name in ("HF_HUB_CACHE", "TORCH_HOME"):
    os.environ[name] = os.path.join(tempfile.gettempdir(), "no-cache-of-weights")

# What is imported and collected stays: a fifth of the start went into looking at it over and over.
gc.disable()

import pytest  # noqa: E402

from tests.browser import browser, browser_of_session  # noqa: E402, F401

# No test cuts the power: what waiting for the disk at each of thousands of saves would be for.
os.fsync = lambda handle: None

# Files that take a process more than ten seconds, the longest first. `--dist loadfile` gives out
# whole files in this order: a fixture of a file is made once, and what is left at the end is short.
LONG = (
    "applications/test_processes.py", "applications/training/test_features.py",
    "models/keras/test_importing.py", "models/test_families.py",
    "utils/runtime/test_distributed.py", "applications/training/test_stages.py",
    "applications/test_interrupt.py", "applications/test_train_cycle.py", "faults/test_trials.py",
    "test_recipes.py", "applications/reports/test_report.py", "demos/test_clients.py",
    "test_shell_recipes.py", "applications/test_signals.py",
    "applications/inputs/test_photographs.py", "utils/runtime/test_npu.py",
    "applications/scoring/test_runtimes.py", "applications/export/test_formats.py",
    "models/test_pretrained.py", "applications/export/test_families.py",
    "applications/test_siamese.py", "applications/test_export.py",
    "applications/export/test_whole.py", "applications/test_npu_cli.py",
    "applications/export/test_failures.py", "z_task_shell/test_setup.py",
    "applications/training/test_beginning.py", "applications/training/test_finite.py",
    "utils/data_generate/distortions/test_distortions.py", "applications/test_continue.py",
    "applications/scoring/test_openvino.py", "utils/drawing/test_svg.py",
    "utils/data_generate/test_generate.py", "test_start.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {f"tests/{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONG)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():
    # Seldom: with all that is imported, each look takes half a second.
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


@pytest.fixture(autouse=True)
def _own_random_state():
    """Each test starts from the same generator state, so that order does not matter."""
    # Not above: the process that only hands out files needs no torch.
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
