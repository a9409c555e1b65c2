"""--predict: scores of files, folders, globs, lists and tar shards, without labels, any number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch.nn import Module

from applications.evaluation.scoring import Scorer, unread
from applications.inputs.named_images import STDIN, blocks, check_not_written, named_folders
from applications.inputs.runtime import Runtime
from applications.inputs.views import network_size
from applications.inputs.weights import Loaded, load_model
from applications.scorer import scorer_of
from applications.scoring.journal import stored_way
from applications.scoring.rows import Choice, need_writer
from applications.scoring.running import Asked, Scoring, to_file, to_stdout
from config import Config
from models.grad_cam import last_feature_map
from utils.check_images import clearly_broken
from utils.files.checkpoint import digest
from utils.files.remote import is_url, local_tars
from utils.files.writing import check_apart
from utils.flag_words import AUTO, EAGER
from utils.imaging.images import ImageError


def run(config: Config, runtime: Runtime) -> int:
    """A table on stdout, with --sort best first; -o FILE in place of it, or, with -o -, a csv as
    it comes. With --maps also a quality map of each image. 3 where an image could not be read.
    """
    if runtime.world.size > 1 and (config.maps or STDIN in config.predict):
        what = "--maps" if config.maps else "images on stdin"
        raise ValueError(f"{what}: not in several processes: leave -g out, and start one")
    words = [
        str(found)
        for word in config.predict
        for found in (local_tars(word, config.cache, runtime.info) if is_url(word) else [word])
    ]
    config = replace(config, predict=tuple(words))
    asked_for = config.bad_images
    bad_images = asked_for if "bad_images" in config.given else "row"
    asked = _find(config, runtime, stop=bad_images == "stop")
    maps = _Maps(config, asked) if config.maps is not None else None
    loaded = load_model(config, runtime)
    config = loaded.config
    if about := loaded.payload.get("about"):
        runtime.info(f"scores: {about}")
    if maps and config.map_way == "gradcam":
        last_feature_map(loaded.model, network_size(config))  # ValueError where it has none
    scorer = scorer_of(config, loaded, runtime.device)
    if maps:
        maps.look(scorer)
    name, amp, network = _chosen_runtime(loaded, runtime, asked.count)
    scorer = replace(scorer, model=network, amp=amp)
    made_of: Callable[[], dict[str, str]] = partial(_made_of, loaded, name)
    if name != EAGER and not maps:
        made_of = partial(dict, made_of())
        loaded.model.to("meta")  # the export has its weights
    choice = Choice(config.sort, config.top, config.threshold, skip=bad_images == "skip")
    scoring = Scoring(scorer, asked, choice, bad_images, runtime, made_of)
    scoring.read = [] if maps else None
    if config.output not in (None, STDIN):
        code = to_file(Path(str(config.output)), scoring, config.going_on)
    else:
        code = to_stdout(scoring, table=config.output is None)
    if maps:
        maps.write(scoring.read or [], runtime)
    return code


def _chosen_runtime(loaded: Loaded, runtime: Runtime, count: int | None) -> tuple[str, str, Module]:
    """(name of --runtime, --amp, network); with --continue, where auto may choose, those of the
    rows that are there. Exports are compared on drawn images, as those of the call may be
    unreadable.
    """
    config, model, view, payload = loaded
    asked, amp = config.runtime, config.amp
    if asked == AUTO and config.going_on and (found := stored_way(Path(str(config.output)))):
        asked, amp = found[0], amp or found[1]
    if asked == EAGER:
        return EAGER, amp or "off", model
    # Here: few ask for it, and it loads what an evaluation needs.
    from applications.convert import describe, drawn_pixels
    from applications.scoring.runtimes import Runtimes

    images = partial(drawn_pixels, config, view)  # it takes longer than scoring a photograph
    known = Runtimes(model, describe(config, model, payload, view), images, runtime)
    way, network = known.choose(asked, config.batch_size, count, amp)
    return *way, network


def _made_of(loaded: Loaded, runtime: str) -> dict[str, str]:
    """What the scores depend on beside the view."""
    return {"weights": digest(loaded.model.state_dict()), "runtime": runtime}


def _find(config: Config, runtime: Runtime, stop: bool) -> Asked:
    """The images, counted; ValueError where words lead nowhere, where the output is one of them,
    and with `stop` for all that are clearly broken.
    """
    output = None if config.output in (None, STDIN) else Path(str(config.output))
    if output is not None:
        need_writer(output)
        check_apart(output, (), named_folders(config.predict))
    asked, bad = Asked(config.predict, runtime.info, missing=not stop), []
    if STDIN in config.predict:
        return asked
    for block in blocks(asked.each()):
        if output is not None:
            check_not_written(output, block)
        if stop:
            bad += clearly_broken((i for i in block if isinstance(i, Path)), config.max_pixels)
    if bad:
        raise ImageError(unread(tuple(bad)))
    return asked


class _Maps:
    """--maps: quality maps of the images that can be read. Its parts are imported here, as few ask
    for it.
    """

    def __init__(self, config: Config, asked: Asked) -> None:
        from applications.evaluation.map_files import plan_maps

        self.way = config.map_way
        paths = list(asked.each())
        if others := [path for path in paths if not isinstance(path, Path)]:
            raise ValueError(f"--maps: {others[0].shard}: maps need files: unpack it")
        self.paths = paths
        self.targets = plan_maps(config.maps, config.predict, self.paths)

    def look(self, scorer: Scorer) -> None:
        from applications.evaluation.map_files import made_before

        self.scorer = scorer
        self.made = made_before(scorer, self.way, self.paths, self.targets)

    def write(self, read: list[int], runtime: Runtime) -> None:
        """Of the images at the places that were read."""
        from applications.evaluation.map_files import write_maps

        paths, targets = ([of[i] for i in read] for of in (self.paths, self.targets))
        write_maps(self.scorer, self.way, paths, targets, runtime, self.made)
