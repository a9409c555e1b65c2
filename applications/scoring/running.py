"""--predict, from groups of images to rows on stdout or in a file."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import torch

from applications.evaluation.scoring import Scorer, no_room, predictions, unread
from applications.inputs.named_images import Named, each_named
from applications.inputs.runtime import Runtime
from applications.scoring.journal import Journal, own_groups
from applications.scoring.rows import Choice, CsvLines, JsonLines, Row, group_rows
from applications.scoring.table import as_table
from dataloader.sources import Source
from utils.check_images import BadImage, describe_bad
from utils.imaging.image_folders import Say
from utils.imaging.images import ImageError
from utils.runtime import distributed, stopping
from utils.runtime.progress import CountBar
from utils.text import printable

SOME_UNREADABLE = 3  # exit code


class Asked:
    """The images that words mean: `each` finds them, anew each time, but those on stdin. count: how
    many; None until all have been found once. say: is told what `each_named` says, once.
    """

    def __init__(self, words: Sequence[str], say: Say, missing: bool) -> None:
        self.words, self.say, self.missing = words, say, missing
        self.count: int | None = None
        self._names: str | None = None

    def each(self) -> Iterator[Named]:
        say = self.say if self.count is None else lambda line: None
        count, names = 0, sha256()
        for image in each_named(self.words, say, self.missing):
            names.update(f"{image.as_posix()}\n".encode(errors="backslashreplace"))
            count += 1
            yield image
        self.count, self._names = count, names.hexdigest()

    def facts(self) -> dict[str, Any]:
        """What rows are of: the number of images, and a digest of their names."""
        return {"number_of_images": self.count, "names_of_images": self._names}


class Scoring:
    """Groups of images to rows, counted. made_of: what the scores depend on beside the view."""

    def __init__(
        self,
        scorer: Scorer,
        asked: Asked,
        choice: Choice,
        bad_images: str,
        runtime: Runtime,
        made_of: Callable[[], dict[str, str]],
    ) -> None:
        self.scorer, self.asked, self.runtime, self.made_of = scorer, asked, runtime, made_of
        self.choice, self.bad_images = choice, bad_images
        self.bins = scorer.model.num_classes
        self.bad: list[BadImage] = []  # those to be named
        self.read: list[int] | None = None  # places of images that were scored, where asked for
        self.scored = self.unreadable = self.once = self.before = 0

    @property
    def errors(self) -> bool:
        """Whether the rows say why an image cannot be read."""
        return self.bad_images == "row"

    def groups(self, groups: Iterable[Sequence[Source]]) -> Iterator[list[Row]]:
        """The rows of each group as it is scored, with a count on stderr."""
        size, share = self.scorer.group_size, self.runtime.world.size
        count = self.asked.count
        most = None if count is None else -(-count // size)
        bar = CountBar("scoring" if self.runtime.main else None, every=30.0)
        total = None if count is None else -(-count // share)
        bar.begin(self.before)
        for images, (rows, places, bad) in self.scorer.stream(
            groups, self.bad_images == "stop", most
        ):
            if self.read is not None:
                self.read += [self.scored + self.unreadable + place for place in places]
            self.scored += len(places)
            self.unreadable += len(bad)
            self.bad += () if self.choice.all_images else bad
            more = f"{self.unreadable} unreadable" if self.unreadable else ""
            bar.update(self.before + self.scored + self.unreadable, total, more)
            if rows is None and places:
                continue  # another image is broken, and stops the call
            self.once += 0 if rows is None else int((rows[:, -1] == 1).sum())
            found = None if rows is None else predictions(rows)
            yield group_rows(images, found, places, bad, self.bins)
        bar.finish()

    def end(self, scored: int | None = None, unreadable: int | None = None) -> int:
        """What is to be said of all images, and the exit code."""
        scored = self.scored if scored is None else scored
        unreadable = self.unreadable if unreadable is None else unreadable
        if once := no_room(self.once, self.scored, self.scorer.view):
            self.runtime.info(once)
        if not unreadable:
            return 0
        if self.bad_images == "skip":
            if not scored:
                raise ImageError(unread(tuple(self.bad)))
            if self.bad:
                self.runtime.info(f"{describe_bad(self.bad)}\n--bad_images skip: left out")
            return 0
        said = f"{unreadable} of {scored + unreadable} images could not be read: "
        if self.choice.all_images:
            said += "their rows say why"
        else:  # of an earlier call, which --continue goes on with, there is the number alone
            named = f"{describe_bad(tuple(self.bad))}\n" if self.bad else ""
            said = f"{named}{said}without a score they have no row"
        self.runtime.info(said)
        return SOME_UNREADABLE


def to_stdout(scoring: Scoring, table: bool) -> int:
    """A table when all is scored, or a csv as it comes."""
    if scoring.runtime.world.size > 1:
        raise ValueError("--predict in several processes: pass -o FILE, which they write together")
    if sys.stdout is None:
        raise ValueError("--predict: stdout is closed: pass -o FILE")
    groups = own_groups(scoring.asked.each(), scoring.scorer.group_size)
    rows = scoring.choice.of(row for group in scoring.groups(groups) for row in group)
    if table:
        found = list(rows)
        code = scoring.end()
        print(as_table(found))
        return code
    lines = CsvLines(scoring.bins, scoring.errors)
    _put(lines.head)
    for row in rows:
        _put(lines.line(row))
    return scoring.end()


def _put(line: bytes) -> None:
    """On stdout, with the bytes of a name as they are."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.buffer.write(line)
    else:
        sys.stdout.write(line.decode("utf-8", "backslashreplace"))
    sys.stdout.flush()


