"""Sections of a report on parts of a split: each distortion and each reference by itself."""

from __future__ import annotations

from applications.report_parts import Evaluation, Section


def group_sections(e: Evaluation) -> list[Section]:
    return []
