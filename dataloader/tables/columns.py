"""Which column of a table is the image, which the score: read off names and cells where they say so
clearly, named by a flag where they do not, and never guessed between two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from dataloader.tables.reading import is_image_name
from dataloader.tables.single_ratings import are_single_ratings
from dataloader.tables.table import Table, as_numbers
from utils.flag_types import did_you_mean
from utils.text import some_of

NONE = "none"  # in place of a column: there is none, whatever it looks like
SAMPLE = 200  # rows whose cells are looked at
MOST_BINS = 100

# What people call such columns, in small letters without other signs.
NAMES: dict[str, frozenset[str]] = {
    "image": frozenset(
        "image img imagename imagefile imagepath imageid filename filepath file path name photo "
        "picture stimulus stimuli distimg distorted bild datei dateiname".split()
    ),
    "score": frozenset(
        "mos score meanopinionscore meanscore qualityscore quality rating meanrating mean value "
        "label note bewertung".split()
    ),
    "std": frozenset(
        "std sd stdev stddev stddeviation standarddeviation mosstd mossd stdmos dmosstd dmossd "
        "stddmos sigma scorestd standardabweichung streuung".split()
    ),
    "count": frozenset(
        "count n votes numvotes nvotes ratings numratings nratings numberofratings ctotal total "
        "numberofvotes anzahl stimmen".split()
    ),
    "rater": frozenset(
        "rater raterid subject subjectid observer observerid worker workerid participant "
        "participantid annotator user userid judge".split()
    ),
    "group": frozenset(
        "group groupid reference referenceid ref refimg refimage refname referenceimage scene "
        "sceneid content contentid gruppe referenz szene".split()
    ),
    "split": frozenset("split set subset partition fold".split()),
}  # fmt: skip
LOWER = ("dmos", "differencemos")  # in the names of what some count from the best, others not
SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "dev": "val", "test": "test", "testing": "test", "eval": "test",
}  # fmt: skip
_VOTES = re.compile(r"(?:c|v|votes?|n|p|bin|hist|count|)[ _.-]?(\d+)")


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns, None for one that it has not; votes: of the bins 1..K, in
    their order, () where it has a score. reversed: a high score is a bad image. `given`: roles that
    a flag named.
    """

    image: str
    score: str | None = None
    votes: tuple[str, ...] = ()
    rater: str | None = None
    std: str | None = None
    count: str | None = None
    group: str | None = None
    split: str | None = None
    reversed: bool = False

    def unused(self, table: Table) -> list[str]:
        """Columns that nothing is read from."""
        own = {self.image, self.score, self.rater, self.group, self.split}
        if not self.rater:  # ratings say both themselves
            own |= {self.std, self.count}
        return [name for name in table.names if name not in own and name not in self.votes]


def find_columns(
    table: Table,
    asked: dict[str, str | None],
    names_images: Callable[[Sequence[str]], int],
    wants_votes: bool | None,
    divides: bool = True,
) -> Columns:
    """The columns of the table. asked: what the flags name by role, a column's name or number or
    "none"; names_images: how many of some cells lead to an image. wants_votes: which is to be
    learned where a table has both votes and a score; None: the votes, unless a score was named.
    divides: whether it matters which of several columns are the groups; else none of them is.

    ValueError names what is not there, and the flag for what could be meant in two ways.
    """
    named = {role: _named(table, role, text) for role, text in asked.items() if text is not None}
    guess = _Guess(table, named, names_images)
    columns = Columns(image=guess.image())
    if not divides and len(guess.called("group")) > 1:
        named.setdefault("group", NONE)
    columns = replace(
        columns,
        **{role: guess.by_name(role) for role in ("rater", "std", "count", "group", "split")},
    )
    if columns.split and "split" not in named and not _are_splits(table, columns.split):
        columns = replace(columns, split=None)
    votes = guess.votes(columns) if not columns.rater else ()
    if votes and wants_votes is None:
        wants_votes = "score" not in named
    if votes and wants_votes:
        guess.refuse_single_ratings(columns, votes)
        return replace(columns, votes=votes)
    score, reverse = guess.score(columns, votes)
    if score is None and votes:
        return replace(columns, votes=votes)
    return replace(columns, score=score, reversed=reverse)


