"""Files inside tar files, with Python's tarfile as the oracle, and the patterns that name them."""

from __future__ import annotations

import os
import random
import tarfile

import pytest

from tests.tar_shards import write_tar
from utils.files.remote import expand_braces, local_tars, means_tars, shown
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


def test_letters_whose_small_form_is_longer_stand_in_paths(tmp_path):
    folder = tmp_path / "İzmir"
    folder.mkdir()
    assert content_inside(write_tar(folder / "A.TAR", [("a", b"1")]) / "a") == b"1"


def test_what_is_cut_off_behind_a_member_is_damaged(tmp_path):
    shard = write_tar(tmp_path / "a.tar", [("a", b"one"), ("b", b"2")], tarfile.GNU_FORMAT)
    for blocks in (2, 4):
        (tmp_path / "cut.tar").write_bytes(shard.read_bytes()[: blocks * 512])
        with pytest.raises(ValueError, match="damaged tar file: .*stops at byte"):
            list(each_member(tmp_path / "cut.tar"))


def test_a_sparse_file_is_refused(tmp_path):
    """Its bytes do not lie in the tar file as they are: what stands there is not its content."""
    sparse = tarfile.TarInfo("a.bmp")
    sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 512
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"%011o\0%011o\0" % (512, 512)  # one piece, of the second half
    header[483:495] = b"%011o\0" % 1024  # the size with its hole
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    shard = tmp_path / "a.tar"
    shard.write_bytes(bytes(header) + b"x" * 512 + bytes(10240))
    with tarfile.open(shard) as tar:
        assert tar.extractfile("a.bmp").read() == bytes(512) + b"x" * 512
    with pytest.raises(ValueError, match="a.tar: a.bmp is packed as a sparse file: pack"):
        content_inside(shard / "a.bmp")


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


def test_what_lets_in_is_in_no_message():
    said = "error 403, 'https://me:word@host/a/b.tar?sig=1&t=2', s3://b/x-*.tar"
    assert shown(said) == "error 403, 'https://host/a/b.tar?...', s3://b/x-*.tar"
    with pytest.raises(ValueError, match=r"^https://host/a.tar\?...: pass --cache DIR"):
        local_tars("https://me:word@host/a.tar?sig=1", None, print)
