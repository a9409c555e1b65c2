"""Reading weight files of strangers: nothing in them is ever run, and a file costs no more time and
memory than its own size explains.

A few hundred bytes of a pickle can stand for terabytes: a tensor that repeats one number, lists
that hold one another twice, a compressed archive. Each is refused before it is unfolded.
"""

from __future__ import annotations

import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from utils.files.reading import UnreadableFile, check_regular
from utils.text import cut, printable

MOST_PICKLE = 8 << 20  # bytes of names and shapes; the largest networks with their optimizer: 2 MB
MOST_STEPS = 1_000_000  # of the pickle's program; the same: 400,000
MOST_ITEMS = 300_000  # entries, counted wherever they are reached
MOST_LEVELS = 100
MOST_KEY = 10_000  # entries of a tuple, those inside it included: Python walks all to hash it
SHARED = 4  # tensors may share their bytes, up to this many times the file's size
SPARE = 1 << 20
CHECKED = "crc32"  # "digest" of a checkpoint whose parts have checksums that are to be compared
DAMAGED = "damaged: its content does not match the digest it was saved with; use another copy"
HDF5 = b"\x89HDF\r\n\x1a\n"
# What a file of tensors may call, and what makes many bytes of few.
EXPANDING = ("bytearray", "encode")
OBJECTS = (
    "objects other than tensors, which are never loaded: make a file of the weights alone, with "
    'torch.save(network.state_dict(), "FILE.pth")'
)


class CheckpointError(ValueError):
    """A weight file is missing, torn, altered, or not one; one line that names it."""


def load_tensors(path: Path) -> Any:
    """Content of a .pth/.pt/.safetensors file on the CPU: nested dicts and lists of ordinary
    tensors and built-in values. Objects are never unpickled (weights_only).

    Raises CheckpointError for everything else.
    """
    path = Path(path)
    try:
        check_regular(path)
        size = path.stat().st_size
        content = _load(path, size)
        _check_extent(content, size)
    except FileNotFoundError:
        raise CheckpointError(f"{printable(path)}: no such file") from None
    except UnreadableFile as error:
        if path.is_dir():
            raise CheckpointError(
                f"{printable(path)}: is a folder: name the .pth file inside it"
            ) from None
        raise CheckpointError(str(error)) from None
    except CheckpointError as error:
        raise CheckpointError(f"{printable(path)}: {error}") from None
    except pickle.UnpicklingError:
        # torch's own text advises to load it unsafely.
        raise CheckpointError(
            f"{printable(path)}: not a weight file: damaged, or it holds {OBJECTS}"
        ) from None
    except Exception as error:
        # Damaged bytes make a reader of pickles, or of archives, fail in any way there is.
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{printable(path)}: not a weight file, or a damaged one (use another copy): "
            f"{cut(printable(first), 200)}"
        ) from None
    return content


def _load(path: Path, size: int) -> Any:
    if path.suffix == ".safetensors":
        with open(path, "rb") as file:
            header = int.from_bytes(file.read(8), "little")
        if header > min(size, MOST_PICKLE):
            raise CheckpointError(f"not a weight file: its header claims {header} bytes")
        from safetensors.torch import load_file

        return load_file(path)
    with open(path, "rb") as file:
        start = file.read(len(HDF5))
        if start == HDF5 or path.suffix.lower() in (".h5", ".hdf5", ".keras"):
            raise CheckpointError(
                "weights of Keras: make a checkpoint of them first: python main.py --import_keras "
                f"{printable(path)}"
            )
        file.seek(0)
        if archived := start.startswith(b"PK\x03\x04"):
            _check_archive(file, size)
        else:
            # The format before torch 1.6: a number, a version, a machine, the content, the keys.
            _check_pickles(file, 5)
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # notices about kinds of tensors that are refused below
            content = torch.load(file, map_location="cpu", weights_only=True)
        if archived and isinstance(content, dict) and content.get("digest") == CHECKED:
            with zipfile.ZipFile(file) as archive:
                if archive.testzip() is not None:
                    raise CheckpointError(DAMAGED)
        return content


def _check_archive(file: BinaryIO, size: int) -> None:
    """Nothing is compressed, and the parts are no more than the file."""
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        names = [part.filename.partition("/")[2] for part in parts]
        if "constants.pkl" in names or any(name.startswith("code/") for name in names):
            raise CheckpointError(
                "is an export of --jit, a program: name the weights that it was made from (.pth); "
                "demos/image_assessment.py scores with exports"
            )
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
            raise CheckpointError("not a weight file: it is compressed, which torch never does")
        if (total := sum(part.file_size for part in parts)) > size:
            raise CheckpointError(
                f"not a weight file: its parts claim {total} bytes, the file has {size}"
            )
        for part in parts:
            if part.filename.endswith("data.pkl"):
                if part.file_size > MOST_PICKLE:
                    raise CheckpointError(
                        f"not a weight file: {part.file_size} bytes of names, more than any network"
                    )
                with archive.open(part) as stream:
                    _check_pickles(stream, 1)