def simple(name: str) -> str:
    """The name in small letters, without signs, as NAMES has them."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def is_lower(name: str) -> bool:
    """Whether a column of that name may count from the best."""
    return any(word in simple(name) for word in LOWER)


def flag_of(role: str) -> str:
    """The flag that names a column; groups are what --split_by keeps together."""
    return "--split_by" if role == "group" else f"--{role}_column"


def _named(table: Table, role: str, text: str) -> str:
    """The column that a flag names, by its name or, from 1, its number; NONE stays."""
    if role == "votes":
        return text
    bare = text.removeprefix("-") if role == "score" and text not in table.names else text
    if bare in table.names or (bare == NONE and role not in ("image", "score")):
        return text
    like = [name for name in table.names if name.casefold() == bare.casefold()]
    if len(like) == 1:
        return text.removesuffix(bare) + like[0]
    if bare.isdecimal() and 0 < int(bare) <= len(table.names):
        return text.removesuffix(bare) + table.names[int(bare) - 1]
    near = did_you_mean(bare, table.names)
    raise ValueError(
        f"{flag_of(role)} {text}: {table.file} has no such column{near} (it has "
        f"{some_of(table.names, 12)})"
    )


def _are_splits(table: Table, name: str) -> bool:
    """Whether any cell names a split; then all of them have to."""
    return any(cell.casefold() in SPLITS for cell in set(table.column(name)))


class _Guess:
    """What the columns of one table look like."""

    def __init__(
        self,
        table: Table,
        named: dict[str, str],
        names_images: Callable[[Sequence[str]], int],
    ) -> None:
        self.table, self.named, self.names_images = table, named, names_images
        self.taken = {name.removeprefix("-") for role, name in named.items() if role != "votes"}

    def sample(self, name: str) -> list[str]:
        return self.table.column(name)[:SAMPLE]

    def numeric(self, name: str) -> bool:
        """Whether cells are numbers, but for a few whose fault is said when they are read."""
        cells = [cell for cell in self.sample(name) if cell]
        return _most(as_numbers([cell])[0] is not None for cell in cells)

    def called(self, role: str) -> list[str]:
        """Columns whose names say that they are this, no other flag having named them."""
        own = NAMES[role]
        return [n for n in self.table.names if simple(n) in own and n not in self.taken]

    def by_name(self, role: str) -> str | None:
        """The column that a flag names, or the one whose name says so."""
        if role in self.named:
            return None if self.named[role] == NONE else self.named[role]
        called = self.called(role)
        if role in ("std", "count"):
            called = [name for name in called if self.numeric(name)]
        return self.only(role, called) if called else None

    def only(self, role: str, names: Sequence[str]) -> str:
        """The one of the names; ValueError for several."""
        if len(names) > 1:
            raise ValueError(
                f"{self.table.file}: {some_of(names)} could each be the {role}: pass "
                f"{flag_of(role)} NAME"
            )
        return names[0]

    def image(self) -> str:
        if "image" in self.named:
            return self.named["image"]
        rest = [n for n in self.table.names if n not in self.taken]
        others = frozenset().union(*(own for role, own in NAMES.items() if role != "image"))
        rest = [n for n in rest if not (simple(n) in others or is_lower(n))] or rest
        ends = [n for n in rest if _most(map(is_image_name, self.sample(n)))]
        leads = [n for n in rest if 2 * self.names_images(self.sample(n)) > len(self.sample(n))]
        called = self.called("image")
        for found in (ends, [n for n in leads if n in called], leads, called):
            if len(found) > 1:
                found = [n for n in found if n in called] or found
            if len(found) > 1:
                found = [n for n in found if n in leads] or found
            if found:
                return self.only("image", found)
        raise ValueError(
            f"{self.table.file}: no column looks like names of images: pass --image_column NAME, "
            f"one of {some_of(self.table.names, 12)}"
        )

    def votes(self, columns: Columns) -> tuple[str, ...]:
        """The columns of the bins 1..K, () for none."""
        asked = self.named.get("votes")
        if asked == NONE:
            return ()
        if asked is not None:
            return self._asked_votes(asked)
        found: dict[str, dict[int, str]] = {}
        for name in self.table.names:
            match = _VOTES.fullmatch(name.casefold())
            if match and name != columns.image and name not in self.taken and self.numeric(name):
                found.setdefault(name[: match.start(1)], {})[int(match[1])] = name
        runs = [
            tuple(bins[k] for k in sorted(bins))
            for bins in found.values()
            if len(bins) > 2 and sorted(bins) == list(range(1, len(bins) + 1))
        ]
        if len(runs) > 1:
            said = " and ".join(f"{run[0]}..{run[-1]}" for run in runs)
            raise ValueError(
                f"{self.table.file}: {said} could each be the votes: pass --votes_column "
                "FIRST..LAST"
            )
        return runs[0] if runs else ()

    def refuse_single_ratings(self, columns: Columns, votes: Sequence[str]) -> None:
        """ValueError where no flag names these as votes, and no score beside them is theirs."""
        if "votes" in self.named:
            return
        named = self.named.get("score", "")
        beside = [named if named in self.table.names else named.removeprefix("-")]
        if not named:
            own = {*votes, *columns_of(columns)}
            beside = [n for n in self.called("score") if n not in own and self.numeric(n)]
        if beside and all(are_single_ratings(self.table, votes, n) for n in beside):
            run = f"{votes[0]}..{votes[-1]}"
            raise ValueError(
                f"{self.table.file}: {run}: the means of such histograms disagree with column "
                f"{beside[0]}: single ratings? pass --votes_column none, or --score_column "
                f"{beside[0]} with --criterion regress; --votes_column {run} where they are counts"
            )

    def _asked_votes(self, asked: str) -> tuple[str, ...]:
        ends = [_named(self.table, "vote", end) for end in asked.split("..")]
        if len(ends) == 2:
            first, last = map(self.table.names.index, ends)
            run = tuple(self.table.names[first : last + 1])
            if 2 <= len(run) <= MOST_BINS:
                return run
        raise ValueError(
            f"--votes_column {asked}: pass the first and the last of the bins' columns, in their "
            "order, such as c1..c5"
        )

    def score(self, columns: Columns, votes: Sequence[str]) -> tuple[str | None, bool]:
        """(the column of scores or None beside votes, whether a high one is bad)."""
        if "score" in self.named:
            text = self.named["score"]
            return text.removeprefix("-") if text not in self.table.names else text, (
                text not in self.table.names
            )
        own = {*votes, *columns_of(columns), *self.taken}
        numeric = [n for n in self.table.names if n not in own and self.numeric(n)]
        called = [n for n in numeric if simple(n) in NAMES["score"]]
        lower = [n for n in numeric if is_lower(n)]
        grouped = self.named.get("group", NONE)
        if not called and simple(grouped) in NAMES["score"] and not votes:
            raise ValueError(
                f"{self.table.file}: --split_by {grouped} took this column, which looks like the "
                "scores: name a column of groups, or the scores with --score_column NAME"
            )
        found = called or [n for n in numeric if _says_score(n)] or numeric
        if len(found) > 1:
            exact = [n for n in found if simple(n) == "mos"]
            found = exact if len(exact) == 1 else found
        if lower and (not called or len(found) > 1):
            raise ValueError(
                f"{self.table.file}: {lower[0]}: is a high value a good image? pass --score_column "
                f"{lower[0]} where it is, --score_column=-{lower[0]} where it is a bad one"
            )
        if not found and not votes:
            raise ValueError(
                f"{self.table.file}: no column of numbers that could be scores beside "
                f"{columns.image}: pass --score_column NAME, one of "
                f"{some_of([n for n in self.table.names if n != columns.image], 12)}"
            )
        return (self.only("score", found) if found else None), False


def columns_of(columns: Columns) -> list[str]:
    """The names of all but the score and the votes."""
    own = (columns.image, columns.rater, columns.std, columns.count, columns.group, columns.split)
    return [name for name in own if name is not None]


def _says_score(name: str) -> bool:
    words = set(re.split(r"[^a-z]+", name.casefold()))
    return bool(words & {"mos", "score", "rating", "quality"})


def _most(said: Iterable[bool]) -> bool:
    found = list(said)
    return bool(found) and sum(found) >= 0.9 * len(found)
