"""What a person sees while training: time spent waiting for data, progress."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO, TypeVar

Item = TypeVar("Item")


class WaitTimer:
    """How long a loop waits for its next item, against the time the whole loop takes."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begun: float | None = None
        self.waited = 0.0  # seconds

    def watch(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, with the wait for each one counted."""
        asked = self._clock()
        if self._begun is None:
            self._begun = asked
        for item in items:
            self.waited += self._clock() - asked
            yield item
            asked = self._clock()
        self.waited += self._clock() - asked

    def restart(self) -> None:
        """Count from now on, for instance for a new epoch."""
        self._begun, self.waited = self._clock(), 0.0

    @property
    def share(self) -> float:
        """Waited / elapsed since the first item was asked for or `restart`, 0..1; 0 before."""
        if self._begun is None:
            return 0.0
        elapsed = self._clock() - self._begun
        return min(1.0, self.waited / elapsed) if elapsed > 0 else 0.0


def format_duration(seconds: float) -> str:
    """`m:ss` or `h:mm:ss`, and `-:--` for a time that is not known (nan, inf)."""
    if not math.isfinite(seconds):
        return "-:--"
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def format_progress(
    *,
    epoch: int,
    epochs: int,
    step: int,
    steps: int,
    loss: float,
    lr: float,
    eta: float,
    images_per_second: float,
    wait_share: float,
) -> str:
    """One line without control characters, short enough for 80 columns in the common case.

    `epoch` and `step` count from 1, `eta` is in seconds, `wait_share` 0..1 is the share of time
    spent waiting for data.
    """
    rate = f"{images_per_second:.{0 if images_per_second >= 100 else 1}f}"
    return (
        f"epoch {epoch:{len(str(epochs))}d}/{epochs} step {step:{len(str(steps))}d}/{steps}  "
        f"ETA {format_duration(eta)}  loss {loss:.4f}  lr {lr:.1e}  {rate} img/s  "
        f"wait {100 * wait_share:.0f}%"
    )


class Progress:
    """The progress line of a run.

    On a terminal it is redrawn in place, at most ten times a second; on any other stream a full
    line comes every `print_freq` steps and at the end of an epoch, without control characters.
    `log` gets those full lines in both cases (the run's log file).
    """

    _REDRAW = 0.1  # seconds

    def __init__(
        self,
        epochs: int,
        print_freq: int = 10,
        stream: TextIO | None = None,
        log: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if print_freq < 1:
            raise ValueError(f"print_freq {print_freq}: must be at least 1, in steps")
        self.epochs = epochs
        self.print_freq = print_freq
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._log = log
        self._clock = clock
        self._run_begun: float | None = None
        self._run_steps = 0
        self._shown = 0  # characters of the line that stands on the terminal
        self._drawn_at = -math.inf
        self.begin(0, 0)

    def begin(self, epoch: int, steps: int, step: int = 0) -> None:
        """Start an epoch (from 0) of `steps` steps, of which `step` are done already."""
        self._epoch, self._steps, self._step = epoch, steps, step
        self._images = 0
        self._epoch_begun = self._clock()
        if self._run_begun is None and steps:
            self._run_begun = self._epoch_begun

    def update(self, loss: float, lr: float, images: int, wait_share: float) -> None:
        """One more step is done: `images` of it over all processes, `loss` as it is to be shown."""
        self._step += 1
        self._run_steps += 1
        self._images += images
        last = self._step >= self._steps
        full = last or self._step % self.print_freq == 0
        redraw = self._terminal and (last or self._clock() - self._drawn_at >= self._REDRAW)
        if not full and not redraw:
            return
        line = self._line(loss, lr, wait_share)
        if redraw:
            self._redraw(line)
            if last:
                self.finish()
        if full and not self._terminal:
            self._stream.write(line + "\n")
            self._stream.flush()
        if full and self._log is not None:
            self._log(line)

    def finish(self) -> None:
        """End the line on the terminal, so that other text may follow; harmless elsewhere."""
        if self._shown:
            self._stream.write("\n")
            self._stream.flush()
            self._shown = 0

    def _line(self, loss: float, lr: float, wait_share: float) -> str:
        now = self._clock()
        elapsed = now - self._epoch_begun
        # Evaluation between epochs is part of the run's time, so the estimate holds it too.
        run = now - (self._epoch_begun if self._run_begun is None else self._run_begun)
        left = (self.epochs - self._epoch) * self._steps - self._step
        return format_progress(
            epoch=self._epoch + 1,
            epochs=self.epochs,
            step=self._step,
            steps=self._steps,
            loss=loss,
            lr=lr,
            eta=max(0, left) * run / self._run_steps,
            images_per_second=self._images / elapsed if elapsed > 0 else 0.0,
            wait_share=wait_share,
        )

    def _redraw(self, line: str) -> None:
        # A line longer than the terminal would wrap, and \r would then leave its first row behind.
        line = line[: max(1, shutil.get_terminal_size().columns - 1)]
        self._stream.write("\r" + line.ljust(self._shown))
        self._stream.flush()
        self._shown = len(line)
        self._drawn_at = self._clock()
