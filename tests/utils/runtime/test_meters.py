"""The progress line, running means and the data-wait timer, with a clock of their own."""

import io
import math
import re

import pytest

from utils.runtime.meters import Progress, WaitTimer, format_duration, format_progress


class Clock:
    """A clock that moves only when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


# ---- means and waits ----


def test_wait_timer_separates_waiting_from_working():
    clock = Clock()

    def slow_items():
        for item in range(3):
            clock.now += 1.0
            yield item

    timer = WaitTimer(clock)
    assert timer.share == 0.0
    seen = []
    for item in timer.watch(slow_items()):
        seen.append(item)
        clock.now += 3.0
    assert seen == [0, 1, 2]
    assert timer.waited == 3.0 and timer.share == pytest.approx(3 / 12)


def test_wait_timer_goes_on_over_several_loops():
    clock = Clock()
    timer = WaitTimer(clock)
    for _ in range(2):
        for _item in timer.watch([0]):
            clock.now += 5.0
    assert timer.waited == 0.0 and timer.share == 0.0


# ---- the line ----


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3600, "1:00:00"), (90061, "25:01:01")],
)
def test_duration(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize("seconds", [math.nan, math.inf])
def test_unknown_duration(seconds):
    assert format_duration(seconds) == "-:--"


def test_line():
    line = format_progress(
        epoch=3,
        epochs=65,
        step=7,
        steps=120,
        loss=0.12345,
        lr=1e-3,
        eta=754.2,
        images_per_second=183.44,
        wait_share=0.034,
    )
    assert line == (
        "epoch  3/65 step   7/120  ETA 12:34  loss 0.1235  lr 1.0e-03  183 img/s  wait 3%"
    )
    assert len(line) <= 80


def run(stream, log=None, epochs=2, steps=5, print_freq=2, seconds=1.0, start=0):
    clock = Clock()
    progress = Progress(epochs, print_freq, stream, log, clock)
    for epoch in range(epochs):
        done = start if epoch == 0 else 0
        progress.begin(epoch, steps, done)
        for _ in range(done, steps):
            clock.now += seconds
            progress.update(loss=0.5, lr=0.1, images=8, wait_share=0.25)
    progress.finish()
    return stream.getvalue()


def test_a_file_gets_full_lines_without_control_characters():
    text = run(io.StringIO())
    assert [int(step) for step in re.findall(r"step (\d)/5", text)] == [2, 4, 5, 2, 4, 5]
    assert text.endswith("\n") and "\n\n" not in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


def test_a_terminal_gets_one_line_per_epoch_drawn_in_place():
    text = run(Terminal())
    assert text.count("\n") == 2 and text.count("\r") == 10
    assert "\x1b" not in text


def test_a_terminal_is_redrawn_ten_times_a_second_at_most():
    text = run(Terminal(), epochs=1, steps=100, seconds=0.02)
    assert text.count("\r") <= 21
    assert "step 100/100" in text


def test_a_shorter_line_covers_the_longer_one():
    stream = Terminal()
    progress = Progress(1, 1, stream, clock=Clock())
    progress.begin(0, 3)
    progress._redraw("a longer line")
    progress._redraw("short")
    assert stream.getvalue() == "\ra longer line\r" + "short".ljust(len("a longer line"))


def test_a_narrow_terminal_does_not_wrap(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = run(Terminal(), epochs=1)
    assert max(len(line) for line in re.split(r"[\r\n]", text)) <= 39


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_the_log_gets_the_full_lines_in_both_cases(stream):
    lines = []
    run(stream(), lines.append)
    assert [re.search(r"step (\d)/5", line)[1] for line in lines] == list("245245")
    assert not any(re.search(r"[\r\n]", line) for line in lines)


def test_rates_and_time_left():
    lines = []
    run(io.StringIO(), lines.append)
    assert "8.0 img/s" in lines[0] and "wait 25%" in lines[0]
    left = [int(re.search(r"ETA 0:(\d\d)", line)[1]) for line in lines]
    assert left == [8, 6, 5, 3, 1, 0]


def test_time_left_of_a_continued_run_counts_its_own_steps():
    lines = []
    run(io.StringIO(), lines.append, epochs=1, steps=10, start=6)
    assert [re.search(r"step +(\d+)", line)[1] for line in lines] == ["8", "10"]
    assert "ETA 0:02" in lines[0]


def test_print_freq_must_be_positive():
    with pytest.raises(ValueError, match="print_freq 0"):
        Progress(1, 0, io.StringIO())
