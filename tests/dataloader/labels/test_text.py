"""Label files: every accepted form, every fault with its place, and the checks across splits."""

import os
from pathlib import Path

import pytest

from dataloader.labels.faults import LabelError
from dataloader.labels.text import check_splits, read_labels
from tests import label_rows
from tests.label_rows import refused, rows_of, split_of

IMAGES = ("a.png", "b.png", "c.png", "with space.png", "x,y.png", "p,q.png", "sub/d.png")


@pytest.fixture
def split(tmp_path: Path) -> Path:
    return split_of(tmp_path, IMAGES)


def read(split: Path, *args, **options):
    """Images are looked for beside the file, then beside the data root."""
    return label_rows.read(split, *args, **{"cwd": split.parent.parent, **options})


def faults(split: Path, *args, **options):
    """[(line, column, message)] of a file that must be refused."""
    found = refused(split, *args, **{"cwd": split.parent.parent, **options})
    return [(fault.line, fault.column, fault.message) for fault in found]


def only_fault(split: Path, kind: str, text: str | bytes, num_classes: int | None = None):
    found = faults(split, kind, text, num_classes)
    assert len(found) == 1, found
    return found[0]


def test_pairs_keep_order_and_lines(split):
    labels = read(split, "pairs", "a.png,b.png\n\n# note\nb.png, sub/d.png\n")
    a, b, d = split / "a.png", split / "b.png", split / "sub/d.png"
    assert rows_of(labels) == [(a, b, 1), (b, d, 4)] and list(labels.sources) == [a, b, d]


def test_scores_may_be_negative_and_exponential(split):
    labels = read(split, "scores", "a.png,-1.5\nb.png, 7e-1 \nc.png,3")
    assert rows_of(labels) == [
        (split / "a.png", -1.5, 1), (split / "b.png", 0.7, 2), (split / "c.png", 3.0, 3),
    ]  # fmt: skip


def test_the_recipe_histogram(split):
    labels = read(split, "distributions", "data/train/a.png,0.,0.,0.,0.2,0.8", 5)
    assert rows_of(labels) == [(split / "a.png", (0.0, 0.0, 0.0, 0.2, 0.8), 1)]
    assert labels.bins == 5 and labels.notes == ()


@pytest.mark.parametrize("bins", [2, 5, 10, 17])
def test_bins_come_from_the_first_data_line(split, bins):
    text = "# header\n\nx,y.png," + ",".join(["1"] * bins)
    labels = read(split, "distributions", text)
    assert labels.bins == bins and labels.sources[0] == split / "x,y.png"
    assert labels.values[0] == pytest.approx([1 / bins] * bins)


def test_votes_are_normalised_with_one_note(split):
    labels = read(split, "distributions", "a.png,1,3,0\nb.png,0.5,0.25,0.25\nc.png,2,2,4\n", 3)
    assert labels.values.tolist() == [[0.25, 0.75, 0], [0.5, 0.25, 0.25], [0.25, 0.25, 0.5]]
    assert labels.notes == ("vote counts in 2 lines were normalised",)
    assert labels.votes.tolist() == [4, 0, 8]


def test_rounded_probabilities_are_renormalised(split):
    probs = read(split, "distributions", "a.png,0.33,0.33,0.33", 3).values[0]
    assert probs == pytest.approx((1 / 3, 1 / 3, 1 / 3)) and sum(probs) == pytest.approx(
        1, abs=1e-15
    )


@pytest.mark.parametrize("name", ["with space.png", "x,y.png", "p,q.png"])
def test_names_may_hold_commas_and_spaces(split, name):
    assert read(split, "scores", f"{name},0.5").sources[0] == split / name
    pairs = rows_of(read(split, "pairs", f"{name},a.png\nb.png,{name}"))
    assert (pairs[0][0], pairs[1][1]) == (split / name, split / name)


def test_bom_crlf_comments_and_blank_lines(split):
    labels = read(split, "scores", b"\xef\xbb\xbfa.png,1\r\n\r\n  # c\r\n \t\r\nb.png,2\r\n")
    assert rows_of(labels) == [(split / "a.png", 1, 1), (split / "b.png", 2, 5)]


