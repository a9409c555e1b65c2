"""Random exposure: drawn with the view's generator alone, the same for versions of a photograph."""

import numpy as np
from PIL import Image

from dataloader.views.exposure import expose, exposure_tables
from dataloader.views.transforms import TrainTransform
from utils.imaging.images import ViewRule
from utils.runtime.seed import numpy_generator

RULE = ViewRule(image_size=(32, 32), resize="native", crops=1, crop_size=(32, 32))


def photo(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 56, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_a_table_is_a_contrast_then_a_gamma():
    tables = exposure_tables(0.7, numpy_generator(3))
    rng = numpy_generator(3)
    contrast, middle = np.exp(rng.uniform(-0.7, 0.7 / 3)), rng.uniform(0.2, 0.8)
    common, own = rng.uniform(-0.7, 0.7), rng.uniform(-1, 1, 3)
    for channel in range(3):
        gamma = np.exp(common + own[channel] * 0.7 / 4)
        for value in (0, 17, 128, 255):
            x = min(max(middle + contrast * (value / 255 - middle), 0), 1)
            assert abs(int(tables[channel][value]) - 255 * x**gamma) <= 0.5 + 1e-9


def test_no_table_turns_the_order_of_values_round():
    for seed in range(50):
        steps = np.diff(exposure_tables(2.0, numpy_generator(seed)).astype(int), axis=1)
        assert (steps >= 0).all()


def test_each_channel_is_looked_up_in_its_own_table():
    tables = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 7)]).astype(np.uint8)
    pixels = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    found = expose(pixels, tables)
    assert np.array_equal(found[0], pixels[0]) and np.array_equal(found[1], 255 - pixels[1])
    assert (found[2] == 7).all()


def test_versions_that_share_a_key_share_the_exposure_and_the_crop_is_what_it_was():
    exposed, plain = (TrainTransform(RULE, crop=(32, 32), jitter=j) for j in (0.7, 0.0))
    rng = numpy_generator("view", 5)
    rng.integers(17), rng.integers(25), rng.random()  # top, left, flip
    tables = exposure_tables(0.7, rng)
    for seed in (0, 1):  # two versions of one photograph, as far as the key is concerned
        before = plain(photo(seed), numpy_generator("view", 5))
        after = exposed(photo(seed), numpy_generator("view", 5))
        assert np.array_equal(after, expose(before, tables))
        assert not np.array_equal(after, before)
