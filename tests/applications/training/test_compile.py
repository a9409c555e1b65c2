"""--compile: a training learns what it learns without, however many images a step has.

The compiler itself takes a minute on two cores, for a network this small as well: COMPILE=1 calls
it; without, torch follows the network's operators for any number of images, and compiles none.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import torch

from tests import outcomes
from tests.cli import BEST, LAST, TINY, call, records, refused
from tests.tiny_data import write_data
from utils.runtime.compiler import check_compiler

REAL = bool(os.environ.get("COMPILE"))
# Six steps of 5 images and one of 3; dropout draws the same numbers. With adam, a gradient that is
# nothing but rounding counts as much as another.
WORDS = (
    f"--train --criterion regress {TINY} -b 5 --no_check --bootstrap 0 --seed 3 --dropout 0.5 "
    "--ema 0.8 --monitor loss --opt sgd --lr 1e-2 --schedule constant"
)
SAID = r"--compile: \d+ s to compile; a step of 5 images then takes \S+ s, and \S+ s without: .+"


@pytest.fixture(autouse=True, scope="module")
def _quick():
    """Without COMPILE=1."""
    real = torch.compile
    with pytest.MonkeyPatch.context() as patched:
        if not REAL:
            patched.setattr(torch, "compile", lambda function, **_: real(function, backend="eager"))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "data", "regress", train=11).parent


@pytest.fixture(scope="module")
def whole(data) -> Path:
    """A compiled run, whose network was compiled once."""
    check_compiler(torch.device("cpu"))
    torch._dynamo.utils.counters.clear()
    said = call(data, f"{WORDS} --logdir whole --compile").err
    assert re.search(f"^{SAID}$", said, re.MULTILINE), said
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    (run,) = (data / "whole").iterdir()
    return run


def test_a_compiled_training_is_that_of_the_network_as_it_is(data, whole):
    call(data, f"{WORDS} --logdir plain")
    (plain,) = (data / "plain").iterdir()
    losses = [[r["loss"] for r in records(run) if "loss" in r] for run in (plain, whole)]
    assert len(losses[0]) == 4  # of training and validation
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    for file in (BEST, LAST):
        one, other = (outcomes.tensors(run / file) for run in (plain, whole))
        assert one.keys() == other.keys()
        for name, value in one.items():
            torch.testing.assert_close(value, other[name], rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not REAL, reason="compiles three times: COMPILE=1")
def test_an_interrupted_one_goes_on_to_the_bit(data, whole):
    with outcomes.stopped_after(2):
        call(data, f"{WORDS} --compile --logdir parts", 143)
    (parts,) = (data / "parts").iterdir()
    call(data, f"--continue parts/{parts.name}")
    ignored = ("workers", "logdir")
    assert outcomes.outcome(parts, ignored=ignored) == outcomes.outcome(whole, ignored=ignored)


def test_one_image_and_heads_alone_are_refused(data):
    words = "--train --criterion regress --compile --freeze backbone --cache_features"
    refused(data, words, "--compile and --cache_features cannot go together: a head alone learns")
    err = call(data, f"{WORDS} --compile -b 1 --logdir one", 1).err
    assert "--compile: steps of one image are not compiled: pass a larger -b" in err