def test_names_outside_ascii(split):
    (split / "Größe 图.png").touch()
    assert read(split, "scores", "Größe 图.png,1").sources[0].name == "Größe 图.png"


def test_beside_the_file_wins_over_the_working_directory(split):
    (split.parent / "a.png").touch()
    (split.parent / "only.png").touch()
    labels = read(split, "scores", "a.png,1\nonly.png,2", cwd=split.parent)
    assert list(labels.sources) == [split / "a.png", split.parent / "only.png"]


def test_the_working_directory_is_the_default(split, monkeypatch):
    monkeypatch.chdir(split.parent.parent)
    file = Path("data/train/label.txt")
    file.write_text("data/train/a.png,1\n")
    assert read_labels("scores", file, Path("data")).sources[0] == split / "a.png"


PLACES = [
    ("scores", None, "a.png,abc", 7, "not a number: 'abc'"),
    ("scores", None, "a.png,  abc", 9, "not a number: 'abc'"),
    ("scores", None, "a.png,1_0", 7, "not a number: '1_0'"),
    ("scores", None, "a.png,", 7, "empty field: ''"),
    ("scores", None, "a.png,nan", 7, "not finite: 'nan'"),
    ("scores", None, "a.png,-inf", 7, "not finite: '-inf'"),
    ("scores", None, "a.png,1e999", 7, "not finite: '1e999'"),
    ("scores", None, ",5", 1, "empty path: ''"),
    ("scores", None, "a.png", 6, "1 number expected after the path (the score), found 0: 'a.png'"),
    ("scores", None, "a.png,x,y", 9, "1 number expected after the path (the score), found 2"),
    ("scores", None, "  gone.png,1", 3, "image not found"),
    ("scores", None, "sub,1", 1, "not an image but a folder: 'sub'"),
    ("scores", None, "../../x.png,1", 1, "path leaves the data root"),
    ("scores", None, "/etc/passwd,1", 1, "path leaves the data root"),
    ("scores", None, "a\0.png,1", 1, "path with a null character: 'a\\x00.png'"),
    ("scores", None, "a\0/a.png,1", 1, "path with a null character"),
    ("distributions", 3, "a.png,1,-2,3", 9, "negative share or count: '-2'"),
    ("distributions", 3, "a.png,0,0,0", 7, "the histogram sums to 0: '0,0,0'"),
    ("distributions", 3, "a.png,.5,.2,.2", 7, "sums to 0.9, neither 1 nor whole votes: '.5,.2,.2'"),
    ("distributions", 3, "a.png,1e308,1e308,1e308", 7, "sum of the histogram is not finite"),
    ("distributions", 3, "a.png,1,,3", 9, "empty field: ''"),
    ("distributions", 3, "a.png,1,2", 10, "3 numbers expected after the path (num_classes), found"),
    ("distributions", 3, "a.png,1,2,3,4", 13, "3 numbers expected after the path (num_classes)"),
    ("distributions", 3, "x,y.png,1,2", 12, "3 numbers expected after the path (num_classes)"),
    ("distributions", None, "a.png,", 7, "at least 2 numbers expected after the path, found 1"),
    ("pairs", None, "a.png", 6, "2 columns expected (better,worse), found 1: 'a.png'"),
    ("pairs", None, "a.png,b.png,c.png", 13, "2 columns expected (better,worse), found 3"),
    ("pairs", None, "a.png,a.png", 7, "an image paired with itself: 'a.png'"),
    ("pairs", None, "a.png,./sub/../a.png", 7, "an image paired with itself"),
    ("pairs", None, "a.png,gone.png", 7, "image not found"),
    ("pairs", None, "a.png, ", 7, "empty path: ''"),
]


@pytest.mark.parametrize(("kind", "bins", "text", "column", "message"), PLACES)
def test_each_fault_has_its_place(split, kind, bins, text, column, message):
    line, found_column, found = only_fault(split, kind, f"# comment\n{text}\n", bins)
    assert (line, found_column) == (2, column)
    assert message in found


