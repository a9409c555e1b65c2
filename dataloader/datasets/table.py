"""Every data set that --prepare knows, by the name it takes."""

from __future__ import annotations

import re

from dataloader.datasets.aesthetics import AVA, DPCHALLENGE, PHOTONET
from dataloader.datasets.csiq import CSIQ
from dataloader.datasets.flive import FLIVE
from dataloader.datasets.live import LIVE
from dataloader.datasets.mlive import MLIVE
from dataloader.datasets.pipal import PIPAL
from dataloader.datasets.records import DataSet
from dataloader.datasets.tid_and_kadid import KADID10K, TID2008, TID2013
from dataloader.datasets.waterloo import WATERLOO
from dataloader.datasets.without_references import (
    AGIQA3K,
    BIQ2021,
    CID2013,
    CLIVE,
    KONIQ10K,
    SPAQ,
)
from utils.flag_types import did_you_mean

DATA_SETS: dict[str, DataSet] = {
    "tid2013": TID2013,
    "tid2008": TID2008,
    "live": LIVE,
    "mlive": MLIVE,
    "waterloo": WATERLOO,
    "csiq": CSIQ,
    "kadid10k": KADID10K,
    "pipal": PIPAL,
    "photonet": PHOTONET,
    "dpchallenge": DPCHALLENGE,
    "ava": AVA,
    "koniq10k": KONIQ10K,
    "spaq": SPAQ,
    "clive": CLIVE,
    "flive": FLIVE,
    "biq2021": BIQ2021,
    "agiqa3k": AGIQA3K,
    "cid2013": CID2013,
}
# Other names in use, without the signs that data_set_name takes out.
ALIASES = {
    "livechallenge": "clive", "livec": "clive", "livewild": "clive", "paq2piq": "flive",
    "waterlooexploration": "waterloo", "kadid": "kadid10k", "koniq": "koniq10k",
    "agiqa": "agiqa3k", "liver2": "live", "livemd": "mlive",
}  # fmt: skip


def data_set_name(text: str) -> str:
    """A key of DATA_SETS for a name in any spelling (KADID-10k, photo.net); ValueError with the
    near ones.
    """
    name = re.sub(r"[^a-z0-9]", "", text.casefold())
    name = ALIASES.get(name, name)
    if name not in DATA_SETS:
        near = did_you_mean(name, [*DATA_SETS, *ALIASES])
        raise ValueError(
            f"--prepare {text}: unknown data set{near} (one of {', '.join(DATA_SETS)})"
        )
    return name
