"""The average of weights against its recurrence, written out."""

import io

import pytest
import torch
from torch import nn

from optim.ema import WeightEMA


def set_weight(model, value):
    with torch.no_grad():
        model.weight.fill_(value)


def test_follows_the_recurrence_with_its_warm_up():
    model = nn.Linear(1, 1, bias=False)
    set_weight(model, 1.0)
    ema = WeightEMA(model, decay=0.5)
    average = 1.0
    for n in range(20):
        set_weight(model, float(n))
        ema.update(model)
        decay = min(0.5, (1 + n) / (10 + n))
        average = decay * average + (1 - decay) * n
    assert ema.module.weight.item() == pytest.approx(average, rel=1e-5)
    assert ema.updates == 20


def test_running_statistics_are_averaged_and_counters_copied():
    model = nn.BatchNorm1d(2)
    ema = WeightEMA(model, decay=0.9)
    model.train()
    model(torch.tensor([[10.0, 0.0], [20.0, 0.0]]))
    ema.update(model)
    assert ema.module.running_mean[0].item() == pytest.approx(0.9 * 1.5)
    assert ema.module.num_batches_tracked == 1


def test_equal_tensors_stay_equal_to_the_bit():
    model = nn.Linear(3, 3)
    model.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]))
    ema = WeightEMA(model)
    for _ in range(5):
        ema.update(model)
    for name, tensor in model.state_dict().items():
        assert torch.equal(ema.module.state_dict()[name], tensor)


def test_shared_weights_are_averaged_once():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    model[1].weight = model[0].weight
    set_weight(model[0], 0.0)
    ema = WeightEMA(model, decay=0.9)
    set_weight(model[0], 1.0)
    ema.update(model)
    assert ema.module[0].weight.item() == pytest.approx(0.9)
    assert ema.module[1].weight is ema.module[0].weight


def test_the_copy_evaluates_and_never_trains():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).train()
    ema = WeightEMA(model)
    assert not ema.module.training
    assert not any(parameter.requires_grad for parameter in ema.module.parameters())
    assert model.training and all(parameter.requires_grad for parameter in model.parameters())
    ema.update(model)
    assert not ema.module.training


def test_state_survives_a_file_that_holds_no_objects():
    model = nn.BatchNorm1d(2)
    ema = WeightEMA(model, decay=0.9)
    model.running_mean.fill_(3.0)
    ema.update(model)
    file = io.BytesIO()
    torch.save(ema.state_dict(), file)
    file.seek(0)
    restored = WeightEMA(nn.BatchNorm1d(2), decay=0.9)
    restored.load_state_dict(torch.load(file, weights_only=True))
    for other in (ema, restored):
        other.update(model)
    assert restored.updates == ema.updates == 2
    for name, tensor in ema.module.state_dict().items():
        assert torch.equal(restored.module.state_dict()[name], tensor)


def test_another_model_is_refused():
    with pytest.raises(ValueError, match="another model.*bias"):
        WeightEMA(nn.Linear(2, 2)).update(nn.Linear(2, 2, bias=False))


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, float("nan")])
def test_decay_range(decay):
    with pytest.raises(ValueError, match="EMA decay"):
        WeightEMA(nn.Linear(1, 1), decay)
