"""torch's compiler: where it cannot work, one line says what to install."""

from __future__ import annotations

import re
import stat

import pytest
import torch
import torch._inductor.config

from utils.runtime.compiler import Compiled, check_compiler, explained

# A compiler that finds none of Python's headers; torch asks for its version first.
HEADLESS = """#!/bin/sh
if [ "$1" = --version ]; then echo "g++ 12.2.0"; exit 0; fi
echo "main.cpp:3:10: fatal error: Python.h: No such file or directory" >&2
exit 1
"""


@pytest.mark.parametrize(
    ("script", "said"), [("", "needs a C++ compiler: install g"), (HEADLESS, "install python3-dev")]
)
def test_what_is_missing_is_said(monkeypatch, tmp_path, script, said):
    compiler = tmp_path / "compiler"
    if script:
        compiler.write_text(script)
        compiler.chmod(compiler.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "kept"))
    named = torch._inductor.config.patch({"cpp.cxx": (None, str(compiler))})
    told = f"^--compile: .* {re.escape(said)}.*, or leave --compile out$"
    with named, pytest.raises(ValueError, match=told):
        check_compiler.__wrapped__(torch.device("cpu"))


def test_other_devices_are_refused():
    with pytest.raises(ValueError, match="--compile: torch compiles nothing for meta: leave"):
        check_compiler(torch.device("meta"))


def test_errors_of_others_stay_as_they_are():
    with pytest.raises(RuntimeError, match="^not enough memory$"), explained():
        raise RuntimeError("not enough memory")


def test_one_image_goes_through_the_network_as_it_is(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda forward, **_: lambda images: -forward(images))
    network = torch.nn.Linear(3, 2)
    compiled, images = Compiled(network), torch.ones(2, 3)
    assert torch.equal(compiled(images[:1]), network(images[:1]))
    assert torch.equal(compiled(images), -network(images))
