"""Optimizers by name: updates checked by hand, every listed name takes a step."""

import copy
import io
import subprocess
import sys

import pytest
import torch
from torch import nn

from optim.factory import OPTIMIZERS, list_optimizers, make_optimizer
from optim.param_groups import param_groups
from utils.files import checkpoint


def one_weight(value=1.0):
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def steps(optimizer, model, gradients):
    for gradient in gradients:
        model.weight.grad = torch.full_like(model.weight, gradient)
        optimizer.step()
    return model.weight.item()


def test_sgd_is_nesterovs():
    model = one_weight()
    optimizer = make_optimizer(model, "sgd", lr=0.1, weight_decay=0.0, momentum=0.9)
    weight, velocity = 1.0, 0.0
    for gradient in (1.0, 2.0):
        velocity = gradient if velocity == 0 else 0.9 * velocity + gradient
        weight -= 0.1 * (gradient + 0.9 * velocity)
    assert steps(optimizer, model, [1.0, 2.0]) == pytest.approx(weight)


def test_sgd_without_momentum_is_plain():
    model = one_weight()
    optimizer = make_optimizer(model, "sgd", 0.1, 0.0, momentum=0)
    assert steps(optimizer, model, [1.0, 2.0]) == pytest.approx(1 - 0.1 - 0.2)


def test_decay_of_adam_and_adamw():
    # The first step of Adam moves by lr whatever the gradient's size, its decayed part included;
    # AdamW shrinks the weight by lr * decay on top.
    adam, adamw = one_weight(2.0), one_weight(2.0)
    coupled = steps(make_optimizer(adam, "adam", 0.1, 0.5), adam, [1.0])
    decoupled = steps(make_optimizer(adamw, "adamw", 0.1, 0.5), adamw, [1.0])
    assert coupled == pytest.approx(1.9) and decoupled == pytest.approx(2.0 * 0.95 - 0.1)


def test_biases_do_not_decay():
    model = nn.Linear(2, 2)
    before = model.bias.clone()
    optimizer = make_optimizer(model, "adamw", 0.1, 0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.equal(model.bias, before)


def external(name):
    return name.startswith(("bnb", "fused"))


every_name = pytest.mark.parametrize(
    "name", [name for name in list_optimizers() if not external(name)]
)
# kron runs without opt_einsum, only slower.
quiet = pytest.mark.filterwarnings("ignore:It is highly recommended to have 'opt_einsum'")


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2))


@pytest.fixture(autouse=True)
def _uncompiled(monkeypatch):
    """kron compiles its steps where it can: 45 s of a C++ compiler for what it computes without."""
    monkeypatch.setattr("timm.optim.kron.has_dynamo", False)


def train(model, optimizer, steps):
    for step in steps:
        torch.manual_seed(step)
        optimizer.zero_grad()
        model(torch.randn(2, 3, 4, 4)).square().mean().backward()
        optimizer.step()


@quiet
@every_name
def test_every_name_takes_a_finite_step_and_moves(name):
    model = network()
    before = [parameter.clone() for parameter in model.parameters()]
    train(model, make_optimizer(model, name, lr=0.01, weight_decay=1e-4), range(3))
    after = list(model.parameters())
    assert all(parameter.isfinite().all() for parameter in after)
    assert any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))


@quiet
@every_name
def test_every_name_goes_on_to_the_bit_from_a_file_without_objects(name):
    whole = network()
    train(whole, make_optimizer(whole, name, 0.01, 1e-4), range(12))

    first = network()
    optimizer = make_optimizer(first, name, 0.01, 1e-4)
    train(first, optimizer, range(7))
    file = io.BytesIO()
    torch.save({"model": first.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)

    second = network()
    second.load_state_dict(state["model"])
    optimizer = make_optimizer(second, name, 0.01, 1e-4)
    optimizer.load_state_dict(state["optimizer"])
    train(second, optimizer, range(7, 12))
    for name, parameter in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], parameter), name


def test_a_name_is_taken_in_any_case():
    assert isinstance(make_optimizer(one_weight(), "AdamW", 0.1, 0.0), torch.optim.AdamW)


