"""Quality maps of networks whose score is known, and --predict --maps."""

from __future__ import annotations

import csv
import io
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from applications.evaluation.map_files import distinct_names
from applications.evaluation.quality_maps import WAYS, map_csv, overlay, quality_map
from applications.evaluation.scoring import Scorer
from dataloader.sources import GivenImage
from models.grad_cam import grad_cam
from models.quality_net import build_model
from tests.cli import TINY, call, run_folders
from tests.known_networks import detail, detail_network, tiny_network
from tests.tiny_data import picture, write_data
from utils.imaging.images import ImageError, ViewRule, view

CPU = torch.device("cpu")
WHOLE = ViewRule((40, 40))
BEST = "--resume checkpoints/model_best_test_resnet.pth -j 0 -g 0 --threads 1"


def noise(width: int, height: int) -> GivenImage:
    rng = np.random.default_rng(width)
    return GivenImage(rng.integers(0, 256, (height, width, 3), np.uint8), "noise")


def mapped(model, source, rule=WHOLE, way="occlusion", batch=16):
    return quality_map(Scorer(model, CPU, rule, batch), source, way)


def table(found) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(map_csv(found))))


def loops(pixels, rows, columns, score):
    """Falls (h, w) of `score(pixels)`: each cell blurred by itself, one pixel after the other."""
    strong = ImageFilter.GaussianBlur(float(max(rows[1] - rows[0], columns[1] - columns[0])) / 2)
    blurred = np.asarray(Image.fromarray(pixels).filter(strong))

    def weight(centre, borders, cell):
        fade, last = (borders[1] - borders[0]) / 2, len(borders) - 2
        rise = (centre - borders[cell]) / fade + 0.5 if cell else 1.0
        fall = (borders[cell + 1] - centre) / fade + 0.5 if cell < last else 1.0
        return max(0.0, min(1.0, rise, fall))

    falls = np.empty((len(rows) - 1, len(columns) - 1))
    for i, j in product(*map(range, falls.shape)):
        hidden = pixels.copy()
        for y, x in product(range(pixels.shape[0]), range(pixels.shape[1])):
            w = weight(y + 0.5, rows, i) * weight(x + 0.5, columns, j)
            if w:
                hidden[y, x] = np.rint(pixels[y, x] + w * (blurred[y, x] * 1.0 - pixels[y, x]))
        falls[i, j] = score(pixels) - score(hidden)
    return falls


def test_the_map_lies_where_the_score_comes_from():
    source = noise(40, 40)
    found = mapped(detail_network(quarter=True), source)
    rows, columns = found.cells.rows, found.cells.columns
    assert found.grid.shape == (10, 10) and found.size == found.image.size == (40, 40)
    assert found.score == pytest.approx(detail(source.pixels, quarter=True), rel=1e-5)
    wanted = loops(source.pixels, rows, columns, lambda p: detail(p, quarter=True))
    np.testing.assert_allclose(found.grid, wanted, atol=1e-4)
    assert found.grid.sum() == pytest.approx(wanted.sum(), rel=1e-4)
    assert (found.grid[:5, :5] > 0).all()  # cells of 4 pixels: the quarter ends with the fifth
    outside = found.grid.copy()
    outside[:6, :6] = 0  # the sixth fades into the quarter
    assert not outside.any()


def test_crops_see_the_same_part_hidden_and_are_pooled():
    source = noise(40, 30)
    for pool, mean in (("mean", np.mean), ("median", np.median)):
        rule = ViewRule((9, 9), "native", crops=5, crop_size=(20, 24), crop_pool=pool)

        def score(pixels, rule=rule, mean=mean):
            views = view(Image.fromarray(pixels), rule)
            return mean([detail(v.transpose(1, 2, 0), quarter=True) for v in views])

        found = mapped(detail_network(quarter=True), source, rule, batch=3)
        wanted = loops(source.pixels, found.cells.rows, found.cells.columns, score)
        np.testing.assert_allclose(found.grid, wanted, atol=1e-4)
        assert found.score == pytest.approx(score(source.pixels), rel=1e-5)
        assert np.count_nonzero(found.grid) > 20


