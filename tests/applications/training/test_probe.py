"""Which precision and how many threads a training on the CPU takes where no flag says it."""

import json
from dataclasses import replace

import pytest
import torch

from applications.inputs.data import read_data
from applications.inputs.runtime import Runtime
from applications.tasks import TASKS
from applications.training.one_run import train
from applications.training.probe import (
    ENOUGH,
    ROUNDS,
    Way,
    fastest,
    longest,
    timed_step,
    with_precision,
)
from config import make_config
from models.quality_net import build_model
from tests.cli import BEST, TINY, call, inside, run_folders
from tests.outcomes import stopped_after, tensors
from tests.tiny_data import write_data
from utils.runtime.device import default_amp
from utils.runtime.distributed import World
from utils.runtime.rng_state import rng_state

CPU = torch.device("cpu")
EXACT, QUICK, SINGLE = Way("off", 2), Way("bf16", 2), Way("bf16", 1)
OPEN = TINY.replace("--amp off ", "")
LONG = 100_000  # epochs


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_data(folder / "data", "regress", train=2, held_out=2)
    return folder


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def stored(run, file="config.json"):
    return json.loads((run / file).read_text(encoding="utf-8"))


def asked(**flags):
    given = {
        "train": True, "criterion": "regress", "arch": "test_resnet", "image_size": [40, 56],
        "batch_size": 4, "epochs": LONG, "workers": 0, "no_report": True, "warmup": 0,
        "pretrained": False,
    }  # fmt: skip
    return make_config(given | flags)


def runtime(amp="bf16"):
    return Runtime(CPU, amp, World(0, 1, 0))


@pytest.mark.parametrize(
    "seconds, fewer, chosen, said",
    [
        ((1.9, 1, 2), True, QUICK, "bf16 (1.9 times as fast as float32 here; --amp off|bf16 "),
        ((0.65, 1, 1), True, EXACT, "float32 (bf16 is 0.65 times as fast here; --amp off|bf16 "),
        ((1, 1, 1), True, EXACT, "float32 (bf16 is 1 times"),
        ((1.04, 1, 1), True, EXACT, "float32 (bf16 is 1 times"),
        ((3, 2.2, 2), True, QUICK, "bf16 (1.4 times"),  # one thread is not so much faster
        ((3, 9, 2), True, SINGLE, "bf16 on 1 thread(s) (1.5 times as fast as float32 on 2 "),
        ((9, 3, 2), True, SINGLE, "bf16 on 1 thread(s) (1.5 times as fast as bf16 on 2 thread(s) "),
        ((3, 9, 2), False, EXACT, "float32 (bf16 is 0.33 times"),  # --threads 2
    ],
)  # fmt: skip
def test_the_fastest_is_chosen_and_ties_go_to_float32(seconds, fewer, chosen, said):
    times = dict(zip((EXACT, QUICK, SINGLE), seconds, strict=True))
    way, line = fastest(times.__getitem__, 2, fewer)
    assert way == chosen and line.startswith(f"precision: {said}")
    assert line.endswith("by hand)") and ("--threads N" in line) == (chosen == SINGLE)


