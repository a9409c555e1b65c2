"""The learning rate as a table."""

import pytest

from optim.schedule import lr_factor

# (epochs, warmup): the first whole epoch of each factor, worked out by hand from the recipe.
STEP_TABLE = {
    (65, 5): {0: 0.1, 5: 1.0, 27: 0.1, 42: 0.01, 57: 0.001},
    (200, 5): {0: 0.1, 5: 1.0, 78: 0.1, 126: 0.01, 175: 0.001},
    (100, 5): {0: 0.1, 5: 1.0, 40: 0.1, 64: 0.01, 88: 0.001},
    (8, 0): {0: 1.0, 3: 0.1, 5: 0.01, 7: 0.001},
    (6, 5): {0: 0.1, 5: 0.001},
    (5, 5): {0: 0.1},
    (1, 5): {0: 0.1},
}


@pytest.mark.parametrize(("epochs", "warmup"), STEP_TABLE)
def test_step_is_the_recipes_table(epochs, warmup):
    changes = STEP_TABLE[epochs, warmup]
    factor = None
    for epoch in range(epochs):
        factor = changes.get(epoch, factor)
        assert lr_factor("step", epoch, epochs, warmup) == factor, epoch
        # It changes between epochs only, however many steps an epoch has.
        assert lr_factor("step", epoch + 0.999, epochs, warmup) == factor, epoch


def test_step_falls_three_times_in_epochs():
    factors = [lr_factor("step", epoch, 65, 5) for epoch in range(65)]
    assert sorted(set(factors)) == [0.001, 0.01, 0.1, 1.0]


COSINE = {0: 0.01, 2.5: 0.505, 5: 1.0, 20: 0.8535534, 35: 0.5, 50: 0.1464466, 65: 0.0, 70: 0.0}


@pytest.mark.parametrize("epoch", COSINE)
def test_cosine_table(epoch):
    assert lr_factor("cosine", epoch, 65, 5) == pytest.approx(COSINE[epoch], abs=1e-6)


def test_cosine_without_warmup_starts_at_one_and_falls_all_the_way():
    factors = [lr_factor("cosine", step / 10, 7, 0) for step in range(71)]
    assert factors[0] == 1.0 and factors[-1] == 0.0
    assert all(a > b for a, b in zip(factors, factors[1:], strict=False))


def test_cosine_shorter_than_its_warmup_only_rises():
    assert [lr_factor("cosine", e, 2, 4) for e in (0, 1, 2)] == pytest.approx([0.01, 0.2575, 0.505])
    assert lr_factor("cosine", 4, 4, 4) == 0.0


def test_constant():
    assert {lr_factor("constant", epoch, 10, 0) for epoch in range(10)} == {1.0}
    table = [lr_factor("constant", e, 10, 2) for e in (0, 1, 2, 9)]
    assert table == pytest.approx([0.01, 0.505, 1, 1])


# NIMA: times 0.95 after every 10 epochs; 3 epochs of warm-up come on top.
@pytest.mark.parametrize(
    ("warmup", "decay", "table"),
    [
        (0, (0.95, 10), {0: 1, 9.99: 1, 10: 0.95, 19.9: 0.95, 20: 0.9025, 99: 0.630249410}),
        (3, (0.95, 10), {0: 0.01, 1.5: 0.505, 3: 1, 12.9: 1, 13: 0.95, 23: 0.9025}),
        (0, (0.5, 1), {0: 1, 0.9: 1, 1: 0.5, 2.5: 0.25, 10: 1 / 1024}),
        (0, (1.0, 3), {0: 1, 50: 1}),
    ],
)
def test_exp_table(warmup, decay, table):
    found = {epoch: lr_factor("exp", epoch, 100, warmup, decay) for epoch in table}
    assert found == pytest.approx(table)


@pytest.mark.parametrize("decay", [(0, 10), (1.1, 10), (0.9, 0), (float("nan"), 1)])
def test_impossible_decay(decay):
    with pytest.raises(ValueError, match="decay .* must be"):
        lr_factor("exp", 0, 10, 0, decay)


@pytest.mark.parametrize("schedule", ["step", "cosine", "constant", "exp"])
def test_a_fraction_of_an_epoch_may_be_the_warmup(schedule):
    assert lr_factor(schedule, 0.4, 4, 0.5) < 1
    assert lr_factor(schedule, 0.5, 4, 0.5) == 1


def test_unknown_schedule_names_the_nearest():
    with pytest.raises(ValueError, match="'cosin': unknown: did you mean cosine"):
        lr_factor("cosin", 0, 10, 0)
    with pytest.raises(ValueError, match="step or cosine or constant or exp"):
        lr_factor("?", 0, 10, 0)


@pytest.mark.parametrize(
    ("epoch", "epochs", "warmup"),
    [(-1, 10, 0), (0, 0, 0), (0, 10, -1), (float("nan"), 10, 0), (0, 10, float("nan"))],
)
def test_impossible_figures(epoch, epochs, warmup):
    with pytest.raises(ValueError, match="must"):
        lr_factor("step", epoch, epochs, warmup)