def test_what_no_crop_sees_has_no_fall_and_no_row():
    rule = ViewRule((9, 9), "native", crops=2, crop_size=(20, 20))
    for way in WAYS:
        found = mapped(tiny_network(), noise(100, 20), rule, way)
        unseen = np.isnan(found.grid)
        places = [(float(row["left"]), float(row["right"])) for row in table(found)]
        assert unseen.any() and len(places) == (~unseen).sum() > 0
        assert all(left < 20 or right > 80 for left, right in places)
        assert overlay(found).width >= 420


@pytest.mark.parametrize("bins", [1, 5])
def test_the_score_is_that_of_an_evaluation(bins):
    source = noise(50, 30)
    for rule in (WHOLE, ViewRule((9, 9), "native", crops=5, crop_size=(24, 24))):
        model = tiny_network(bins)
        scorer = Scorer(model, CPU, rule, 8)
        wanted = scorer.predict_readable([source], skip=False)[0].scores[0]
        for way in WAYS:
            found = mapped(model, source, rule, way)
            assert found.score == pytest.approx(wanted, rel=1e-5)
            assert found.grid.dtype == np.float64 and np.isfinite(found.grid).all()
            assert found.grid.any()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_the_same_map_every_time_and_the_model_as_it_was(way, training):
    model = tiny_network(5).train(training)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    one, other = (mapped(model, noise(40, 30), way=way) for _ in range(2))
    assert np.array_equal(one.grid, other.grid) and one.score == other.score
    assert all(module.training == training for module in model.modules())
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_the_batch_size_changes_nothing_but_rounding():
    one, other = (mapped(tiny_network(), noise(40, 30), batch=b) for b in (1, 64))
    np.testing.assert_allclose(one.grid, other.grid, atol=1e-5)


def test_grad_cam_of_one_view_is_the_network_s_own():
    model, source = tiny_network(), noise(40, 40)
    found = mapped(model, source, ViewRule((32, 48)), "gradcam")
    pixels = view(Image.fromarray(source.pixels), ViewRule((32, 48)))
    wanted = grad_cam(model, torch.from_numpy(pixels).float() / 255)[0]
    np.testing.assert_allclose(found.grid, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.cells.rows, np.linspace(0, 40, 9))
    np.testing.assert_allclose(found.cells.columns, np.linspace(0, 40, 13))


