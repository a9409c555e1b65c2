"""Every distortion on real photographs: worse at every level, and what it says it does."""

import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.signal import convolve2d
from scipy.stats import kstest, norm

from tests.small_photos import PHOTOS, centre, small_photo
from utils.data_generate.distortions import DISTORTIONS, LEVELS, SETS, distort, distortions_of
from utils.data_generate.distortions.compression import _rayleigh_power
from utils.data_generate.distortions.pixels import to_rgb, to_ycbcr
from utils.data_generate.distortions.wavelet import decompose, rebuild
from utils.imaging.images import read_image

ROOT = Path(__file__).resolve().parents[4]


def scaled(path: Path) -> np.ndarray:
    """The whole photograph at 192 pixels at most, sides cut to multiples of 8."""
    image = read_image(path)
    image.thumbnail((192, 192), Image.Resampling.LANCZOS)
    return np.asarray(image)[: image.height // 8 * 8, : image.width // 8 * 8]


SCALED = {name: scaled(path) for name, path in PHOTOS.items()}


LARGE = [np.asarray(small_photo(name, 512)) for name in PHOTOS]


def ladder(image: np.ndarray, name: str, seed: int = 7) -> list[np.ndarray]:
    levels = range(LEVELS + 1)
    return [distort(image, name, level, np.random.default_rng(seed)) for level in levels]


def worst_of(image: np.ndarray, name: str, seed: int = 0) -> np.ndarray:
    return distort(image, name, LEVELS, np.random.default_rng(seed))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(float) - b) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else np.inf


def level_psnr(images: list[np.ndarray], name: str, level: int) -> float:
    """The median of several photographs."""
    distorted = [distort(image, name, level, np.random.default_rng(3)) for image in images]
    return float(np.median([psnr(*pair) for pair in zip(images, distorted, strict=True)]))


