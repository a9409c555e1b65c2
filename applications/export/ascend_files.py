"""Ascend: ONNX, and what turns it into an .om on a machine that has ATC (CANN): AIPP's settings, by
which the card takes 8-bit pixels, and the command line. ATC itself is not run here.
"""

from __future__ import annotations

from pathlib import Path

from applications.export import onnx_file
from applications.export.base import About, Subject

AIPP = """\
# The .om takes uint8 (N,H,W,3), RGB, of exactly this size; AIPP divides by 255.
aipp_op {{
    aipp_mode: static
    input_format: RGB888_U8
    src_image_size_w: {width}
    src_image_size_h: {height}
    csc_switch: false
    rbuv_swap_switch: false
    mean_chn_0: 0
    mean_chn_1: 0
    mean_chn_2: 0
    var_reci_chn_0: 0.00392156862745098
    var_reci_chn_1: 0.00392156862745098
    var_reci_chn_2: 0.00392156862745098
}}
"""
ATC = """\
#!/usr/bin/env bash
# Beside its .onnx and .cfg, with CANN's set_env.sh sourced: bash {stem}.sh Ascend310P3
# (npu-smi info names the chip). Makes {stem}.om, for batches of 1, 4 and 8.
set -euo pipefail
cd "$(dirname "${{BASH_SOURCE[0]}}")"
atc --framework=5 --model={stem}.onnx --output={stem} --soc_version="${{1:?name the chip}}" \\
    --input_format=NCHW --input_shape="pixels:-1,3,{height},{width}" \\
    --dynamic_batch_size="1,4,8" --insert_op_conf={stem}.cfg --precision_mode=must_keep_origin_dtype
"""


def make(subject: Subject, about: About, path: Path) -> None:
    """<name>.onnx as of `onnx`, <name>.cfg for AIPP, <name>.sh for ATC."""
    onnx_file.make(subject, about, path)
    height, width = subject.images.shape[2:]
    words = {"stem": path.stem, "height": height, "width": width}
    path.with_suffix(".cfg").write_text(AIPP.format(**words), encoding="utf-8")
    path.with_suffix(".sh").write_text(ATC.format(**words), encoding="utf-8")