LOOKED = "image not found (looked for {here}/gone.png and {root}/gone.png): 'gone.png'"
EMPTY = "no labels in this file: give lines such as"
OTHER = "line 1 gives this image another target"
TWO_WAYS = "2 columns expected (better,worse), but the commas can be read in 2 ways: 'm,n,o'"
WHOLE_FILES = [
    ("scores", "a.png,1\nb.png,x\n", 2, 7, "not a number: 'x'"),
    ("scores", "gone.png,1", 1, 1, LOOKED),
    ("scores", b"b.png,3\nGr\xc3\xb6\xc3\x9fe\xe9.png,1\na.png,2\n", 2, 6,
     "not UTF-8 text (save the file as UTF-8): byte 0xe9"),
    ("scores", "a.png,1\n".encode("utf-16"), 1, 1, "UTF-16 text"),
    ("scores", "a.png,1\nb.png,1\nsub/../a.png,2\n", 3, 1, OTHER),
    ("scores", "a.png,1\nlink.png,2", 2, 1, OTHER),
    ("distributions", "a.png,1,3\na.png,2,6\na.png,3,1", 3, 1, OTHER),
    ("distributions", "a.png,1,2,3\nb.png,1,2\n", 2, 10,
     "3 numbers expected after the path (as in line 1), found 2: 'b.png,1,2'"),
    ("distributions", "gone.png,1,2,3\nb.png,1,2,3\n", 1, 1, "image not found"),
    ("pairs", "a.png,link.png", 1, 7, "an image paired with itself"),
    ("pairs", "a.png,b.png\nb.png,c.png\nb.png,a.png", 3, 1,
     "the reverse of the pair in line 1: 'b.png,a.png'"),
    ("pairs", "m,n,o", 1, 1, TWO_WAYS),
    *((kind, text, 1, 1, EMPTY) for kind in ("pairs", "scores", "distributions")
      for text in ("", "\n\n", "# only a comment\n", "\ufeff")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "line", "column", "message"), WHOLE_FILES)
def test_the_only_fault_of_a_file(split, kind, text, line, column, message):
    for name in ("m", "m,n", "n,o", "o"):
        (split / name).touch()
    (split / "link.png").symlink_to(split / "a.png")
    with pytest.raises(LabelError) as caught:
        read(split, kind, text)
    wanted = message.format(here=split, root=split.parent.parent)
    assert str(caught.value).startswith(f"{split}/label.txt:{line}:{column}: {wanted}")
    assert len(caught.value.faults) == 1


def test_several_faults_of_one_line(split):
    found = faults(split, "distributions", "gone.png,1,x,-1,nan\n", 4)
    assert [column for _, column, _ in found] == [1, 12, 17]
    assert [c for _, c, _ in faults(split, "pairs", "gone.png,lost.png")] == [1, 10]


def test_all_faults_are_reported_and_the_first_twenty_shown(split):
    text = "\n".join(f"a{i}.png,x" for i in range(15))
    with pytest.raises(LabelError) as caught:
        read(split, "scores", text)
    assert len(caught.value.faults) == 30
    shown = str(caught.value).splitlines()
    assert len(shown) == 21 and shown[-1] == "... and 10 more, 30 in all"
    assert shown[0].startswith(f"{split}/label.txt:1:1: image not found")


@pytest.mark.parametrize(
    ("kind", "line"),
    [("pairs", "a.png,b.png"), ("scores", "a.png,1"), ("distributions", "a.png,1,2")],
)
def test_repeated_lines_are_kept_with_a_note(split, kind, line):
    labels = read(split, kind, f"{line}\n" * 3)
    assert len(labels) == 3
    assert labels.notes[-1] == "2 lines repeat an earlier one and were kept"


def test_links_inside_the_root_may_lead_out(split, tmp_path):
    outside = tmp_path / "store"
    outside.mkdir()
    (outside / "far.png").touch()
    (split / "link").symlink_to(outside)
    (split / "one.png").symlink_to(outside / "far.png")
    (split / "broken.png").symlink_to(outside / "gone.png")
    labels = read(split, "scores", f"link/far.png,1\none.png,1\n{split}/a.png,2")
    assert [path.name for path in labels.sources] == ["far.png", "one.png", "a.png"]
    assert "a link to nothing" in only_fault(split, "scores", "broken.png,1")[2]
    assert "leaves the data root" in only_fault(split, "scores", f"{outside}/far.png,1")[2]
    assert "leaves the data root" in only_fault(split, "scores", "store/far.png,1")[2]


