"""What the rows of a table say of their images, once its columns are known."""

from __future__ import annotations

import numpy as np
import pytest

from dataloader.labels.faults import LabelError
from dataloader.tables.columns import Columns
from dataloader.tables.labels import TableLabels, read_rows
from dataloader.tables.reading import read_table

RATINGS = "image,rater,score\na.jpg,x,4\na.jpg,y,2\nb.jpg,x,3\n"
RATED = Columns("image", "score", rater="rater")


def rows_of(
    tmp_path, text: str, columns: Columns, histograms: bool = False, bins: int | None = None
) -> TableLabels:
    (tmp_path / "t.csv").write_text(text)
    table = read_table(tmp_path / "t.csv")
    return read_rows(table, columns, table.column("image"), histograms, bins)


def test_a_turned_score_depends_on_its_row_alone(tmp_path):
    columns = Columns("image", "dmos", reversed=True)
    for more in ("", "c.jpg,90\n"):
        found = rows_of(tmp_path, f"image,dmos\na.jpg,10\nb.jpg,0\n{more}", columns)
        assert found.labels.values[:2].tolist() == [-10, 0]
        assert not np.signbit(found.labels.values[1])
    assert "score: column dmos, 0 to 90, each with its sign turned round" in found.notes[0]


def test_bins_of_ratings(tmp_path):
    for bins, wanted in ((None, 4), (5, 5), (3, 4)):
        found = rows_of(tmp_path, RATINGS, RATED, True, bins).labels
        assert found.bins == wanted and found.values[0].tolist()[:4] == [0, 0.5, 0, 0.5][:wanted]
    turned = Columns("image", "score", rater="rater", reversed=True)
    found = rows_of(tmp_path, RATINGS, turned, True, 5).labels
    assert found.values.tolist() == [[0, 0.5, 0, 0.5, 0], [0, 0, 1, 0, 0]]
    assert rows_of(tmp_path, RATINGS, turned).labels.values.tolist() == [-3, -3]


def test_somebody_rates_an_image_twice(tmp_path):
    with pytest.raises(LabelError) as caught:
        rows_of(tmp_path, f"{RATINGS}a.jpg,x,4\n", RATED)
    assert "t.csv:5:7: rater: 'x' rates this image in line 2 already: take one" in str(caught.value)


def test_empty_cells_are_no_group(tmp_path):
    columns = Columns("image", "mos", group="ref")
    found = rows_of(tmp_path, "image,mos,ref\na.jpg,1,\nb.jpg,2,s\nc.jpg,2,\n", columns)
    assert "group: column ref, 1 groups" in found.notes
    found = rows_of(tmp_path, "image,mos,ref\na.jpg,1,\nb.jpg,2,\n", columns)
    assert "group: column ref, 0 groups" in found.notes
