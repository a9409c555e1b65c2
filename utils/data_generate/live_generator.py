"""LIVE's five distortions of photographs: `live_generator.py --data DIR [--out OUT]`.

A program, from any working directory. DIR holds the photographs and is only read; OUT is
DIR_live beside it unless given.
"""

import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a program: imports start at the repository, not in here
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from utils.data_generate.command import run

if __name__ == "__main__":
    sys.exit(run("live"))
