"""evaluate(): pictures of any method, judged by the objective of the project and by what it does not measure."""

import csv
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from nst_tf import configs, errors, messages, vgg
from nst_tf.evaluation import artefacts, lpips, noise
from nst_tf.losses import guidance, on_vgg19
from nst_tf.losses import objective as objectives
from nst_tf.pictures import colours, controls, inputs, masks


class Score(NamedTuple):
    """The measurements of one picture."""

    image: str
    width_px: int
    height_px: int
    losses: dict[str, float]  # the weighted terms of the objective by name, total, their sum, and those of regions
    noise: float  # the share of spectral energy beyond 0.7 of Nyquist; see `noise.high_frequency_share`
    crosshatch: float  # grey levels beyond the style's; these three see `artefacts.measure`
    specks: float  # of 1000 pixels, beyond the style's
    frame: float  # levels beyond the style's
    lpips: float | None  # distance to the content, where it was asked for


def evaluate(
    content: inputs.Source,
    style: inputs.Source | Sequence[inputs.Source],
    images: Sequence[inputs.Source],
    config: configs.EvaluationConfig | None = None,
    *,
    style_masks: Sequence[inputs.Source] = (),
    objective: objectives.Objective | None = None,
    on_message: messages.OnMessage = messages.log,
) -> tuple[Score, ...]:
    """Judges pictures that were made from one content and one style.

    Each is judged at its own size, with the content scaled to it and the style as a run of that size would read it.
    Losses of pictures of different sizes are comparable if the reduction is `mean`.

    Args:
        content: a path, `sample:NAME`, an `images.Picture`, or an array or tensor, as for `transfer.stylize`.
        style: the same, or a list or tuple of several.
        images: the pictures to judge, in the same forms.
        config: the objective, and whether to compute LPIPS.
        style_masks: none, or one picture for each style: white where it goes. Each region is then compared with its
            style, and `style_1` and so on are the distances of the regions, whatever their size.
        objective: used instead of the one that config describes.
        on_message: receives lines for the user.

    Returns:
        A score for each picture, in order.

    Raises:
        NstError: a picture, setting or network is unusable; the message says how to fix it.
    """
    config = configs.as_config(config, configs.EvaluationConfig)
    judge = config.judge if objective is None else objective.config
    pairs = inputs.read_judged(content, style, images, judge)
    given = masks.Given(style_masks)
    masks.check(given, len(pairs[0][1].styles), judge.style_blend)
    if config.lpips != "none":
        for picture, _ in pairs:
            lpips.check_size(config.lpips, picture.height_px, picture.width_px)
    if objective is None:
        objective = on_vgg19.SharedNetworks(judge.layers).network(judge, on_message).objective
    if style_masks:
        if not guidance.can_guide(objective.named_terms):
            raise errors.ConfigError(
                "style_masks need style terms that are means over positions: gram, w2, moments. Received: others. "
                "Leave out the masks, or choose among these."
            )
        objective = guidance.guided(objective)
    distance = None if config.lpips == "none" else lpips.load(config.lpips, on_message=on_message)
    stride = vgg.stride_px(judge.layers[-1])
    targets: dict[tuple[int, int], _Targets] = {}  # by size: the pictures of a size share their inputs
    scores = []
    for picture, pictures in pairs:
        size = (picture.height_px, picture.width_px)
        if size not in targets:
            targets[size] = _targets(objective, masks.read_content_masks(pictures, given), judge, stride)
        found = [artefacts.measure(picture.pixels, pictures.content.pixels, s.pixels) for s in pictures.styles]
        judged = colours.grey(picture.pixels) if judge.colours == "luminance" else picture.pixels
        terms = objective.terms(_padded(judged, stride), targets[size].whole)
        losses = {name: float(value[0]) for name, value in (terms.values | {"total": terms.total}).items()}
        for number, (share, region) in enumerate(targets[size].regions, 1):
            values = objective.terms(_padded(judged, stride), region).values
            of_style = [term.name for term in objective.feature_terms if term.compares_with == "style"]
            losses |= {f"{name}_{number}": float(values[name][0]) / share for name in of_style}
        scores.append(
            Score(
                image=picture.name,
                width_px=picture.width_px,
                height_px=picture.height_px,
                losses=losses,
                noise=noise.high_frequency_share(picture.pixels),
                crosshatch=min(each.crosshatch for each in found),  # what no style has
                specks=min(each.specks for each in found),
                frame=min(each.frame for each in found),
                lpips=None if distance is None else float(distance(picture.pixels, pictures.content.pixels)[0]),
            )
        )
    return tuple(scores)


