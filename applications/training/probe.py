"""Steps that are timed before a training begins, and leave no trace.

Which precision, and how many threads, a training on the CPU takes where no flag says it: bf16 is
twice as fast as float32 for some networks and half as fast for others, and with several threads on
a machine that others use, its backward pass waits for the slowest one. A few steps are timed, once;
the run's configuration keeps the answer, so that whatever repeats or continues it does the same.
And what --compile costs and gains.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import nn

from applications.evaluation.scoring import to_input
from applications.inputs.data import Data
from applications.inputs.runtime import Runtime
from applications.inputs.views import network_size
from applications.inputs.weights import with_resumed_variant
from applications.training.beginning import filled
from applications.training.parts import network, training_set
from config import Config
from models.quality_net import QualityNet
from utils.runtime import distributed
from utils.runtime.compiler import Compiled, explained
from utils.runtime.device import autocast
from utils.runtime.rng_state import rng_state, set_rng_state

# Pixels of a training that is over before a choice has paid: 1,000 images of 224x224, half a minute
# of a usual network. It has the same precision on every CPU.
SHORT = 1000 * 224 * 224
IMAGES = 4  # of a timed step, where the batch has as many
ROUNDS, ENOUGH = 5, 2.0  # at most, and seconds after which none but the third one begins,
CLOSE = 1.5  # of the ways that took at most this many times the quickest one's seconds
GAIN = 1.05  # bf16 costs digits: float32 where it is hardly faster
COMPARED = 3  # steps with and without --compile
FEWER_GAIN = 1.15  # one thread also validates, which several do faster


class Way(NamedTuple):
    """How a step is computed: amp as --amp has it, and threads."""

    amp: str
    threads: int

    def __str__(self) -> str:
        return f"{'float32' if self.amp == 'off' else self.amp} on {self.threads} thread(s)"


# Makes one step of training and says how many seconds it took.
Step = Callable[[Way], float]


def fastest(step: Step, threads: int, fewer: bool) -> tuple[Way, str]:
    """(the way to train, a line that says why): of float32 and bf16 on the given threads, and bf16
    on a single one where `fewer` allows it.

    All ways take turns, and each is judged by its quickest step: others may use the machine, and
    the first step of each sets it up. Ties, nearly so too, go to float32 and the given threads.
    """
    exact, quick, single = Way("off", threads), Way("bf16", threads), Way("bf16", 1)
    ways = [exact, quick, *([single] if fewer and threads > 1 else [])]
    best, spent = dict.fromkeys(ways, float("inf")), 0.0
    for number in range(ROUNDS):
        if spent >= ENOUGH:
            ways = [way for way in ways if best[way] <= CLOSE * min(best.values())]
            if number > 2 or len(ways) == 1:
                break
        for way in ways:
            took = step(way)
            best[way], spent = min(best[way], took), spent + took
    chosen = quick if best[exact] > GAIN * best[quick] else exact
    if single in best and best[chosen] > FEWER_GAIN * best[single]:
        times = best[chosen] / best[single]
        return single, (
            f"precision: {single} ({times:.2g} times as fast as {chosen} here; --amp off|bf16 and "
            "--threads N choose by hand)"
        )
    times = f"{best[exact] / best[quick]:.2g} times as fast"
    said = f"bf16 ({times} as float32 here" if chosen == quick else f"float32 (bf16 is {times} here"
    return chosen, f"precision: {said}; --amp off|bf16 chooses by hand)"


def with_precision(
    config: Config, runtime: Runtime, data: Data, step: Step | None = None
) -> tuple[Config, Runtime]:
    """Both with the precision, and the threads where fewer are better, that a training on the CPU
    is to take; as they are on other devices, and where --amp, or the run that is repeated or
    continued, says it. What has begun without a choice goes on with the device's default.

    data: of the training. step: in place of steps of a network like the one that is to be trained.
    The main process decides for all; random numbers go on as if nothing had been tried.
    """
    if config.amp or runtime.device.type != "cpu":
        return config, runtime
    # Nothing to choose from, or for.
    if runtime.amp == "off" or config.cache_features or config.continue_run:
        return _taking(config, runtime, Way(runtime.amp, 0))
    if _pixels(config, data) < SHORT:
        return _taking(config, runtime, Way("off", 0))
    threads = torch.get_num_threads()
    before = rng_state()
    try:
        timed = step or _step_of_training(config, runtime, data)
        way, said = fastest(timed, threads, config.threads is None)
    finally:
        torch.set_num_threads(threads)
        set_rng_state(before)
    way, said = distributed.broadcast_object((way, said))
    runtime.info(said)
    return _taking(config, runtime, way._replace(threads=0) if way.threads == threads else way)


def _taking(config: Config, runtime: Runtime, way: Way) -> tuple[Config, Runtime]:
    """threads of the way: 0 for those of the call."""
    values: dict[str, str | int] = {"amp": way.amp}
    if way.threads:
        torch.set_num_threads(way.threads)
        values["threads"] = way.threads
    return filled(config, **values), replace(runtime, amp=way.amp)


def _pixels(config: Config, data: Data) -> int:
    """That the training, or all those of --repeats and --folds, will see."""
    height, width = network_size(config)
    passes = config.epochs * (config.folds or config.repeats or 1)
    return height * width * passes * len(data.splits["train"].targets)


def longest(configs: Sequence[Config], data: Sequence[Data]) -> int:
    """Which of the trainings sees most pixels with the whole network."""
    return max(
        range(len(configs)),
        key=lambda i: (not configs[i].cache_features, _pixels(configs[i], data[i])),
    )


def _step_of_training(config: Config, runtime: Runtime, data: Data) -> Step:
    config = with_resumed_variant(config)
    dataset = training_set(config, data, runtime)
    model = network(config, data, dataset, pretrained=False, advprop=config.advprop)
    return timed_step(model, min(IMAGES, config.batch_size), network_size(config))


def timed_step(model: QualityNet, count: int, size: tuple[int, int]) -> Step:
    """Forward and backward of as many random images of (H, W) on the CPU, which changes the
    network's statistics and gradients.
    """
    device = torch.device("cpu")
    model = model.train().to(memory_format=torch.channels_last)
    images = to_input(torch.randint(256, (count, 3, *size), dtype=torch.uint8), device)

    def seconds(way: Way) -> float:
        torch.set_num_threads(way.threads)
        model.zero_grad(set_to_none=True)
        began = time.perf_counter()
        with autocast(device, way.amp):
            found = model(images)
        found.logits.mean().backward()
        return time.perf_counter() - began

    return seconds


def compile_network(
    compiled: Compiled, shape: tuple[int, int, int], device: torch.device, amp: str, ahead: int
) -> str:
    """Compiles a network by steps of random images of the shape (N, H, W), and says what that cost,
    and whether `ahead` steps of training make up for it; the network and random numbers are left
    as they were. ValueError, one line, where the compiler fails.
    """
    count, *size = shape
    if count < 2:
        raise ValueError(
            "--compile: steps of one image are not compiled: pass a larger -b, or leave --compile "
            "out"
        )
    network, before = compiled.network, rng_state(device)
    kept = [buffer.clone() for buffer in network.buffers()]
    images = to_input(torch.randint(256, (count, 3, *size), dtype=torch.uint8), device)

    def seconds(module: nn.Module) -> float:
        began = time.perf_counter()
        with autocast(device, amp):
            found = module(images)
        found.logits.mean().backward()
        images[0, 0, 0, 0].item()  # waits for the device
        took = time.perf_counter() - began
        network.zero_grad(set_to_none=True)
        return took

    try:
        network.train()
        with explained():
            first = seconds(compiled)
        turns = [(seconds(network), seconds(compiled)) for _ in range(COMPARED)]
    finally:
        for buffer, value in zip(network.buffers(), kept, strict=True):
            buffer.copy_(value)
        set_rng_state(before, device)
    plain, quick = map(min, zip(*turns, strict=True))
    cost, gain = max(first - quick, 0.0), plain - quick
    said = (
        f"--compile: {cost:.0f} s to compile; a step of {count} images then takes {quick:.3g} "
        f"s, and {plain:.3g} s without"
    )
    if gain <= 0:
        return f"{said}: it is of no use here"
    steps = math.ceil(cost / gain)
    if steps > ahead:
        return f"{said}: it would pay after {steps:,} steps, and there are {ahead:,}"
    return f"{said}: paid for after {steps:,} of {ahead:,} steps"
