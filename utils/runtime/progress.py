"""What a person sees while work goes on: tqdm's bars on a terminal; plain lines, without control
characters, in a file or a pipe.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO, TypeVar

Item = TypeVar("Item")


def terminal_bar(stream: TextIO, **options: Any) -> Any:
    """A tqdm bar with these options; None where the stream is no terminal, which needs no tqdm."""
    if not stream.isatty():
        return None
    from tqdm import tqdm

    class Bar(tqdm):
        monitor_interval = 0  # no thread, beside which a fork may hang

    Bar.set_lock(threading.RLock())
    # miniters: a bar looks at the clock at every step, however fast those before were.
    return Bar(file=stream, miniters=1, dynamic_ncols=True, **options)


class CountBar:
    """Counts what is done on a terminal; `finish` writes the single closing line, to stderr. title:
    None where nobody is to be told. every: seconds after which another stream gets a line as well,
    with the time that is left.
    """

    def __init__(
        self, title: str | None, stream: TextIO | None = None, every: float | None = None
    ) -> None:
        self.title, self.stream, self.every = title, stream or sys.stderr, every
        self.begun = self._said = time.perf_counter()
        self.done = self._first = 0
        self._bar = terminal_bar(self.stream, desc=title, leave=False) if title else None

    def begin(self, done: int) -> None:
        """So many were done before."""
        self.done = self._first = done
        if self._bar is not None:
            self._bar.initial = self._bar.n = done

    def update(self, done: int, total: int | None = None, more: str = "") -> None:
        """more: what else there is to say."""
        if self._bar is not None:
            self._bar.total = total
            self._bar.set_postfix_str(more, refresh=False)
            self._bar.update(done - self.done)
        self.done = done
        now = time.perf_counter()
        if self._bar is None and self.title and self.every and now - self._said >= self.every:
            self._said = now
            rate = (done - self._first) / (now - self.begun)
            of = "" if total is None else f" of {total}"
            left = math.inf if total is None or rate == 0 else (total - done) / rate
            eta = "" if total is None else f"ETA {format_duration(left)}"
            said = [f"{self.title}: {done}{of}", f"{rate:.1f}/s", eta, more]
            print("  ".join(filter(None, said)), file=self.stream, flush=True)

    def finish(self) -> None:
        if self._bar is not None:
            self._bar.close()
        if self.title:
            seconds = time.perf_counter() - self.begun
            done = self.done - self._first
            print(f"{self.title}: {done} in {seconds:.1f} s", file=self.stream, flush=True)


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
        elapsed = 0.0 if self._begun is None else self._clock() - self._begun
        return min(1.0, self.waited / elapsed) if elapsed > 0 else 0.0


def format_duration(seconds: float) -> str:
    """`m:ss` or `h:mm:ss`, and `-:--` for a time that is not known (nan, inf)."""
    if not math.isfinite(seconds):
        return "-:--"
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


class Progress:
    """The progress line of a training run.

    On a terminal it stands before a bar that is drawn in place, one an epoch; on any other stream
    it comes every `print_freq` steps and at the end of an epoch. `log` gets those lines in both
    cases (the run's log file).
    """

    def __init__(
        self,
        epochs: int,
        print_freq: int = 10,
        stream: TextIO | None = None,
        log: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.epochs = epochs
        self.print_freq = print_freq
        self._stream = sys.stderr if stream is None else stream
        self._log = log
        self._clock = clock
        self._run_begun: float | None = None
        self._run_steps = 0
        self._bar: Any = None

    def begin(self, epoch: int, steps: int, step: int = 0) -> None:
        """Start an epoch (from 0) of `steps` steps, of which `step` are done already."""
        self._epoch, self._steps, self._step = epoch, steps, step
        self._images = 0
        self._epoch_begun = self._shown = self._clock()
        if self._run_begun is None:
            self._run_begun = self._epoch_begun
        self._bar = terminal_bar(
            self._stream, total=steps, initial=step, bar_format="{desc} {bar}", delay=1e-9
        )

    def update(self, loss: float, lr: float, images: int, wait_share: float) -> None:
        """One more step is done: `images` of it over all processes, `loss` as it is to be shown,
        which is new every `print_freq` steps, at the end of an epoch, and where it is `looked_at`.
        """
        self._step += 1
        self._run_steps += 1
        self._images += images
        last = self._step >= self._steps
        full = last or self._step % self.print_freq == 0
        if not full and self._bar is None:
            return
        line = self._line(loss, lr, wait_share)
        if self._bar is not None:
            self._bar.set_description_str(line, refresh=False)
            self._bar.update()
            if last:
                self.finish()
        elif full:
            self._stream.write(line + "\n")
            self._stream.flush()
        if full and self._log is not None:
            self._log(line)

    def looked_at(self) -> bool:
        """Whether somebody sees each step, and was shown a new loss a second ago."""
        now = self._clock()
        if self._bar is None or now - self._shown < 1:
            return False
        self._shown = now
        return True

    def finish(self) -> None:
        """End the line on the terminal, so that other text may follow; harmless elsewhere."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _line(self, loss: float, lr: float, wait_share: float) -> str:
        """Short enough for 80 columns in the common case."""
        now = self._clock()
        elapsed = now - self._epoch_begun
        # Evaluation between epochs is part of the run's time, so the estimate holds it too.
        run = now - (self._run_begun or 0.0)
        left = (self.epochs - self._epoch) * self._steps - self._step
        eta = format_duration(max(0, left) * run / self._run_steps)
        rate = self._images / elapsed if elapsed > 0 else 0.0
        epoch, step = (
            f"{done:{len(str(of))}d}/{of}"
            for done, of in ((self._epoch + 1, self.epochs), (self._step, self._steps))
        )
        return (
            f"epoch {epoch} step {step}  ETA {eta}  loss {loss:.4f}  lr {lr:.1e}  "
            f"{rate:.{0 if rate >= 100 else 1}f} img/s  wait {100 * wait_share:.0f}%"
        )