def as_csv(scores: Sequence[Score]) -> bytes:
    """The scores as CSV with a header, one row for each picture; lpips is empty if it was not computed.

    Example:
        >>> from nst_tf import evaluation
        >>> losses = {"content": 0.4, "style": 0.3, "total_variation": 0.1, "total": 0.8}
        >>> score = evaluation.Score("out.png", 512, 408, losses, 0.02, 1.0, 2.0, 0.0, None)
        >>> print(evaluation.as_csv([score]).decode())
        image,width_px,height_px,content,style,total_variation,total,noise,crosshatch,specks,frame,lpips
        out.png,512,408,0.4,0.3,0.1,0.8,0.02,1,2,0,
        <BLANKLINE>
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_columns(scores[0]))
    writer.writerows(_row(score, "") for score in scores)
    return text.getvalue().encode(errors="backslashreplace")  # a file name may be bytes that are no text


def as_text(scores: Sequence[Score]) -> str:
    """The scores as a text table in columns, for people.

    Example:
        >>> from nst_tf import evaluation
        >>> losses = {"content": 0.4, "style": 0.3, "total_variation": 0.1, "total": 0.8}
        >>> score = evaluation.Score("out.png", 512, 408, losses, 0.02, 1.0, 2.0, 0.0, None)
        >>> header, row = evaluation.as_text([score]).splitlines()
        >>> row.split()
        ['out.png', '512', '408', '0.4', '0.3', '0.1', '0.8', '0.02', '1', '2', '0', '-']
    """
    rows = [list(_columns(scores[0])), *(_row(score, "-") for score in scores)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


class _Targets(NamedTuple):
    """What the pictures of one size are compared with."""

    whole: objectives.Targets
    regions: list[tuple[float, objectives.Targets]]  # with their shares of the picture; empty without masks


def _targets(
    objective: objectives.Objective, pictures: inputs.Inputs, judge: configs.StyleTransferConfig, stride: int
) -> _Targets:
    """The targets of pictures with their masks."""
    seen = controls.before(pictures, judge)
    styles = [tf.constant(style.pixels) for style in seen.styles]
    content = _padded(seen.content.pixels, stride)
    if not pictures.masks:
        return _Targets(objective.targets(content, styles), [])
    measured = [guidance.measured(objective, style, tf.ones_like(style[..., :1])) for style in styles]
    shares = masks.shares(pictures)
    assert shares is not None  # there are masks
    planes = [shares[..., [number]] for number in range(len(styles))]
    regions = [
        (float(plane.mean()), guidance.targets(objective, content, _padded(plane, stride), one))
        for plane, one in zip(planes, measured, strict=True)
    ]
    whole = guidance.targets(objective, content, _padded(shares, stride), guidance.together(measured))
    return _Targets(whole, regions)


def _columns(score: Score) -> dict[str, Any]:
    """A score with its losses as columns of their own."""
    columns: dict[str, Any] = {}
    for name, value in score._asdict().items():
        columns |= value if name == "losses" else {name: value}
    return columns


def _row(score: Score, absent: str) -> list[str]:
    values = _columns(score).values()
    return [absent if value is None else f"{value:.5g}" if isinstance(value, float) else str(value) for value in values]


def _padded(pixels: Any, stride: int) -> tf.Tensor:
    """Pads like a run, so that the losses are those of a run."""
    return vgg.padded(tf.constant(pixels), stride)
