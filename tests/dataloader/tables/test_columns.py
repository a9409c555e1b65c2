"""What is read off a table's names and cells, and what is refused by name rather than guessed."""

from __future__ import annotations

import pytest

from dataloader.tables.columns import Columns, find_columns
from dataloader.tables.reading import read_table

FILES = {"a.jpg", "b.jpg", "1.jpg", "2.jpg", "r.jpg"}


def found(tmp_path, text: str, wants: bool | None = None, **asked) -> Columns:
    (tmp_path / "t.csv").write_text(text)

    def leads(cells):
        return sum(cell in FILES or f"{cell}.jpg" in FILES for cell in cells)

    return find_columns(read_table(tmp_path / "t.csv"), asked, leads, wants)


KONIQ = "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,MOS_zscore\na.jpg,0,1,2,3,4,10,4,.9,71\n"


def test_published_tables(tmp_path):
    columns = found(tmp_path, KONIQ, wants=False)
    assert (columns.image, columns.score, columns.std, columns.count) == (
        "image_name", "MOS", "SD", "c_total",
    )  # fmt: skip
    assert not columns.votes
    assert found(tmp_path, KONIQ, wants=True).votes == ("c1", "c2", "c3", "c4", "c5")
    assert found(tmp_path, KONIQ).votes and not found(tmp_path, KONIQ, score="MOS").votes
    columns = found(tmp_path, "dist_img,ref_img,score,var\na.jpg,r.jpg,4,1\nb.jpg,r.jpg,3,1\n")
    assert (columns.image, columns.group, columns.score) == ("dist_img", "ref_img", "score")
    columns = found(tmp_path, "id,rater,rating\n1,x,4\n1,y,3\n2,x,1\n")
    assert (columns.image, columns.rater, columns.score) == ("id", "rater", "rating")
    columns = found(tmp_path, "foto,wert,set\na.jpg,4,train\nb.jpg,3,Test\n")
    assert (columns.image, columns.score, columns.split) == ("foto", "wert", "set")
    assert found(tmp_path, "foto,wert,set\na.jpg,4,1\nb.jpg,3,2\n", score="wert").split is None
    assert found(tmp_path, "image,mos,set\na.jpg,4,train\nb.jpg,3,held\n").split == "set"
    assert found(tmp_path, "image,1,2,3\na.jpg,4,0,1\n").votes == ("1", "2", "3")


def test_without_a_header(tmp_path):
    columns = found(tmp_path, "a.jpg,7.5\nb.jpg,3\n")
    assert (columns.image, columns.score) == ("column 1", "column 2")
    columns = found(tmp_path, "a.jpg,7.5,9\nb.jpg,3,8\n", score="3", image="1")
    assert (columns.image, columns.score) == ("column 1", "column 3")


@pytest.mark.parametrize(
    ("text", "asked", "said"),
    [
        ("image,s1,s2,s3\na.jpg,1,2,3\n", {}, "s1, s2, s3 could each be the score: pass --score_c"),
        ("left,right,mos\na.jpg,b.jpg,1\n", {}, "left, right could each be the image: pass"),
        ("image,dmos\na.jpg,1\n", {}, "dmos: is a high value a good image\\? pass --score_c"),
        ("image,DMOS_live\na.jpg,1\n", {}, "DMOS_live: is a high value a good image\\?"),
        ("image,mos\na.jpg,1\n", {"group": "mos"}, "--split_by mos took this column, which looks"),
        ("image,mos,x\na.jpg,1,2\n", {"group": "mos"}, "--split_by mos took this column"),
        ("image,theme\na.jpg,x\n", {}, "no column of numbers that could be scores beside image"),
        ("name,mos\nq,1\n", {"score": "moss"}, "--score_column moss: .*did you mean mos"),
        ("x,mos\nq,1\n", {}, "no column looks like names of images: pass --image_column NAME"),
        (
            "image,c1,c2,c3,v1,v2,v3\na.jpg,1,1,1,2,2,2\n", {},
            "c1..c3 and v1..v3 could each be the votes: pass --votes_column FIRST..LAST",
        ),
        ("image,mos\na.jpg,1\n", {"votes": "mos"}, "pass the first and the last of the bins'"),
        ("image,std,sd,mos\na.jpg,1,1,1\n", {}, "std, sd could each be the std: pass --std_"),
    ],
)  # fmt: skip
def test_doubts_are_refused_with_the_flag(tmp_path, text, asked, said):
    with pytest.raises(ValueError, match=said):
        found(tmp_path, text, **asked)


