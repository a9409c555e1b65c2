"""The same bytes under two names of two owners, with as little read as possible."""

import numpy as np
import pytest

from tests.tar_shards import write_tar
from utils.duplicates import copies
from utils.duplicates.copies import copied


@pytest.fixture
def files(tmp_path):
    """Twelve of 2,000 bytes in a tar file and beside it, which differ in the middle or at the end
    alone; the last ones are of other sizes.
    """
    contents = [bytes([number % 8]) * 2000 for number in range(8)]
    contents += [contents[1][:-1] + b"x", contents[3], contents[2], b"", b"", b"x"]
    inside = {f"{number}.png": content for number, content in enumerate(contents[:9])}
    write_tar(tmp_path / "a.tar", inside.items())
    paths = [tmp_path / "a.tar" / name for name in inside]
    for number, content in enumerate(contents[9:]):
        (tmp_path / f"{number}.png").write_bytes(content)
        paths.append(tmp_path / f"{number}.png")
    return paths


@pytest.mark.parametrize(
    ("owners", "found"),
    [
        ([0] * 14, []),
        ([0] * 9 + [1] * 5, [(9, 3), (10, 2)]),
        ([0] * 10 + [1, 2, 0, 0], [(10, 2), (12, 11)]),
        (list(range(14)), [(9, 3), (10, 2), (12, 11)]),
    ],
)
def test_copies_are_those_of_two_owners(files, owners, found):
    assert copied(files, np.array(owners)) == found


def test_few_files_are_read_whole(files, monkeypatch):
    read, whole = [], copies._whole
    monkeypatch.setattr(copies, "_whole", lambda file: read.append(file.name) or whole(file))
    copied(files, np.arange(14))
    # 8.png has the middle of 1.png, and another end.
    assert sorted(set(read)) == ["0.png", "1.png", "2.png", "3.png", "8.png"]


def test_nothing_is_no_copy():
    assert copied([], np.empty(0, np.int64)) == []
