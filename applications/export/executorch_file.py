"""ExecuTorch with XNNPACK: phones (Android, iOS) and boards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from applications.export.base import (
    ABOUT,
    MOST_AT_ONCE,
    About,
    Artefact,
    Subject,
    as_text,
    named,
    quiet,
    read_about,
)
from applications.export.torch_files import runner


def make(subject: Subject, about: About, path: Path) -> None:
    """An ExecuTorch program; its method "about" answers with the description, as bytes."""
    with quiet():  # its own use of what torch deprecates
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

    held = torch.frombuffer(bytearray(as_text(about), "utf-8"), dtype=torch.uint8)
    with quiet(), torch.no_grad():
        lowered = to_edge_transform_and_lower(
            subject.exported(MOST_AT_ONCE),
            partitioner=[XnnpackPartitioner()],
            constant_methods={ABOUT: held},
        )
        path.write_bytes(lowered.to_executorch().buffer)


def open_file(path: Path, threads: int | None = None) -> Artefact:
    """The program in ExecuTorch's own runtime; threads are as it chooses."""
    with quiet():
        from executorch.runtime import Runtime

    with named(path):
        program = Runtime.get().load_program(path)
        method = program.load_method("forward")
        (held,) = program.load_method(ABOUT).execute([])
    about = read_about(bytes(held.numpy()).decode("utf-8"), path)
    run = runner(lambda pixels: [value.clone() for value in method.execute([pixels])])

    def run_contiguous(pixels: np.ndarray) -> dict[str, np.ndarray]:
        # The method lives no longer than its program.
        assert program is not None
        return run(np.ascontiguousarray(pixels))

    return Artefact(about, run_contiguous)
