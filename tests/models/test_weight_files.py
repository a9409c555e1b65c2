"""Downloads: the libraries' caches, the hub, plain URLs, and their failures. No network is used."""

import contextlib
import hashlib
import threading
import urllib.error
from http.client import HTTPException

import huggingface_hub
import pytest
import torch

from models import weight_files
from models.weight_files import cached, check_named_hash, download, first_line, sha256_of

SOURCE = "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors"
URL = "https://example.org/models/resnet18-f37072fd.pth?version=2"


@pytest.fixture(autouse=True)
def answering(monkeypatch, tmp_path):
    """A server that answers; the caches are empty."""
    monkeypatch.setattr(
        weight_files.urllib.request, "urlopen", lambda *a, **k: contextlib.nullcontext()
    )
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def test_the_hubs_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *names: "a/b")
    assert str(cached(SOURCE)) == "a/b"
    # The hub also remembers that there is no such file.
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *names: object())
    assert cached(SOURCE) is None


def test_the_hub_is_asked_when_it_can_be_reached(monkeypatch):
    asked = []
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda *names: (asked.append(names), "file")[1]
    )
    assert str(download(SOURCE)) == "file"
    assert asked == [("timm/resnet18.a1_in1k", "model.safetensors")]


def test_a_plain_url_goes_where_torch_looks_for_it(monkeypatch, tmp_path):
    asked = []

    def fetched(url, path, prefix):
        asked.append((url, prefix))
        with open(path, "wb") as file:
            file.write(b"weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetched)
    assert cached(URL) is None
    file = download(URL)
    assert asked == [(URL, "f37072fd")]
    assert cached(URL) == file == tmp_path / "hub/checkpoints/resnet18-f37072fd.pth"
    assert sha256_of(file) == hashlib.sha256(b"weights").hexdigest()
    with pytest.raises(ValueError, match="resnet18-f37072fd.pth: damaged: its SHA-256 begins with"):
        check_named_hash(file, sha256_of(file))


def test_a_damaged_download_is_named(monkeypatch):
    def damaged(*args, **kwargs):
        raise RuntimeError('invalid hash value (expected "f37072fd", got "0")')

    monkeypatch.setattr(torch.hub, "download_url_to_file", damaged)
    with pytest.raises(ValueError, match="f37072fd.pth.*: the download is damaged: invalid"):
        download(URL)


@pytest.mark.parametrize("source", [SOURCE, URL])
def test_a_network_that_does_not_answer_is_given_up(monkeypatch, source):
    hung = threading.Event()
    monkeypatch.setattr(weight_files, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(
        weight_files.urllib.request, "urlopen",
        lambda *a, **k: (hung.wait(), contextlib.nullcontext())[1],
    )  # fmt: skip
    with pytest.raises(OSError, match="no answer within 0.05 seconds"):
        download(source)
    hung.set()


@pytest.mark.parametrize("source", [SOURCE, URL])
@pytest.mark.parametrize("error", [urllib.error.URLError("no route"), HTTPException("no route")])
def test_a_refusal_is_handed_on(monkeypatch, source, error):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(weight_files.urllib.request, "urlopen", refuse)
    with pytest.raises(OSError, match="no route"):
        download(source)


@pytest.mark.parametrize("name", ["a-{}.pth", "{}"])
def test_names_that_say_a_sha256(tmp_path, name):
    digest = hashlib.sha256(b"x").hexdigest()
    check_named_hash(tmp_path / name.format(digest if name == "{}" else digest[:8]), digest)
    other = digest[::-1]
    with pytest.raises(ValueError, match=f"begins with {digest[:8]} and not with {other[:8]}"):
        check_named_hash(tmp_path / name.format(other if name == "{}" else other[:8]), digest)
    check_named_hash(tmp_path / "resnet18.pth", digest)


def test_first_line():
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(KeyError()) == "KeyError"
