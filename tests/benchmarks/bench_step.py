"""What a step of training costs besides its network: updates as they are made, beside torch's
optimizers as they are made where nothing says how. And what --compile does for the network's part.

python -m tests.benchmarks.bench_step [--archs A,B] [--opts A,B] [--runs 5] [--threads 1]
python -m tests.benchmarks.bench_step --compile [--amp bf16] [-b 8]

Both sides learn from the same gradients by turns; "ours" is what --opt takes on the CPU. --compile
prints what a training says (by the clock, of the quickest of a few steps), and processor seconds of
all of it; TORCHINDUCTOR_CACHE_DIR names an empty folder where nothing is to be found again.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable

import torch

from applications.training.probe import compile_network
from models.quality_net import QualityNet, build_model
from optim.factory import make_optimizer
from optim.param_groups import param_groups
from tests.benchmarks.paired import HEAD, machine, row, seconds
from utils.runtime.compiler import Compiled

DECAY, RATE, UPDATES = 1e-4, 1e-3, 20
PLAIN = {
    "sgd": lambda groups: torch.optim.SGD(groups, RATE, 0.9, nesterov=True),
    "adam": lambda groups: torch.optim.Adam(groups, RATE),
    "adamw": lambda groups: torch.optim.AdamW(groups, RATE),
}


def learning(model: QualityNet) -> QualityNet:
    """A copy that has gradients."""
    model = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.grad = 0.01 * torch.randn_like(parameter)
    return model


def several(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    """UPDATES of them, as the clock of the processor has ticks of 10 ms."""
    return lambda: [optimizer.step() for _ in range(UPDATES)]


def compiled(arch: str, given: argparse.Namespace) -> str:
    """What a training says about --compile, and what that took."""
    model = build_model(arch).to(memory_format=torch.channels_last)
    shape, found = (given.batch_size, 224, 224), []
    spent, _ = seconds(
        lambda: found.append(
            compile_network(Compiled(model), shape, torch.device("cpu"), given.amp, 10**6)
        )
    )
    return f"{arch}, {given.amp}: {found[0]} ({spent:.0f} s of the processor)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archs", default="resnet18,mobilenetv3_large_100")
    parser.add_argument("--opts", default="adamw,adam,sgd")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--amp", default="off")
    parser.add_argument("-b", "--batch_size", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{machine('torch', 'timm')}; --threads {given.threads}")
    if given.compile:
        for arch in given.archs.split(","):
            print(compiled(arch, given), flush=True)
        return
    print(HEAD)
    for arch in given.archs.split(","):
        model = build_model(arch).to(memory_format=torch.channels_last)
        for name in given.opts.split(","):
            ours = make_optimizer(learning(model), name, RATE, DECAY)
            plain = PLAIN[name](param_groups(learning(model), DECAY))
            for optimizer in (ours, plain):
                optimizer.step()  # makes its moments
            what = f"{UPDATES} updates of {arch}, {name}"
            print(row(what, several(ours), several(plain), given.runs), flush=True)


if __name__ == "__main__":
    main()
