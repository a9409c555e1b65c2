"""Files inside tar files, with Python's tarfile as the oracle, and the patterns that name them."""

from __future__ import annotations

import os
import random
import tarfile

import pytest

from tests.tar_shards import write_tar
from utils.files.remote import expand_braces, local_tars, means_tars
from utils.files.tar_files import content_inside, each_member, index_of, is_file, stat_file

LONG = "folder/" * 20


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_members_are_those_of_tarfile(tmp_path, form):
    draw = random.Random(form)
    long = [] if form == tarfile.USTAR_FORMAT else [LONG * 3 + "z.png", "b" * 130, "ü" * 60]
    names = ["a.png", "./b.png", f"{LONG}c.png", "d/é.png", *long, "last"]
    members = [(name, draw.randbytes(draw.choice([0, 1, 511, 512, 513, 3000]))) for name in names]
    shard = write_tar(tmp_path / "a.tar", members, form)
    with tarfile.open(shard, "a", format=form) as tar:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE):
            odd = tarfile.TarInfo(f"odd{kind.decode()}")
            odd.type, odd.linkname = kind, "a.png"
            tar.addfile(odd)
        tar.add(write_tar(tmp_path / "b.tar", [("in.png", b"1")]), "inner.tar")
    with tarfile.open(shard) as tar:
        wanted = [(m.name, m.offset_data, m.size, m.type) for m in tar]
    found = list(each_member(shard))
    assert [(m.name, m.start, m.size) for m in found] == [one[:3] for one in wanted]
    assert [m.is_file for m in found] == [kind == tarfile.REGTYPE for *_, kind in wanted]
    for name, content in members:
        path = shard / name.removeprefix("./")
        assert content_inside(path) == content and stat_file(path).st_size == len(content)
        assert is_file(path)
    assert not is_file(shard / "odd2") and not is_file(shard / "nothing")
    assert content_inside(tmp_path / "b.tar") is None


def test_a_replaced_tar_file_is_read_anew(tmp_path):
    shard = write_tar(tmp_path / "a.tar", [("a", b"one"), ("b", b"2")])
    assert content_inside(shard / "a") == b"one" and len(index_of(shard)) == 2
    write_tar(tmp_path / "new", [("x", b"more"), ("a", b"old"), ("a", b"three")])
    os.replace(tmp_path / "new", shard)
    assert content_inside(shard / "a") == b"three"  # as tar unpacks two of one name
    with pytest.raises(FileNotFoundError):
        content_inside(shard / "b")


def test_patterns(tmp_path):
    assert expand_braces("{a,b}-{08..11}.tar") == [
        f"{split}-{n}.tar" for split in "ab" for n in ("08", "09", "10", "11")
    ]
    assert expand_braces("{9..11}{x}") == ["9{x}", "10{x}", "11{x}"]
    assert expand_braces("{a,b{1..2}}") == ["a", "b1", "b2"]
    with pytest.raises(ValueError, match="more than 1,000,000 names"):
        expand_braces("{0..9999999}.tar")
    for name in ("b", "a"):
        write_tar(tmp_path / f"{name}.tar", [("x", b"1")])
    both = [tmp_path / "a.tar", tmp_path / "b.tar"]
    for pattern in ("*.tar", "{a,b}.tar", "a.tar::{}/*.tar"):
        found = local_tars(f"{tmp_path}/{pattern}".replace("::{}", f"::{tmp_path}"), None, print)
        assert found == both
    assert means_tars("s3://b/x.tar?version=2") and means_tars("{a.tar,b.tar}")
    assert not means_tars("labels.csv") and not means_tars(str(tmp_path))
    with pytest.raises(ValueError, match=r"c-\*.tar: no such tar file"):
        local_tars(f"{tmp_path}/c-*.tar", None, print)