def test_a_few_odd_cells_do_not_hide_the_scores(tmp_path):
    rows = [f"{n}.jpg,{n},{'blue' if n % 2 else 7}" for n in range(1, 20)]
    text = "\n".join(["photo,note,camera", *rows, "20.jpg,n/a,red"])
    assert found(tmp_path, text).score == "note"


def test_groups(tmp_path):
    text = "image,ref,scene,mos\na.jpg,x,y,1\n"
    with pytest.raises(
        ValueError, match="ref, scene could each be the group: pass --split_by NAME"
    ):
        found(tmp_path, text)
    assert found(tmp_path, text, group="scene").group == "scene"
    columns = find_columns(read_table(tmp_path / "t.csv"), {}, len, None, divides=False)
    assert columns.group is None and columns.unused(read_table(tmp_path / "t.csv")) == [
        "ref", "scene",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="--split_by theme: .* has no such column"):
        found(tmp_path, text, group="theme")


SINGLE = [(5, 4, 3), (1, 1, 2), (3, 3, 3), (4, 5, 5), (2, 1, 1), (1, 5, 3)]


def voted(scores, counts) -> str:
    rows = [
        f"{n}.jpg,{s},{','.join(map(str, c))}"
        for n, (s, c) in enumerate(zip(scores, counts, strict=True))
    ]
    return "\n".join(["image,mos,vote1,vote2,vote3", *rows])


def test_single_ratings_are_no_histogram(tmp_path):
    text = voted([f"{sum(votes) / 3:.2f}" for votes in SINGLE], SINGLE)
    said = "vote1..vote3: the means of such histograms disagree with column mos: single ratings\\?"
    for wants in (None, True):
        with pytest.raises(ValueError, match=said):
            found(tmp_path, text, wants=wants)
    with pytest.raises(ValueError, match=said):
        found(tmp_path, voted(["9", "40", "22", "7", "31", "35"], SINGLE), wants=True)
    assert found(tmp_path, text, wants=True, votes="vote1..vote3").votes
    assert found(tmp_path, text, wants=True, votes="none").score == "mos"
    assert found(tmp_path, text, score="mos").score == "mos"
    means = [sum(k * n for k, n in enumerate(votes, 1)) / sum(votes) for votes in SINGLE]
    for scores in ([f"{m:.1f}" for m in means], [100 - 25 * (m - 1) for m in means]):
        assert found(tmp_path, voted(scores, SINGLE), wants=True).votes


def test_what_ratings_leave_unread(tmp_path):
    text = "image,rater,score,std,count,more\na.jpg,x,1,2,3,4\n"
    columns = found(tmp_path, text)
    assert columns.unused(read_table(tmp_path / "t.csv")) == ["std", "count", "more"]


def test_flags_settle_a_doubt(tmp_path):
    text = "image,dmos,s2,c1,c2,c3\na.jpg,1,2,3,4,5\n"
    columns = found(tmp_path, text, wants=False, score="-dmos")
    assert columns.score == "dmos" and columns.reversed
    columns = found(tmp_path, text, wants=False, score="S2", std="none")
    assert columns.score == "s2" and not columns.reversed
    assert found(tmp_path, text, votes="c2..c3").votes == ("c2", "c3")
    text = "image,mos,split\na.jpg,1,train\n"
    assert found(tmp_path, text).split and not found(tmp_path, text, split="none").split
