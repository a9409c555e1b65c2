"""One torch thread per test process: the suite runs several workers on few cores."""

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
import torch  # noqa: E402

from tests.browser import browser, browser_of_session  # noqa: E402, F401

torch.set_num_threads(1)
# No test cuts the power: what waiting for the disk at each of thousands of saves would be for.
os.fsync = lambda handle: None


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():
    gc.enable()


@pytest.fixture(autouse=True)
def _own_random_state():
    """Each test starts from the same generator state, so that order does not matter."""
    torch.manual_seed(0)
    yield
