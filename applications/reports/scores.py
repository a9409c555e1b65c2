"""Sections of a report for predictions that have opinions: fit, calibration, residuals, groups."""

from __future__ import annotations

import numpy as np

from applications.evaluation.evaluation import Evaluation, shown
from applications.reports.parts import Beside, Report, Section, Table, drawn_images
from utils.drawing.chart import Band, Bars, Chart, Level, Line, Points
from utils.statistics.calibration import calibration, fit_band

_CURVE = 121  # points of a drawn curve
_BINS = 24  # of a histogram of residuals
_NAMES = {"4p": "4-parameter fit", "5p": "5-parameter fit"}  # "4p" in the metrics' names


def score_sections(r: Report) -> list[Section]:
    """Nothing where nobody was asked."""
    e = r.evaluation
    if e.opinions is None:
        return []
    mos = e.opinions.mos.astype(np.float64)
    return [_against(e, mos), _calibration(e, mos), _residuals(e, mos)]


def against_mos(e: Evaluation, mos: np.ndarray, title: str) -> Chart:
    """Predictions, both fits, and the interval of the first one where it exists."""
    scores, drawn = e.scores.astype(np.float64), drawn_images(e)
    titles = tuple(e.names[i] for i in drawn)
    marks = [Points(scores[drawn], mos[drawn], _counted(e), titles)]
    at = np.linspace(scores.min(), scores.max(), _CURVE)
    remarks = []
    for colour, kind in ((1, "4p"), (2, "5p")):
        fit = e.fits.get(kind)
        if fit is None or fit.failed:
            continue
        curve = fit(at)
        if _turns(curve):
            remarks.append(f"the {_NAMES[kind]} rises and falls: it is no mapping, and not drawn")
            continue
        low, high = _band(e, at)
        if kind == "4p" and np.isfinite(low).all():
            marks.insert(0, Band(at, low, high, "95% interval of the 4-parameter fit", colour))
        marks.append(Line(at, curve, _NAMES[kind], colour, dashed=kind == "5p"))
    return Chart(title, "prediction", "MOS", tuple(marks), remarks=remarks)


def _turns(curve: np.ndarray) -> bool:
    """Whether a curve rises here and falls there, by more than rounding."""
    steps = np.diff(curve) / max(float(np.ptp(curve)), 1e-300)
    return bool((steps > 1e-6).any() and (steps < -1e-6).any())


def _against(e: Evaluation, mos: np.ndarray) -> Section:
    chart = against_mos(e, mos, "Prediction against MOS")
    why = "Each point is an image. The fits map predictions to the MOS scale before PLCC and RMSE; "
    why += "the band is the interval of the 4-parameter curve, with images of one reference "
    why += "counted as one (there is none below 5 references)."
    return Section("fit", "Prediction against MOS", why, (chart, _fits(e)))


def _counted(e: Evaluation) -> str:
    """The name of a series of images."""
    drawn = len(drawn_images(e))
    return "images" if drawn == len(e.scores) else f"{drawn:,} of {len(e.scores):,} images"


def _band(e: Evaluation, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fit, on = e.fits["4p"], e.fitted
    if on is not None:
        return fit_band(fit, on.scores, on.mos, on.clusters, at)
    assert e.opinions is not None  # there would be no fit
    return fit_band(fit, e.scores, e.opinions.mos, e.clusters, at)


def _fits(e: Evaluation) -> Beside:
    """Parameters of the fits, where they were made, and what is odd about them."""
    fits = {kind: fit for kind in _NAMES if (fit := e.fits.get(kind))}
    rows = [["fitted on", *(e.fit_on or "" for _ in fits)]]
    rows.append(["images", *(str(fit.n) for fit in fits.values())])
    for n in range(max((len(fit.parameters) for fit in fits.values()), default=0)):
        values = (fit.parameters[n : n + 1] for fit in fits.values())
        rows.append([f"b{n + 1}", *("".join(f"{v:.10g}" for v in value) for value in values)])
    said = {kind: f"failed: {f.failed}" if f.failed else f.remark for kind, f in fits.items()}
    notes = [f"{kind}: {text}." for kind, text in said.items() if text]
    if e.fitted is None:
        notes.append("Both were fitted on the judged images themselves.")
    return Beside([Table(["", *fits], rows), *notes])


def _calibration(e: Evaluation, mos: np.ndarray) -> Section:
    predicted, how = e.in_mos_units()
    found = calibration(predicted, mos)
    marks = (
        Band(found.predicted, found.low, found.high, "95% interval of the mean MOS", 1),
        Line(found.predicted, found.voted, "mean MOS of the group", 1, dots=True),
    )
    chart = Chart("Calibration", "mean prediction of the group", "mean MOS", marks, diagonal=True)
    rows = [
        [str(n + 1), str(count), *map(shown, figures)]
        for n, (count, *figures) in enumerate(
            zip(found.images, found.predicted, found.voted, found.low, found.high, strict=True)
        )
    ]
    header = ["group", "images", "mean prediction", "mean MOS", "low", "high"]
    why = (
        f"Images in groups of neighbouring predictions ({how}). On the diagonal, images predicted "
    )
    why += "3.2 were rated 3.2 on average."
    return Section("calibration", "Calibration", why, (chart, Beside([Table(header, rows)])))


def _residuals(e: Evaluation, mos: np.ndarray) -> Section:
    predicted, how = e.in_mos_units()
    rest = predicted - mos
    drawn = drawn_images(e)
    titles = tuple(e.names[i] for i in drawn)
    over = Chart(
        "Residuals over MOS", "MOS", "prediction - MOS",
        (Level(0.0), Points(mos[drawn], rest[drawn], _counted(e), titles)),
    )  # fmt: skip
    edges = np.histogram_bin_edges(rest, _BINS)
    spread = Chart(
        "How often", "prediction - MOS", "images",
        (Bars(edges, np.histogram(rest, edges)[0].astype(np.float64), "images"),),
    )  # fmt: skip
    why = (
        f"Prediction ({how}) less MOS. A slope says that the ends of the scale are pulled towards "
    )
    why += "the middle, which every regression does that does not know better."
    return Section("residuals", "Residuals", why, (over, spread))