def test_a_step_that_others_hold_up_does_not_count_and_trying_ends():
    turns = []

    def disturbed(way):
        turns.append(way)
        return 0.01 * (1 if way == QUICK else 2) * (50 if len(turns) in (2, 4, 6) else 1)

    assert fastest(disturbed, 2, fewer=False)[0] == QUICK
    assert turns == [EXACT, QUICK] * (len(turns) // 2) and len(turns) == 2 * ROUNDS


@pytest.mark.parametrize(
    "seconds, tried",
    [
        ((1, 1.2, 1.4), [EXACT, QUICK, SINGLE] * 3),
        ((1, 3, 1.4), [EXACT, QUICK, SINGLE] + [EXACT, SINGLE] * 2),  # far behind: not tried again
        ((9, 3, 1), [EXACT, QUICK, SINGLE]),
    ],
)
def test_trying_ends_soon_where_steps_are_slow(seconds, tried):
    turns, times = [], dict(zip((EXACT, QUICK, SINGLE), seconds, strict=True))
    fastest(lambda way: turns.append(way) or times[way] * ENOUGH, 2, fewer=True)
    assert turns == tried


def test_with_one_thread_there_is_none_to_leave_out():
    turns = []
    assert fastest(lambda way: turns.append(way) or 1.0, 1, fewer=True)[0] == Way("off", 1)
    assert set(turns) == {Way("off", 1), Way("bf16", 1)}


def test_a_choice_is_that_by_hand_and_kept_by_what_continues_the_run(data, threads):
    torch.set_num_threads(2)
    times = {EXACT: 3.0, QUICK: 9.0, SINGLE: 1.0}
    with inside(data):
        config = asked(logdir="kept")
        read = read_data(config, TASKS["regress"], runtime())
        chosen, used = with_precision(config, runtime(), read, times.__getitem__)
        assert (chosen.amp, chosen.threads, used.amp) == ("bf16", 1, "bf16")
        assert torch.get_num_threads() == 1
        run = train(replace(chosen, epochs=1), used, read).path
        by_hand = asked(amp="bf16", threads=1, epochs=1)
        same = tensors(train(by_hand, runtime(), read).path / BEST)
    found = tensors(data / run / BEST)
    assert all(torch.equal(found[name], same[name]) for name in same)
    assert (stored(data / run)["amp"], stored(data / run)["threads"]) == ("bf16", 1)
    facts = stored(data / run, "environment.json")
    assert (facts["amp"], facts["threads"]) == ("bf16", 1)
    (data / run / "results.json").unlink()
    torch.set_num_threads(2)
    err = call(data, f"--continue {run} -j 0").err
    assert "cpu, 1 thread(s), amp bf16" in err and "precision:" not in err
    assert "is not promised" not in err  # the number of threads is that of the beginning


def test_flags_and_other_devices_are_left_alone_and_short_trainings_are_float32(data):
    def never(way):
        raise AssertionError(way)

    with inside(data):
        read = read_data(asked(), TASKS["regress"], runtime())
        for amp in ("off", "bf16"):
            own = asked(amp=amp)
            assert with_precision(own, runtime(amp), read, never) == (own, runtime(amp))
        card = replace(runtime("fp16"), device=torch.device("meta"))
        assert with_precision(asked(), card, read, never) == (asked(), card)
        old, short = asked(continue_run="runs/old"), asked(epochs=2)
        cached = asked(cache_features="features", freeze="backbone")
        for config, mode, amp in (
            (old, "bf16", "bf16"), (cached, "bf16", "bf16"), (short, "bf16", "off"),
            (asked(), "off", "off"),
        ):  # fmt: skip
            found, used = with_precision(config, runtime(mode), read, never)
            assert found.amp == used.amp == amp and found.threads is None
        assert longest([cached, short, asked(epochs=3)], [read] * 3) == 2


def test_trying_leaves_no_trace_in_random_numbers_and_threads(data, threads, capsys):
    torch.set_num_threads(2)
    with inside(data):
        config = asked(threads=2, dropout=0.5)
        read = read_data(config, TASKS["regress"], runtime())
        before = rng_state()
        found, used = with_precision(config, runtime(), read)
        times = {EXACT: 3.0, QUICK: 9.0}  # --threads 2: one thread is not tried
        assert with_precision(config, runtime(), read, times.__getitem__)[0].threads == 2
    after = rng_state()
    assert torch.equal(before["torch"], after["torch"]) and before["python"] == after["python"]
    assert torch.equal(before["numpy"][1], after["numpy"][1])
    assert torch.get_num_threads() == 2 and found.amp == used.amp
    assert capsys.readouterr().err.count("precision: ") == 2


def test_a_timed_step_goes_back_through_the_whole_network(threads):
    model = build_model("test_resnet", 1, (32, 32))
    step = timed_step(model, 3, (32, 32))
    for way in (Way("bf16", 1), Way("off", 1)):
        model.zero_grad()
        assert step(way) > 0
        assert all(p.grad is not None for p in model.parameters())
        assert any(p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("many", ["--repeats 2", "--stages head,all"])
def test_one_choice_for_all_of_several_trainings(data, tmp_path, many, threads):
    """The first one is stopped; what goes on with them takes the same."""
    words = f"--train --data {data}/data --criterion regress {OPEN} --epochs {LONG} {many}"
    with stopped_after(1):
        err = call(tmp_path, f"{words} --no_pretrained", code=None).err
    native = default_amp(CPU) == "bf16"
    assert err.count("precision: ") == native, err
    runs = [file.parent for file in sorted(tmp_path.glob("runs/**/config.json"))]
    (amp,) = {stored(run)["amp"] for run in runs} | {
        stage["amp"]
        for file in runs[0].glob("stages.json")
        for stage in stored(runs[0], file.name)["configs"]
    }
    assert amp == "off" or (native and amp == "bf16")
    with stopped_after(1):
        err = call(tmp_path, f"--continue {run_folders(tmp_path)[0]}", code=None).err
    assert "precision: " not in err and f", amp {amp}, " in err
