"""Files of strangers: each thing that is no text of the wanted kind is one line with its place."""

from __future__ import annotations

import os
import socket

import pytest

from utils.files.reading import UnreadableFile, csv_rows, read_bytes, read_json, read_text
from utils.text import cut, printable, quoted


def said(call, *arguments) -> str:
    with pytest.raises(UnreadableFile) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as server:
        before = os.getcwd()
        os.chdir(tmp_path)  # a socket's path is short
        server.bind("sock")
        os.chdir(before)
    assert "is a pipe (FIFO)" in said(read_text, tmp_path / "pipe")
    assert "is a device" in said(read_text, "/dev/zero")
    assert "is a socket" in said(read_text, tmp_path / "sock")
    assert "is a folder" in said(read_bytes, tmp_path)
    assert "cannot be opened" in said(read_text, tmp_path / "loop")
    assert "cannot be opened" in said(read_text, "a\0b")
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "none")


def test_other_encodings_name_file_line_and_cure(tmp_path):
    file = tmp_path / "list.txt"
    file.write_bytes("a\nä\n".encode("utf-16"))
    assert said(read_text, file) == f"{file}: UTF-16 text: save the file as UTF-8"
    file.write_bytes("a\nä\n".encode("latin-1"))
    assert f"{file}:2: not UTF-8 text (save the file as UTF-8): byte 0xe4" == said(read_text, file)
    file.write_bytes(b"\xef\xbb\xbfa")
    assert read_text(file) == "a"
    assert "more than the 3" in said(read_text, file, 3)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"a": }', ":1:7: not JSON"),
        ("1" * 5000, "not JSON"),
        ("", ":1:1: not JSON"),
    ],
)
def test_json_of_strangers(tmp_path, text, what):
    file = tmp_path / "x.json"
    file.write_text(text)
    found = said(read_json, file)
    assert found.startswith(str(file)) and what in found and len(found) < len(str(file)) + 200


def test_csv_rows_have_line_numbers_and_a_limit(tmp_path):
    assert list(csv_rows('a\u2028,b\n"x\ny",2\r\n', "f")) == [
        (1, ["a\u2028", "b"]),
        (3, ["x\ny", "2"]),
    ]
    found = said(list, csv_rows("a\n" + '"' + "x" * 140_000, "f.csv"))
    assert found.startswith("f.csv:2: not a csv row")


def test_text_of_strangers_is_visible_and_short():
    assert printable("a\x1b[31m\n\udcff\u202eé") == r"a\x1b[31m\n\udcff\u202eé"
    assert cut("x" * 81) == "x" * 77 + "..." and cut("x" * 80) == "x" * 80
    assert quoted(" a\tb ") == r"'a\tb'"