def test_a_root_that_is_a_link(split, tmp_path):
    (tmp_path / "alias").symlink_to(split.parent)
    file = tmp_path / "alias" / "train" / "label.txt"
    file.write_text(f"a.png,1\n{split}/b.png,2\n")
    assert len(read_labels("scores", file, tmp_path / "alias")) == 2


def test_no_label_file(split):
    for kind, example in (("pairs", "better.png,worse.png"), ("scores", "photo.png,7.6")):
        with pytest.raises(LabelError) as caught:
            read_labels(kind, split / "none.txt", split.parent)
        assert str(caught.value) == (
            f"{split}/none.txt: no label file here: give a text file with lines such as '{example}'"
        )
    with pytest.raises(LabelError, match="train: is a folder: name a file"):
        read_labels("scores", split, split.parent)


def test_no_label_file_because_the_folder_is_another(split):
    """--data DATA/train for --data DATA, and a --data that is not there."""
    (split / "label.txt").write_text("a.png,1\n")
    with pytest.raises(LabelError) as caught:
        read_labels("scores", split / "train" / "label.txt", split)
    assert str(caught.value) == (
        f"{split}/train/label.txt: no label file here, but {split}/label.txt: name the folder "
        f"that holds {split.name}/"
    )
    with pytest.raises(LabelError) as caught:
        read_labels("scores", split / "away" / "train" / "label.txt", split / "away")
    assert str(caught.value) == (
        f"{split}/away/train/label.txt: no label file here: there is no folder {split}/away: "
        "check the path"
    )


def test_wrong_arguments(split):
    with pytest.raises(ValueError, match="label kind 'mos': give one of pairs, scores"):
        read(split, "mos", "a.png,1")
    with pytest.raises(ValueError, match="at least 2 bins"):
        read(split, "distributions", "a.png,1", 1)


def write_splits(tmp_path: Path, **texts: str):
    files = {}
    for name, text in texts.items():
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.png").touch()
        file = folder / "label.txt"
        file.write_text(text)
        files[name] = file
    return files


def test_an_image_in_two_splits(tmp_path):
    files = write_splits(tmp_path, train="train.png,1\n", val="val.png,1\n../train/train.png,1\n")
    splits = {name: read_labels("scores", file, tmp_path) for name, file in files.items()}
    with pytest.raises(LabelError) as caught:
        check_splits(splits)
    image = tmp_path / "train/train.png"
    assert str(caught.value) == (
        f"{files['val']}:2:1: image of val that is in train too ({files['train']}:1): '{image}'"
    )


def test_a_link_to_an_image_of_another_split(tmp_path):
    files = write_splits(tmp_path, train="train.png,x.png\n", test="alias.png,test.png\n")
    (tmp_path / "train/x.png").touch()
    os.symlink(tmp_path / "train/x.png", tmp_path / "test/alias.png")
    splits = {name: read_labels("pairs", file, tmp_path) for name, file in files.items()}
    with pytest.raises(LabelError, match="image of test that is in train too"):
        check_splits(splits)


def test_clean_splits_and_the_same_name_in_each(tmp_path):
    files = write_splits(tmp_path, train="same.png,1\nsame.png,1", val="same.png,2")
    for file in files.values():
        (file.parent / "same.png").touch()
    check_splits({name: read_labels("scores", file, tmp_path) for name, file in files.items()})


def test_a_long_file_asks_the_disk_per_folder(split, monkeypatch):
    """30,000 lines: one listing per folder, and no question per image."""
    names = [f"{i:05}.png" for i in range(30_000)]
    asked = []
    monkeypatch.setattr(os.path, "isfile", lambda path: asked.append(path) or False)

    class Entry:
        def __init__(self, name):
            self.name = name

        def is_file(self, follow_symlinks):
            return not follow_symlinks

    class Listing(list):
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

    listed = []
    monkeypatch.setattr(
        os, "scandir", lambda folder: listed.append(folder) or Listing(map(Entry, names))
    )
    text = "".join(f"{name},{i}\n" for i, name in enumerate(names))
    assert len(read(split, "scores", text)) == 30_000
    assert listed == [str(split)] and not asked