def test_grad_cam_of_crops_is_pasted_and_averaged():
    model, source = tiny_network(), noise(40, 30)
    rule = ViewRule((9, 9), "native", crops=5, crop_size=(20, 24))
    found = mapped(model, source, rule, "gradcam")
    pixels = view(Image.fromarray(source.pixels), rule)
    maps = grad_cam(model, torch.from_numpy(pixels).float() / 255).numpy()  # (5, 5, 6)
    total, times = np.zeros((30, 40)), np.zeros((30, 40))
    for (top, left), values in zip([(0, 0), (0, 16), (10, 0), (10, 16), (5, 8)], maps, strict=True):
        for y, x in product(range(20), range(24)):
            total[top + y, left + x] += values[y // 4, x // 4]
            times[top + y, left + x] += 1
    # 8 rows of 3.75 pixels, 10 columns of 4: each pixel cut into quarters of a row.
    fine, shares = (np.repeat(a, 4, axis=0).reshape(8, 15, 10, 4) for a in (total, times))
    wanted = fine.sum((1, 3)) / shares.sum((1, 3))
    np.testing.assert_allclose(found.grid, wanted, rtol=1e-4, atol=1e-6)


def test_grad_cam_through_a_registered_backbone():
    model = build_model("resnet18", 5, (64, 64)).eval()
    rule = ViewRule((64, 64), "native", crops=3, crop_size=(64, 64))
    found = mapped(model, noise(100, 70), rule, "gradcam")
    assert found.grid.shape == (2, 3) and np.isfinite(found.grid).all() and found.grid.any()


def test_grad_cam_without_a_feature_map_names_occlusion():
    with pytest.raises(ValueError, match="use occlusion"):
        mapped(detail_network(), noise(40, 40), way="gradcam")
    with pytest.raises(ValueError, match="--map_way both: choose from occlusion, gradcam"):
        mapped(detail_network(), noise(40, 40), way="both")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("resize", ["squash", "crop", "pad", "native"])
def test_grey_and_tiny_images(way, resize):
    rule = ViewRule((40, 40), resize)
    tiny = GivenImage(noise(16, 16).pixels, "tiny")
    grey = GivenImage(noise(90, 50).pixels[:, :, 0], "grey")
    for source in (tiny, grey):
        found = mapped(tiny_network(), source, rule, way)
        assert np.isfinite(found.grid).all() and found.grid.any()
        assert overlay(found).mode == "RGB"
    flat = mapped(tiny_network(), GivenImage(Image.new("L", (16, 16), 90), "flat"), rule)
    assert resize == "pad" or not flat.grid.any()  # nothing to hide
    assert len(table(flat)) == flat.grid.size


def test_the_table_says_where_each_cell_lies_in_the_image_as_read():
    found = mapped(detail_network(), noise(90, 30), ViewRule((30, 30), "crop"))
    rows = table(found)
    assert list(rows[0]) == ["row", "column", "left", "top", "right", "bottom", "fall"]
    assert len(rows) == 100 and found.size == (90, 30)
    for n, row in enumerate(rows):
        i, j = divmod(n, 10)
        assert (int(row["row"]), int(row["column"])) == (i, j)
        place = [float(row[name]) for name in ("left", "top", "right", "bottom")]
        assert place == pytest.approx([30 + 3 * j, 3 * i, 33 + 3 * j, 3 + 3 * i])
        assert math.isclose(float(row["fall"]), found.grid[i, j], rel_tol=1e-8)


def test_a_large_image_is_shown_small_and_one_that_is_too_large_is_refused():
    found = mapped(detail_network(), noise(1300, 20), ViewRule((40, 40)))
    assert found.image.size == (640, 10) and found.size == (1300, 20)
    assert table(found)[-1]["right"] == "1300"
    with pytest.raises(ImageError, match="noise"):
        scorer = Scorer(detail_network(), CPU, WHOLE, 4, 0, 100)
        quality_map(scorer, noise(30, 30))


# ---- the command line


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    write_data(folder / "data", "regress", train=2, held_out=1)
    call(folder, f"--train --criterion regress {TINY} --epochs 1")
    assert run_folders(folder)
    return folder


def test_maps_of_images_with_one_name(trained):
    for n, name in enumerate(("a/x.png", "b/X.jpg")):
        (trained / name).parent.mkdir(exist_ok=True)
        picture(np.random.default_rng(n), 30.0).save(trained / name)
    done = call(trained, f"--predict a b {BEST} --maps out/maps")
    assert "maps: 2 in" in done.err and "a/x.png" in done.out and "b/X.jpg" in done.out
    names = sorted(p.name for p in (trained / "out/maps").iterdir())
    assert names == ["X_2_map.csv", "X_2_map.png", "x_map.csv", "x_map.png"]
    assert [p.name for p in (trained / "b").iterdir()] == ["X.jpg"]
    first = trained / "out/maps/x_map.csv"
    rows = list(csv.DictReader(io.StringIO(first.read_text())))
    assert len(rows) == 96 and any(float(row["fall"]) for row in rows)  # 8 x 12 of 40 x 56
    assert rows[-1]["right"] == "56" and rows[-1]["bottom"] == "40"
    with Image.open(first.with_suffix(".png")) as drawn:
        assert drawn.width > 280 and len(drawn.getcolors(10**6)) > 100
    before = {p: p.stat().st_mtime_ns for p in (trained / "out/maps").iterdir()}
    again = call(trained, f"--predict a b {BEST} --maps out/maps")
    assert "maps: 2 of 2 are there from an earlier call" in again.err
    assert before == {p: p.stat().st_mtime_ns for p in (trained / "out/maps").iterdir()}


def test_a_call_that_was_killed_is_repeated(trained, tmp_path):
    """After any of its writes: without the last table, or with nothing of the second image."""
    (tmp_path / "in").mkdir()
    for name in ("p", "q"):
        picture(np.random.default_rng(ord(name)), 30.0).save(tmp_path / f"in/{name}.png")
    words = f"--predict {tmp_path}/in {BEST} --maps {tmp_path}/m"
    call(trained, f"{words} --map_way gradcam")
    wanted = {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()}
    kept = (tmp_path / "m/p_map.png").stat().st_mtime_ns
    for lost in (["q_map.csv"], ["q_map.csv", "q_map.png"]):
        for name in lost:
            (tmp_path / "m" / name).unlink()
        done = call(trained, f"{words} --map_way gradcam")
        assert "maps: 1 of 2 are there from an earlier call" in done.err
        assert {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()} == wanted
    assert (tmp_path / "m/p_map.png").stat().st_mtime_ns == kept


@pytest.mark.parametrize("change", ["way", "view", "weights", "image", "foreign", "table", "link"])
def test_what_another_call_or_program_made_is_not_overwritten(trained, tmp_path, change):
    image, picture_file = tmp_path / "in/p.png", tmp_path / "m/p_map.png"
    (tmp_path / "in").mkdir()
    picture(np.random.default_rng(1), 30.0).save(image)
    words = f"--predict {image} {BEST} --maps {tmp_path}/m --map_way gradcam"
    if change in ("foreign", "table", "link"):
        (tmp_path / "m").mkdir()
        if change == "link":
            picture_file.symlink_to("nowhere")
        elif change == "table":
            picture_file.with_suffix(".csv").write_text("mine")
        else:
            picture(np.random.default_rng(2), 0.0).save(picture_file)
    else:
        call(trained, words)
    if change == "image":
        picture(np.random.default_rng(2), 30.0).save(image)
    if change == "weights":
        stored = torch.load(trained / "checkpoints/model_best_test_resnet.pth", weights_only=True)
        state = {name: tensor * 1.5 for name, tensor in stored["model"].items()}
        torch.save(state, tmp_path / "other.pth")
        flags = "--arch test_resnet --image_size 40 56 -j 0 -g 0 --threads 1"
        words = words.replace(BEST, f"--resume {tmp_path}/other.pth {flags}")
    words = words.replace("gradcam", "occlusion") if change == "way" else words
    words += " --image_size 32" if change == "view" else ""
    before = {p.name: p.lstat().st_mtime_ns for p in (tmp_path / "m").iterdir()}
    done = call(trained, words, code=1)
    assert "is there already: name another folder, or remove it" in done.err and not done.out
    assert before == {p.name: p.lstat().st_mtime_ns for p in (tmp_path / "m").iterdir()}


def test_grad_cam_from_the_command_line_beside_a_file_of_scores(trained, tmp_path):
    image = trained / "data/test/images/photo0_0.png"
    words = f"--predict {image} {BEST} --map_way gradcam --maps {tmp_path}/m -o {tmp_path}/s.csv"
    call(trained, words)
    assert (tmp_path / "s.csv").exists()
    assert len((tmp_path / "m/photo0_0_map.csv").read_text().splitlines()) == 1 + 2 * 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("data/test --maps data/test/maps", "lies in"),
        ("data/test --maps data/test", "lies in"),
        ("data/test/images/photo0_0.png --maps data/test/images/deep/er", "lies in"),
        ("data/test/images/*.png --maps data/test/images", "lies in"),
        ("here.png --maps .", "lies in"),
        (". --maps out2", "lies in"),
        ("dat* --maps data/maps", "lies in"),
    ],
)
def test_folders_of_images_are_never_written_to(trained, words, said):
    picture(np.random.default_rng(0), 0.0).save(trained / "here.png")
    before = sorted(trained.rglob("*"))
    # Weights that are not there: the answer comes before they are looked for.
    done = call(trained, f"--predict {words} --resume none.pth", code=1)
    assert said in done.err and done.err.count("\n") == 1
    assert sorted(trained.rglob("*")) == before


def test_an_image_in_the_working_directory_forbids_only_that(trained):
    picture(np.random.default_rng(0), 0.0).save(trained / "here.png")
    call(trained, f"--predict here.png {BEST} --maps beside")
    assert (trained / "beside/here_map.png").exists()


def test_grad_cam_for_a_backbone_without_places_ends_before_scoring(trained, tmp_path):
    model = build_model("vit_tiny_patch16_224", 1, (32, 32))
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    flags = "--arch vit_tiny_patch16_224 --image_size 32 -j 0 -g 0"
    words = f"--predict data/test --resume {tmp_path}/vit.pth {flags} --maps {tmp_path}/m"
    done = call(trained, f"{words} --map_way gradcam", code=1)
    assert "use occlusion" in done.err and not done.out and not (tmp_path / "m").exists()


def test_names_are_distinct_whatever_their_case():
    paths = [Path(p) for p in ("a/x.png", "b/x.jpg", "X.png", "x_2.png", "y.tar.png")]
    assert distinct_names(paths) == ["x", "x_2", "X_3", "x_2_2", "y.tar"]
