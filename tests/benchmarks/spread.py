"""Mean and standard deviation of a test figure over runs.

python tests/benchmarks/spread.py FIGURE RUN/results.json ...
"""

import json
import statistics
import sys
from pathlib import Path

figure, *files = sys.argv[1:]
values = [json.loads(Path(file).read_text(encoding="utf-8"))["test"][figure] for file in files]
spread = statistics.stdev(values) if len(values) > 1 else float("nan")
shown = " ".join(f"{value:.4f}" for value in values)
print(f"{figure}: mean {statistics.mean(values):.4f}, std {spread:.4f} ({shown})")