def to_file(output: Path, scoring: Scoring, going_on: bool) -> int:
    """FILE, once it is whole; until then its rows stand in FILE.part."""
    runtime, choice, asked = scoring.runtime, scoring.choice, scoring.asked
    rank, size = runtime.world.rank, runtime.world.size
    as_csv = output.suffix == ".csv" and size == 1 and choice.everything
    lines = CsvLines(scoring.bins, scoring.errors) if as_csv else JsonLines()
    journal = Journal(output, lines, scoring.scorer.group_size, rank, size)
    facts = _facts(scoring, lines.name)
    patient = distributed.patient_group()  # equal shares of images may take hours more or less
    if distributed.broadcast_object(going_on and journal.finished()):
        if asked.count is None:
            deque(asked.each(), maxlen=0)  # stdin may name others now
        journal.check({**facts, **asked.facts()})
        rows, unreadable = journal.counts()
        if runtime.main:
            journal.remove_parts()
        runtime.info(f"{printable(output)} is whole: nothing is left to score")
        return scoring.end(rows - unreadable, unreadable)
    try:
        for group in scoring.groups(_left_to_score(journal, scoring, facts, going_on)):
            journal.add(group)
        journal.close()
        distributed.barrier(patient)
        _check_same_images(journal, asked)
        counts = torch.tensor([journal.rows, journal.bad, scoring.scored, scoring.once])
        rows, unreadable, scoring.scored, scoring.once = distributed.reduce_sum(counts).tolist()
        code = scoring.end(rows - unreadable, unreadable)
    except BaseException as error:
        journal.close()
        # One of several processes may have none where others have some, and --continue needs them.
        if (size == 1 and not journal.rows) or (
            isinstance(error, ImageError) and not scoring.errors
        ):
            journal.remove()
        raise
    if runtime.main:
        finished = {"rows": rows, "unreadable": unreadable}
        journal.write_record({**facts, **asked.facts()}, finished)
        written = journal.finish(choice, scoring.bins, scoring.errors)
        if not going_on:
            journal.record.unlink()
        runtime.info(f"{written} row{'s' * (written != 1)} written to {printable(output)}")
    distributed.barrier(patient)
    return code


def _check_same_images(journal: Journal, asked: Asked) -> None:
    """ValueError where processes have found other images than the first one: then some of these
    were scored twice, or not at all.
    """
    facts = asked.facts()
    if distributed.any_rank(facts != distributed.broadcast_object(facts)):
        raise ValueError(
            f"{printable(journal.output)}: images came or went while they were scored, and not all "
            "processes found the same: remove its .part files, and score them again"
        )


def _left_to_score(
    journal: Journal, scoring: Scoring, facts: dict[str, Any], going_on: bool
) -> Iterator[Sequence[Source]]:
    """The groups of this process, less those whose rows an earlier call has left."""
    world, asked = scoring.runtime.world, scoring.asked
    images = asked.facts()
    groups = own_groups(asked.each(), journal.group_size, world.rank, world.size)
    # One answer for all: who has it may cut what was half written.
    if distributed.broadcast_object(going_on and journal.unfinished()):
        journal.check(facts)
        groups = journal.take_up(groups)
        journal.check(images)
        scoring.before = journal.rows
        scoring.runtime.info(f"{journal.rows} rows are there: going on")
    else:
        journal.refuse_unfinished()
        distributed.barrier()  # all have looked
        journal.begin()
        distributed.barrier()  # all parts are there
        if scoring.runtime.main:
            journal.write_record({**facts, **images})
    stopping.advise("go on with the same command and --continue")
    return groups


def _facts(scoring: Scoring, form: str) -> dict[str, Any]:
    """What the scores, and their rows, depend on beside the images."""
    scorer, choice = scoring.scorer, scoring.choice
    return {
        **scoring.made_of(),
        "view": scorer.view.to_dict(),
        "batch_size": scorer.batch_size,
        "max_pixels": scorer.max_pixels,
        "amp": scorer.amp,
        "device": scorer.device.type,
        "bad_images": scoring.bad_images,
        "processes": scoring.runtime.world.size,
        "sort": choice.sort,
        "top": choice.top,
        "threshold": choice.threshold,
        "kind_of_rows": form,
    }
