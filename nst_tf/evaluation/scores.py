"""evaluate(): pictures by any method, judged by the one objective of the project and by what it does not see."""

import csv
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from nst_tf import configs, messages, vgg
from nst_tf.evaluation import artefacts, lpips, noise
from nst_tf.losses import objective as objectives
from nst_tf.losses import on_vgg19
from nst_tf.optimisation import schedule
from nst_tf.pictures import inputs


class Score(NamedTuple):
    """What is known of one picture."""

    image: str
    width_px: int
    height_px: int
    content: float  # alpha L_content
    style: float  # beta L_style
    total: float  # eq. 7 plus the total variation
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
    objective: objectives.Objective | None = None,
    on_message: messages.OnMessage = messages.log,
) -> tuple[Score, ...]:
    """Judges pictures that were made of one content and one style.

    Each is judged at its own size, against the content scaled to it and the style as a run of that size would read it.
    Losses of pictures of different sizes can be compared where the reduction is `mean`.

    Args:
        content: a path, `sample:NAME`, an `images.Picture`, or an array or tensor, as for `transfer.stylize`.
        style: the same, or a list or tuple of several.
        images: the pictures to judge, in the same forms.
        config: the objective, and whether LPIPS is wanted.
        objective: one to use in place of the one that config describes.
        on_message: called with lines worth telling the user.

    Returns:
        A score for each picture, in order.

    Raises:
        NstError: a picture, setting or network that does not serve.
    """
    config = configs.EvaluationConfig() if config is None else config
    judge = config.judge if objective is None else objective.config
    pairs = inputs.read_judged(content, style, images, judge)
    if objective is None:
        objective = on_vgg19.SharedNetworks(judge.layers).network(judge, on_message).objective
    distance = None if config.lpips == "none" else lpips.load(config.lpips, on_message=on_message)
    stride = vgg.stride_px(judge.layers[-1])
    targets: dict[int, objectives.Targets] = {}  # by the pictures of a size
    scores = []
    for picture, pictures in pairs:
        if id(pictures) not in targets:
            styles = [tf.constant(style.pixels) for style in pictures.styles]
            targets[id(pictures)] = objective.targets(_padded(pictures.content.pixels, stride), styles)
        found = [artefacts.measure(picture.pixels, pictures.content.pixels, s.pixels) for s in pictures.styles]
        terms = objective.terms(_padded(picture.pixels, stride), targets[id(pictures)])
        scores.append(
            Score(
                image=picture.name,
                width_px=picture.width_px,
                height_px=picture.height_px,
                content=float(terms.content[0]),
                style=float(terms.style[0]),
                total=float(terms.total[0]),
                noise=noise.high_frequency_share(picture.pixels),
                crosshatch=min(each.crosshatch for each in found),  # what no style has
                specks=min(each.specks for each in found),
                frame=min(each.frame for each in found),
                lpips=None if distance is None else float(distance(picture.pixels, pictures.content.pixels)[0]),
            )
        )
    return tuple(scores)


def as_csv(scores: Sequence[Score]) -> bytes:
    """A table with a header, one row for each picture; lpips is empty where it was not asked for."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Score._fields)
    writer.writerows(_row(score, "") for score in scores)
    return text.getvalue().encode()


def as_text(scores: Sequence[Score]) -> str:
    """The same in columns, for people."""
    rows = [Score._fields, *(_row(score, "-") for score in scores)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(Score._fields))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(score: Score, absent: str) -> tuple[str, ...]:
    return tuple(
        absent if value is None else f"{value:.5g}" if isinstance(value, float) else str(value) for value in score
    )


def _padded(pixels: Any, stride: int) -> tf.Tensor:
    """As a run pads it, so that the losses are those of a run."""
    return schedule.padded(tf.constant(pixels), stride)
