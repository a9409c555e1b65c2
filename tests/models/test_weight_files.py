"""Downloads: the hub's cache, the hub, plain URLs, and their failures. No network is used."""

import contextlib

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

from models import weight_files
from models.weight_files import download, first_line

SOURCE = "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors"


@pytest.fixture
def file(tmp_path):
    save_file({"conv1.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    return str(tmp_path / "model.safetensors")


def test_the_hubs_cache_comes_first(monkeypatch, file):
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *names: file)
    assert set(download(SOURCE)) == {"conv1.weight"}


def test_the_hub_is_asked_when_it_can_be_reached(monkeypatch, file):
    asked = []
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *names: None)
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda *names: (asked.append(names), file)[1]
    )
    monkeypatch.setattr(
        weight_files.urllib.request, "urlopen", lambda *a, **k: contextlib.nullcontext()
    )
    assert set(download(SOURCE)) == {"conv1.weight"}
    assert asked == [("timm/resnet18.a1_in1k", "model.safetensors")]


def test_the_hub_is_not_asked_when_it_is_switched_off(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *names: None)
    with pytest.raises(OSError, match="HF_HUB_OFFLINE is set"):
        download(SOURCE)


def test_a_damaged_download_is_named(monkeypatch):
    def damaged(*args, **kwargs):
        raise RuntimeError('invalid hash value (expected "f37072fd", got "0")')

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", damaged)
    with pytest.raises(ValueError, match="resnet18-f37072fd.pth: the download is damaged: invalid"):
        download("https://example.org/resnet18-f37072fd.pth")


def test_first_line():
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(KeyError()) == "KeyError"
