"""What is shown while work goes on, in files and on terminals, with a clock of its own."""

import fcntl
import io
import os
import re
import struct
import subprocess
import sys
import termios

import pytest

from tests.cli import ROOT
from utils.runtime.progress import CountBar, Progress, WaitTimer, format_duration


class Clock:
    """A clock that moves only when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


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
    for _item in timer.watch([0]):
        clock.now += 8.0
    assert timer.waited == 3.0 and timer.share == pytest.approx(3 / 20)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3600, "1:00:00"), (90061, "25:01:01"),
     (float("nan"), "-:--"), (float("inf"), "-:--")],
)  # fmt: skip
def test_duration(seconds, text):
    assert format_duration(seconds) == text


def run(stream, log=None, epochs=2, steps=5, print_freq=2, seconds=1.0, start=0, images=8):
    clock = Clock()
    progress = Progress(epochs, print_freq, stream, log, clock)
    for epoch in range(epochs):
        done = start if epoch == 0 else 0
        progress.begin(epoch, steps, done)
        for _ in range(done, steps):
            clock.now += seconds
            progress.update(loss=0.12345, lr=1e-3, images=images, wait_share=0.034)
    progress.finish()
    return stream


def test_line():
    lines = []
    run(io.StringIO(), lines.append, epochs=65, steps=120, print_freq=7, images=183.44)
    assert lines[2 * 18] == (
        "epoch  3/65 step   7/120  ETA 2:05:53  loss 0.1235  lr 1.0e-03  183 img/s  wait 3%"
    )


def test_a_file_gets_full_lines_without_control_characters():
    text = run(io.StringIO()).getvalue()
    assert [int(step) for step in re.findall(r"step (\d)/5", text)] == [2, 4, 5, 2, 4, 5]
    assert text.endswith("\n") and "\n\n" not in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


def test_a_terminal_gets_one_line_per_epoch_as_wide_as_it_is():
    reader, writer = os.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    with os.fdopen(writer, "w") as stream:
        run(stream)
        text = ""
        while text.count("\n") < 2:
            text += os.read(reader, 1 << 16).decode().replace("\r\n", "\n")
    os.close(reader)
    assert text.endswith("\n") and "\x1b" not in text
    assert max(map(len, re.split(r"[\r\n]", text))) <= 60
    last = [line.split("\r")[-1] for line in text.split("\n")[:2]]
    assert [line[:16] for line in last] == ["epoch 1/2 step 5", "epoch 2/2 step 5"]


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_the_log_gets_the_full_lines_in_both_cases(stream):
    lines = []
    run(stream(), lines.append)
    assert [re.search(r"step (\d)/5", line)[1] for line in lines] == list("245245")
    assert not any(re.search(r"[\r\n]", line) for line in lines)


def test_rates_and_time_left():
    lines = []
    run(io.StringIO(), lines.append)
    assert "8.0 img/s" in lines[0] and "wait 3%" in lines[0]
    left = [int(re.search(r"ETA 0:(\d\d)", line)[1]) for line in lines]
    assert left == [8, 6, 5, 3, 1, 0]
    run(io.StringIO(), lines.append, epochs=1, steps=10, start=6)  # its own steps, continued
    assert "step  8/10  ETA 0:02" in lines[6] and "step 10/10" in lines[7]


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_new_loss_is_wanted_every_second_where_somebody_looks(stream):
    clock = Clock()
    progress = Progress(1, 10, stream(), clock=clock)
    progress.begin(0, 20)
    wanted = []
    for _ in range(8):
        clock.now += 0.4
        wanted.append(progress.looked_at())
    progress.finish()
    every_second = [False, False, True, False, False, True, False, False]
    assert wanted == [one and stream is Terminal for one in every_second]


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_count_ends_with_its_closing_line(stream):
    bar = CountBar("scoring", stream())
    for done in range(1, 7):
        bar.update(done, 6)
    bar.finish()
    text = bar.stream.getvalue()
    assert re.fullmatch(r"scoring: 6 in \d+\.\d s\n", text.rpartition("\r")[2])
    assert ("\r" in text and "6" in text) == (stream is Terminal)


def test_help_and_files_need_no_tqdm():
    code = (
        "import sys, utils.runtime.progress as p; b = p.CountBar('a', sys.stderr); b.update(1); "
        "b.finish(); sys.exit('tqdm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE)
    assert done.returncode == 0 and re.fullmatch(rb"a: 1 in \d+\.\d s\n", done.stderr)
