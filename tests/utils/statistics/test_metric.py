"""A metric's name, direction and spelling."""

from __future__ import annotations

import math

import pytest

from utils.statistics.metric import HIGHER_IS_BETTER, Group, Metric


@pytest.mark.parametrize(
    "name, fit, key, higher",
    [("plcc", "4p", "plcc_4p", True), ("rmse", "5p", "rmse_5p", False), ("srcc", "", "srcc", True)],
)
def test_a_metric_knows_its_spelling_and_its_direction(name, fit, key, higher) -> None:
    metric = Metric(name, 0.5, fit=fit, group=Group("level", "3"))
    assert metric.key == key and metric.higher_is_better is higher
    assert math.isnan(metric.low) and math.isnan(metric.high) and metric.note == ""


def test_no_name_in_the_table_carries_a_fit() -> None:
    assert not [name for name in HIGHER_IS_BETTER if name[-3:] in ("_4p", "_5p")]
