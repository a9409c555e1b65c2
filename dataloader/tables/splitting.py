"""Which images train, validate and test, where nobody has said so: whole groups, each part with low
and high scores in their shares.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from utils.runtime.seed import numpy_generator

STRATUM = 10  # images of neighbouring scores, among which it is drawn which of them test


def stratified(
    group: np.ndarray, score: np.ndarray | None, shares: Mapping[str, float], seed: int
) -> np.ndarray:
    """The split of each of L labels, an array of names.

    group int64 (L,): from 0; a group is never in two splits. score float64 (L,): groups are drawn
    from strata of like mean scores; None: from all. shares: of each split, in sum 1. Groups are
    gone through stratum by stratum, in an order drawn from `seed`, and each goes where most images
    are lacking. ValueError where there are fewer groups than splits.
    """
    names = [name for name, share in shares.items() if share > 0]
    sizes = np.bincount(group)
    if len(sizes) < len(names):
        raise ValueError(
            f"{len(sizes)} group(s) cannot make {len(names)} splits: a group stays together; pass "
            "--split_by image to let every image stand for itself"
        )
    rng = numpy_generator(seed, "split")
    order = rng.permutation(len(sizes))
    if score is not None:
        mean = np.bincount(group, score) / sizes
        order = order[np.argsort(mean[order], kind="stable")]
        stratum = (np.cumsum(sizes[order]) - 1) // STRATUM
        order = order[np.lexsort((rng.random(len(order)), stratum))]
    wanted = np.array([shares[name] for name in names])
    taken, chosen, total = np.zeros(len(names)), np.empty(len(sizes), dtype=np.int64), 0
    for place in order.tolist():
        total += sizes[place]
        chosen[place] = np.argmax(wanted * total - taken)
        taken[chosen[place]] += sizes[place]
    for part in range(len(names)):  # few or large groups may leave one without any
        if not (chosen == part).any():
            spare = np.flatnonzero(np.bincount(chosen, minlength=len(names))[chosen] > 1)
            chosen[spare[np.argmin(sizes[spare])]] = part
    return np.array(names)[chosen[group]]


def parse_shares(text: str) -> dict[str, float]:
    """ "70/10/20" of train, val and test, or "80/20" of train and test, in sum 1."""
    parts = [float(part) for part in text.split("/")]
    train, *rest = [part / sum(parts) for part in parts]
    val, test = rest if len(rest) == 2 else (0.0, *rest)
    return {"train": train, "val": val, "test": test}