def detail_psnr(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR of what remains when every 8x8 block's mean error is taken away.

    JPEG rounds a block's mean to a coarse step; in smooth dark areas the rounding at quality 1 can
    by luck come out closer than at quality 4, although less detail is left.
    """
    error = b.astype(float) - a
    blocks = error.reshape(error.shape[0] // 8, 8, error.shape[1] // 8, 8, 3)
    rest = blocks - blocks.mean((1, 3), keepdims=True)
    return psnr(np.zeros_like(rest), rest)


def nearness(a: np.ndarray, b: np.ndarray) -> float:
    """Minus the pixels that red has moved sideways: on a fence twice the shift may fit better."""
    margin, width = 20, a.shape[1]
    red = b[1:-1, margin : width - margin, 0].astype(float)

    def misfit(shift: int) -> float:
        start = margin - shift
        columns = [a[:, start + k : start + k + red.shape[1], 0].astype(float) for k in (-1, 0, 1)]
        lines = sum(columns)
        return float(np.mean((red - (lines[:-2] + lines[1:-1] + lines[2:]) / 9) ** 2))

    return -abs(min(range(-19, 20), key=misfit))


# Exceptions to PSNR, and what is monotone instead.
MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "jpeg": detail_psnr,
    "chromatic_aberration": nearness,
}


@pytest.mark.parametrize("photo", sorted(PHOTOS))
@pytest.mark.parametrize("name", sorted(DISTORTIONS))
def test_every_level_is_worse_on_real_photographs(photo: str, name: str) -> None:
    image = SCALED[photo]
    measure = MEASURES.get(name, psnr)
    images = ladder(image, name)
    quality = [measure(image, distorted) for distorted in images]
    assert all(better > worse for better, worse in zip(quality, quality[1:], strict=False)), quality
    assert all(i.dtype == np.uint8 and i.shape == image.shape for i in images)


@pytest.mark.parametrize("name", sorted(DISTORTIONS))
def test_level_0_is_the_input_and_not_a_view_of_it(name: str) -> None:
    image = SCALED["coffee"]
    same = distort(image, name, 0, np.random.default_rng(0))
    assert np.array_equal(same, image) and not np.shares_memory(same, image)


@pytest.mark.parametrize("name", sorted(DISTORTIONS))
@pytest.mark.parametrize("size", [(16, 16), (17, 45), (130, 31)])
def test_any_size_from_16x16(name: str, size: tuple[int, int]) -> None:
    image = centre(PHOTOS["chelsea"])[: size[0], : size[1]]
    kept = image.copy()
    images = ladder(image, name)
    assert all(i.dtype == np.uint8 and i.shape == image.shape for i in images)
    assert psnr(image, images[LEVELS]) < psnr(image, images[1])
    assert np.array_equal(image, kept)


@pytest.mark.parametrize("name", sorted(DISTORTIONS))
def test_grey_photographs(name: str) -> None:
    image = np.repeat(SCALED["chelsea"][..., 1:2], 3, axis=-1)
    images = ladder(image, name)
    if name == "saturation_change":  # there is none to change
        assert all(np.array_equal(image, i) for i in images)
    else:
        assert psnr(image, images[LEVELS]) < psnr(image, images[1]) < np.inf


@pytest.mark.parametrize("name", sorted(DISTORTIONS))
@pytest.mark.parametrize("value", [0, 255])
def test_a_flat_picture_does_no_harm(name: str, value: int) -> None:
    image = np.full((40, 50, 3), value, np.uint8)
    assert all(i.shape == image.shape and i.dtype == np.uint8 for i in ladder(image, name))


@pytest.mark.parametrize("name", sorted(DISTORTIONS))
def test_what_is_random_comes_from_the_generator_alone(name: str) -> None:
    image = SCALED["coffee"]
    one, again, *others = (worst_of(image, name, seed) for seed in (1, 1, 2, 3, 4, 5))
    assert np.array_equal(one, again)
    fixed = "jpeg jpeg2000 gaussian_blur quantisation saturation_change colour_quantisation".split()
    assert all(np.array_equal(one, other) for other in others) == (name in fixed)


def test_the_sets() -> None:
    assert [len(set(distortions_of(s))) for s in ("basic", "live", "tid2013", "chain")] == [
        4,
        5,
        24,
        5,
    ]
    assert {name for members in SETS.values() for name in members} == set(DISTORTIONS)


def test_what_cannot_be_distorted_is_refused() -> None:
    image, rng = np.zeros((32, 32, 3), np.uint8), np.random.default_rng(0)
    with pytest.raises(ValueError, match="did you mean jpeg2000"):
        distort(image, "jpeg200", 1, rng)
    with pytest.raises(ValueError, match="did you mean basic"):
        distortions_of("basics")
    with pytest.raises(ValueError, match="level 6"):
        distort(image, "jpeg", 6, rng)
    with pytest.raises(ValueError, match="float64"):
        distort(image / 255, "jpeg", 1, rng)
    with pytest.raises(ValueError, match="at least 16x16"):
        distort(image[:15], "jpeg", 1, rng)


def test_distorting_imports_neither_torch_nor_scikit_image() -> None:
    code = (
        "import sys, utils.data_generate.worker, utils.data_generate.live_generator\n"
        "print({'torch', 'skimage'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


# ---- what the parameters mean ----

GREY = np.full((256, 256, 3), 128, np.uint8)


def noise_of(image: np.ndarray, name: str, level: int) -> np.ndarray:
    return distort(image, name, level, np.random.default_rng(7)) - image.astype(float)


@pytest.mark.parametrize("name", ["white_noise", "additive_noise", "high_frequency_noise"])
def test_noise_has_the_stated_variance(name: str) -> None:
    for level, variance in enumerate(DISTORTIONS[name].parameters[:2], 1):
        noise = noise_of(GREY, name, level) / 255
        assert np.var(noise) == pytest.approx(variance, rel=0.03)
        assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("name", ["correlated_noise", "masked_noise"])
def test_noise_has_the_stated_deviation(name: str) -> None:
    image = (SCALED["coffee"] // 2 + 64).astype(np.uint8)  # nothing is cut off
    for level, deviation in enumerate(DISTORTIONS[name].parameters[:3], 1):
        assert np.std(noise_of(image, name, level)) == pytest.approx(deviation, rel=0.06)


def test_high_frequency_noise_has_no_low_frequencies_and_correlated_noise_little_else() -> None:
    radius = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256))
    for name, low in (
        ("white_noise", np.pi / 16),
        ("high_frequency_noise", 0),
        ("correlated_noise", 1),
    ):
        power = np.abs(np.fft.fft2(noise_of(GREY, name, 2)[..., 0])) ** 2
        assert power[radius < 0.25].sum() / power.sum() == pytest.approx(low, abs=0.02), name
    noise = noise_of(GREY, "correlated_noise", 3)[..., 0]
    beside = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
    assert beside == pytest.approx(np.exp(-1 / (4 * 1.5**2)), abs=0.02)


@pytest.mark.parametrize(
    "name",
    "colour_noise contrast_change chromatic_aberration local_blocks quantisation".split(),
)
def test_a_description_names_the_psnr_of_level_1(name: str) -> None:
    """TID2013's is near 33 dB. On photographs as tests/benchmarks/bench_distortions.py has them."""
    described = " ".join((DISTORTIONS[name].apply.__doc__ or "").split())
    (stated,) = re.findall(r"Level 1 is near (?:its )?(\d+) dB", described)
    assert level_psnr(LARGE, name, 1) == pytest.approx(float(stated), abs=1)
    assert "TID2013" in described and "RankIQA" in described


def test_colour_noise_is_ten_times_stronger_in_chroma() -> None:
    planes = to_ycbcr(distort(GREY, "colour_noise", 1, np.random.default_rng(0))) / 255
    variance = DISTORTIONS["colour_noise"].parameters[0]
    assert planes.var((1, 2)) == pytest.approx([variance / 10, variance, variance], rel=0.05)


def test_masked_noise_spares_what_is_flat() -> None:
    image = GREY.copy()
    image[:, :128] += np.random.default_rng(0).integers(0, 60, (256, 128, 1), dtype=np.uint8)
    noise = noise_of(image, "masked_noise", 3)
    assert noise[:, :120].std() > 10 and noise[:, 136:].std() < 0.1


def test_impulses_are_black_or_white_and_stay_at_worse_levels() -> None:
    hit = [noise_of(GREY, "impulse_noise", level) != 0 for level in range(1, LEVELS + 1)]
    for share, now in zip(DISTORTIONS["impulse_noise"].parameters, hit, strict=True):
        assert now.mean() == pytest.approx(share, rel=0.06)
    assert all((now <= later).all() for now, later in zip(hit, hit[1:], strict=False))
    values, counts = np.unique(worst_of(GREY, "impulse_noise"), return_counts=True)
    assert values.tolist() == [0, 128, 255] and counts[0] == pytest.approx(counts[2], rel=0.05)


def test_multiplicative_noise_is_in_proportion_to_the_value() -> None:
    image = np.zeros((128, 128, 3), np.uint8)
    image[64:] = 120
    noise = noise_of(image, "multiplicative_noise", 3)
    assert not noise[:64].any() and noise[64:].std() == pytest.approx(120 * 0.13, rel=0.02)


def test_comfort_noise_keeps_the_energy_of_texture() -> None:
    image = centre(PHOTOS["coffee"], 128)
    before = decompose(to_ycbcr(image)).details
    after = decompose(
        to_ycbcr(distort(image, "comfort_noise", 2, np.random.default_rng(0)))
    ).details
    for old, new in zip(before[:2], after[:2], strict=True):
        assert np.sum(new[:, 0] ** 2) == pytest.approx(np.sum(old[:, 0] ** 2), rel=0.05)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_blur_is_a_truncated_gaussian_of_a_sixth_of_the_kernel(level: int) -> None:
    image = centre(PHOTOS["astronaut"], 64)
    kernel = (7, 15, 39)[level - 1]
    weights = norm.pdf(np.arange(kernel) - kernel // 2, scale=kernel / 6)
    window = np.outer(weights, weights) / weights.sum() ** 2
    padded = np.pad(image.astype(float), [(kernel // 2,) * 2] * 2 + [(0, 0)], mode="symmetric")
    expected = np.stack([convolve2d(padded[..., c], window, "valid") for c in range(3)], axis=-1)
    blurred = distort(image, "gaussian_blur", level, np.random.default_rng(0))
    assert np.abs(blurred - expected).max() < 0.51


def test_jpeg_levels_are_libjpeg_qualities(tmp_path: Path) -> None:
    image = centre(PHOTOS["astronaut"], 64)
    for level, quality in enumerate((43, 12, 7, 4, 1), 1):
        Image.fromarray(image).save(tmp_path / "a.jpg", quality=quality)
        distorted = distort(image, "jpeg", level, np.random.default_rng(0))
        assert np.array_equal(distorted, np.asarray(read_image(tmp_path / "a.jpg")))


def test_transmission_errors_leave_the_rest_of_a_jpeg_alone() -> None:
    image = centre(PHOTOS["astronaut"])
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=90)
    sent = np.asarray(Image.open(stream)).astype(int)
    for level, share in enumerate(DISTORTIONS["jpeg_transmission"].parameters, 1):
        got = distort(image, "jpeg_transmission", level, np.random.default_rng(3))
        units = np.abs(got - sent).reshape(12, 16, 12, 16, 3).max((1, 3, 4)) > 24
        assert 0 < units.mean() <= 1.7 * share + 0.02  # edges of neighbours share chroma


def test_the_wavelet_is_jpeg2000s_and_comes_back() -> None:
    # Table F.4's low-pass, scaled to a gain of sqrt(2) as orthogonal wavelets have.
    half = [0.6029490182363579, 0.2668641184428723, -0.07822326652898785, -0.01686411844287495]
    half.append(0.02674875741080976)
    taps = np.sqrt(2) * np.array([*half[:0:-1], *half])
    image = SCALED["coffee"][:112, :176]
    planes = to_ycbcr(image)
    taken = decompose(planes)
    assert np.abs(rebuild(taken) - planes).max() < 1e-2
    assert np.array_equal(to_rgb(rebuild(taken)), image)
    padded = np.pad(planes[0], 4, mode="reflect").astype(float)
    low = convolve2d(padded, np.outer(taps, taps), "valid")[::2, ::2]
    for _ in range(len(taken.details) - 1):
        low = convolve2d(np.pad(low, 4, mode="reflect"), np.outer(taps, taps), "valid")[::2, ::2]
    assert taken.low[0] == pytest.approx(low, abs=0.1)


def test_the_channel_fades_after_rayleigh() -> None:
    power = _rayleigh_power(60_000, np.random.default_rng(0))[::60]  # far apart: independent
    assert kstest(power, "expon").pvalue > 0.01


def test_quantisation_is_the_best_cut_of_the_histogram() -> None:
    image = (
        np.random.default_rng(0).choice([3, 9, 20, 90, 120, 200, 250], (16, 16, 3)).astype(np.uint8)
    )
    values = image.ravel().astype(float)

    def error(*cuts: int) -> float:
        parts = np.split(np.sort(values), np.searchsorted(np.sort(values), cuts))
        return sum(((p - np.rint(p.mean())) ** 2).sum() for p in parts if len(p))

    best = {1: min(error(a) for a in range(1, 256))}
    marks = sorted(set(image.ravel().tolist()))
    best[3] = min(
        error(a, b, c) for a in marks for b in marks for c in marks if marks[0] < a < b < c
    )
    for level, thresholds in ((5, 1), (4, 3)):
        cut = distort(image, "quantisation", level, np.random.default_rng(0))
        assert len(np.unique(cut)) == thresholds + 1
        assert ((cut.astype(float) - image) ** 2).sum() == pytest.approx(best[thresholds])


def test_shift_contrast_and_saturation_are_what_they_say() -> None:
    image = (SCALED["coffee"].astype(int) // 4 + 96).astype(np.uint8)  # nothing is cut off
    planes = to_ycbcr(image)
    directions: dict[str, set[bool]] = {"mean_shift": set(), "contrast_change": set()}
    for seed in range(6):
        shifts = [float(i.mean() - image.mean()) for i in ladder(image, "mean_shift", seed)[1:]]
        assert np.abs(shifts) == pytest.approx([15, 30, 45, 60, 75])
        directions["mean_shift"] |= {shift > 0 for shift in shifts}
        assert len({shift > 0 for shift in shifts}) == 1
        ratios = [float(i.std() / image.std()) for i in ladder(image, "contrast_change", seed)[1:]]
        higher = ratios[0] > 1
        expected = [pair[higher] for pair in DISTORTIONS["contrast_change"].parameters]
        assert ratios == pytest.approx(expected, rel=0.02)
        directions["contrast_change"].add(higher)
    assert all(drawn == {True, False} for drawn in directions.values())
    for level, factor in enumerate((0.4, 0.0, -0.4, -0.8, -1.2), 1):
        changed = to_ycbcr(distort(image, "saturation_change", level, np.random.default_rng(0)))
        assert np.abs(changed[0] - planes[0]).max() < 1
        assert np.abs(changed[1:] - factor * planes[1:]).max() < 1


def test_palettes_have_the_stated_number_of_colours() -> None:
    for level, colours in enumerate((64, 32, 16, 8, 4), 1):
        image = distort(SCALED["coffee"], "colour_quantisation", level, np.random.default_rng(0))
        assert len(np.unique(image.reshape(-1, 3), axis=0)) <= colours


@pytest.mark.parametrize("name", ["non_eccentricity", "local_blocks"])
def test_worse_levels_hold_the_same_patches_and_more(name: str) -> None:
    image = centre(PHOTOS["coffee"])
    images = ladder(image, name, seed=1)
    for now, later in zip(images[1:], images[2:], strict=False):
        touched = (now != image).any(-1)
        assert np.array_equal(now[touched], later[touched])
    share = (images[LEVELS] != image).any(-1).mean()
    side, number = {"non_eccentricity": (15, 600), "local_blocks": (32, 32)}[name]
    covered = 1 - np.exp(-number * side**2 / (512 * 384))  # squares at random places overlap
    assert share == pytest.approx(covered, abs=0.15)


def test_sparse_sampling_keeps_its_samples_and_guesses_smoothly_between() -> None:
    image = centre(PHOTOS["coffee"])
    images = ladder(image, "sparse_sampling")
    for share, now in zip(DISTORTIONS["sparse_sampling"].parameters, images[1:], strict=True):
        assert (now == image).all(-1).mean() >= share - 0.01
    ramp = np.repeat(np.linspace(0, 255, 128)[:, None, None], 128, axis=1).repeat(3, axis=2)
    ramp = ramp.astype(np.uint8)
    assert psnr(ramp, distort(ramp, "sparse_sampling", 3, np.random.default_rng(0))) > 40


def test_the_chain_is_drawn_once_per_ladder() -> None:
    """Without noise in between nothing is random but the order and the strengths: noise comes last
    in some ladders, where the image is rough, and is smoothed away in others.
    """
    image = GREY[:128, :128]
    rough = [
        np.std(np.diff(worst_of(image, "chain_1", s).astype(float), axis=0)) for s in range(12)
    ]
    assert min(rough) < 2 and max(rough) > 20
    drawn = [worst_of(image, name, 5) for name in SETS["chain"]]
    assert all(np.array_equal(drawn[0], other) for other in drawn)  # told apart by their keys
