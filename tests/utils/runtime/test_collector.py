"""The garbage collector while modules are imported."""

import gc
import weakref

import pytest

from utils.runtime.collector import at_rest


class Content:
    """Of a file, in the hands of whoever needs a module."""


def overcome():
    """As an import that gets on without a package, and keeps the reason."""
    try:
        raise ImportError("no such package")
    except ImportError as error:
        reason = error
    return reason is None


def test_what_callers_have_at_hand_is_not_kept_by_an_error_that_an_import_overcame():
    def reader():
        content = Content()
        with at_rest():
            assert not gc.isenabled()
            overcome()
        return weakref.ref(content)

    assert reader()() is None
    assert gc.isenabled()


def test_the_collector_works_again_after_an_error_and_not_where_it_did_not():
    with pytest.raises(ImportError), at_rest():
        raise ImportError("no such package")
    assert gc.isenabled()
    gc.disable()
    try:
        with at_rest():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