def test_unknown_name_is_answered_with_the_near_ones():
    with pytest.raises(ValueError, match="'adamx': unknown: did you mean .*adam"):
        make_optimizer(one_weight(), "adamx", 0.1, 0.0)
    with pytest.raises(ValueError, match="use one of sgd, adam"):
        make_optimizer(one_weight(), "?", 0.1, 0.0)


def test_second_order_is_not_offered():
    with pytest.raises(ValueError, match="unknown"):
        make_optimizer(one_weight(), "adahessian", 0.1, 0.0)


@pytest.mark.parametrize("name", ["fusedadam", "bnbadam8bit"])
def test_a_missing_package_is_said(name):
    package = {"fusedadam": "apex", "bnbadam8bit": "bitsandbytes"}[name]
    try:
        __import__(package)
    except ImportError:
        with pytest.raises(ValueError, match="not installed"):
            make_optimizer(one_weight(), name, 0.1, 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": 0.0}, "learning rate"),
        ({"lr": float("nan")}, "learning rate"),
        ({"weight_decay": -1.0}, "weight decay"),
        ({"momentum": 1.0}, "momentum"),
    ],
)
def test_settings_are_checked(arguments, message):
    settings = {"lr": 0.1, "weight_decay": 0.0, **arguments}
    with pytest.raises(ValueError, match=message):
        make_optimizer(one_weight(), "sgd", **settings)


def test_the_four_are_listed_without_timm():
    code = "import sys, optim.factory as f; print(*f.OPTIMIZERS); sys.exit('timm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(OPTIMIZERS) == ["sgd", "adam", "adamw", "radam"]


def laid_out(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(20, 2))
    return model.to(memory_format=torch.channels_last)


UNFUSED = {
    "sgd": lambda groups: torch.optim.SGD(groups, 0.01, 0.9, nesterov=True, fused=False),
    "adam": lambda groups: torch.optim.Adam(groups, 0.01, fused=False),
    "adamw": lambda groups: torch.optim.AdamW(groups, 0.01, fused=False),
    "radam": lambda groups: torch.optim.RAdam(groups, 0.01),
}


@pytest.mark.parametrize("name", UNFUSED)
@pytest.mark.parametrize("earlier", [False, True], ids=["own file", "file of an earlier version"])
def test_updates_are_those_of_an_optimizer_that_is_not_fused(tmp_path, name, earlier):
    """Also after a file, whose tensors lie in another order than channels-last weights, and one
    that was written before updates were fused.
    """
    plain, ours = laid_out(0), laid_out(0)
    reference = UNFUSED[name](param_groups(plain, 1e-2))
    train(plain, reference, range(3))
    if earlier:
        ours, optimizer = plain, reference
    else:
        optimizer = make_optimizer(ours, name, 0.01, 1e-2)
        train(ours, optimizer, range(3))
    checkpoint.save(tmp_path / "c.pth", {"optimizer": optimizer.state_dict()})
    state = checkpoint.load(tmp_path / "c.pth")["optimizer"]
    if earlier:
        state["param_groups"] = [
            {**group, "fused": None} if "fused" in group else group
            for group in state["param_groups"]
        ]
    ours = copy.deepcopy(ours)
    optimizer = make_optimizer(ours, name, 0.01, 1e-2)
    optimizer.load_state_dict(state)
    assert all(group.get("fused", name == "radam") is True for group in optimizer.param_groups)
    train(plain, reference, range(3, 8))
    train(ours, optimizer, range(3, 8))
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_fused_state_goes_on_where_nothing_is_fused(monkeypatch, name):
    """A run of a CPU goes on with an NPU, whose torch has no fused optimizers."""
    model = laid_out(0)
    optimizer = make_optimizer(model, name, 0.01, 1e-2)
    train(model, optimizer, range(2))
    state = optimizer.state_dict()
    monkeypatch.setattr("optim.factory.fused_updates", lambda _: False)
    optimizer = make_optimizer(model, name, 0.01, 1e-2)
    optimizer.load_state_dict(state)
    assert not any(group["fused"] for group in optimizer.param_groups)
    train(model, optimizer, range(2, 4))
