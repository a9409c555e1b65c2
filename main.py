"""The one entry of the toolkit: `python main.py --help`."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

from config import Config, UsageError, parse
from utils.runtime.collector import at_rest
from utils.text import visible

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main(argv: list[str] | None = None) -> int:
    """Runs one command line and returns its exit code (0, 1, 2, 3, 129, 130, 141 or 143; see
    --help).
    """
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # it may have no bytes for the name of a file
            stream.reconfigure(errors="backslashreplace")
    try:
        config = parse(argv)
        if config.threads:  # before NumPy is imported, whose library reads it then
            os.environ.update(dict.fromkeys(BLAS_THREADS, str(config.threads)))
        from applications.combinations import check  # here: --help needs none of it
        from applications.left_open import completed

        config, remarks = completed(config)
        remarks += check(config)
    except UsageError as error:
        print(f"error: {visible(error)}", file=sys.stderr)
        return 2
    try:
        code = _run(config, argv, remarks)
        if sys.stdout is not None:
            sys.stdout.flush()  # at the interpreter's end it is too late for one line and a code
        return code
    except Exception as error:
        from utils.runtime.faults import reader_gone, told

        if isinstance(error, BrokenPipeError) and reader_gone():
            return 141
        print(visible(told(error)), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(config: Config, argv: list[str], remarks: list[str]) -> int:
    # Before torch is imported: OpenMP's threads spin while they wait, and next to what reads images
    # or other programs they take the cores from the work (tests/benchmarks/bench_wait_policy.py).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Imported here: --help, a wrong flag and a mode that only reads files must not wait for torch.
    from applications import ALONE, DISTRIBUTED, load

    if config.mode() in ALONE and not config.given & {"device", "gpus"}:
        from utils.runtime.alone import open_alone

        opened = open_alone()
    else:
        with at_rest(keep=__name__ == "__main__"):  # torch, for the most part
            from applications.inputs.runtime import launch_processes, open_runtime
            from applications.training.run_folder import continued

        config = continued(config)
        if config.mode() in DISTRIBUTED:
            if (code := launch_processes(config, __file__, argv)) is not None:
                return code
        opened = open_runtime(config)
    with opened as runtime:
        for remark in remarks:
            runtime.info(remark)
        return runtime.run(lambda: load(config.mode())(config, runtime))


if __name__ == "__main__":
    sys.exit(main())