def _check_pickles(file: Any, count: int) -> None:
    """Follows the pickles without running them, and refuses what takes long to unfold.

    A tuple as a key is hashed with all that it holds, which twenty tuples of one another make a
    million; the stack of the program holds how many entries each value brings.
    """
    steps = 0
    for _ in range(count):
        stack: list[int | None] = []  # None: a mark
        memory: dict[int, int | None] = {}
        for code, argument, _place in pickletools.genops(file):
            steps += 1
            if steps > MOST_STEPS:
                raise CheckpointError(f"not a weight file: more than {MOST_STEPS} steps to read it")
            name = code.name
            if name in ("BINPUT", "LONG_BINPUT", "PUT"):
                memory[argument] = stack[-1]
            elif name in ("BINGET", "LONG_BINGET", "GET"):
                stack.append(memory[argument])
            elif name == "MARK":
                stack.append(None)
            elif name == "MEMOIZE":
                memory[len(memory)] = stack[-1]
            elif name == "DUP":
                stack.append(stack[-1])
            else:
                if name == "GLOBAL" and argument.split(" ")[-1] in EXPANDING:
                    raise CheckpointError(f"not a weight file: it holds {OBJECTS}")
                inside = _taken(stack, code)
                if name.startswith("TUPLE"):
                    entries = 1 + sum(inside)
                    if entries > MOST_KEY:
                        raise CheckpointError(
                            f"not a weight file: a tuple of more than {MOST_KEY} entries"
                        )
                    stack.append(entries)
                else:
                    stack.extend([1] * len(code.stack_after))


def _taken(stack: list[int | None], code: pickletools.OpcodeInfo) -> list[int]:
    """What the operation takes from the stack: how many entries each value brings."""
    below, marked = code.stack_before, pickletools.markobject in code.stack_before
    inside: list[int] = []
    if marked:
        below = below[: below.index(pickletools.markobject)]
        while (entries := stack.pop()) is not None:
            inside.append(entries)
    for _ in below:  # of a mark, what the values go into lies below it
        inside.append(stack.pop() or 1)
    return inside


def _check_extent(content: Any, size: int) -> None:
    """Levels, entries and bytes, counted without building anything of them."""
    rest, items, total = [("", content, 1)], 1, 0
    while rest:
        name, value, level = rest.pop()
        if level > MOST_LEVELS:
            raise CheckpointError(f"not a weight file: nested more than {MOST_LEVELS} levels deep")
        if isinstance(value, torch.Tensor):
            if odd := _oddness(value):
                raise CheckpointError(f"{cut(printable(name))}: {odd}: not of a network")
            total += value.numel() * value.element_size()
            if total > SHARED * size + SPARE:
                raise CheckpointError(
                    f"{cut(printable(name))}: its tensors take {total} bytes or more, the file "
                    f"has {size}: damaged, or made to do harm"
                )
        elif isinstance(value, (Mapping, list, tuple)):
            items += len(value)
            if items > MOST_ITEMS:
                raise CheckpointError(
                    f"not a weight file: more than {MOST_ITEMS} entries: save the network's "
                    "state_dict alone"
                )
            named = isinstance(value, Mapping)
            inside = value.items() if named else ((name, item) for item in value)
            rest += [(str(key), item, level + 1) for key, item in inside if _holds(item)]


def _holds(value: Any) -> bool:
    return isinstance(value, (torch.Tensor, Mapping, list, tuple))


def _oddness(tensor: torch.Tensor) -> str | None:
    """What makes this tensor unlike those of a network, if anything does."""
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        return f"a tensor of type {type(tensor).__name__}"
    if tensor.layout != torch.strided:
        return f"a tensor of layout {str(tensor.layout).removeprefix('torch.')}"
    if tensor.is_quantized:
        return "a quantised tensor"
    if tensor.device.type != "cpu":
        return f"a tensor without values (on {tensor.device.type})"
    if tensor.dtype not in DTYPES:
        return f"a tensor of {str(tensor.dtype).removeprefix('torch.')}"
    return None


DTYPES = (
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8, torch.int8,
    torch.int16, torch.int32, torch.int64, torch.bool,
)  # fmt: skip
