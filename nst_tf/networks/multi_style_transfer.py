"""A picture in styles that one network knows, from a picture and the styles' names to a saved result."""

import dataclasses
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import configs, engine_lock, errors, messages, results
from nst_tf.networks import multi_style
from nst_tf.pictures import controls, inputs, masks, transparency
from nst_tf.weights import known_styles, style_files


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MultiStyleResult(results.Result):
    """A picture stylised by the network for many styles, and how it was made.

    `seconds` includes the first call's building of the network; `inputs` has name and sha256 of the content picture, of
    each style and of each mask.
    """

    method: ClassVar[str] = "multi-style"


class MultiStyleTransfer:
    """A configuration made ready: network and traced pass, reused from picture to picture.

    Building it does no work; the first call loads the network. Calls from several threads wait for each other.

    Args:
        config: the settings; the defaults when left out.
        loaded: a network to use in place of the one that config describes.
    """

    def __init__(
        self, config: configs.MultiStyleConfig | None = None, *, loaded: multi_style.Loaded | None = None
    ) -> None:
        self.config = configs.as_config(config, configs.MultiStyleConfig)
        self._given = None if loaded is None else _engine(loaded)
        self._engines: dict[str, _Engine] = {}  # by their networks' names
        self._lock = engine_lock.EngineLock()

    def __call__(
        self,
        content: inputs.Source,
        style: known_styles.Source | Sequence[known_styles.Source],
        *,
        style_masks: Sequence[inputs.Source] = (),
        keep_mask: inputs.Source | None = None,
        on_message: messages.OnMessage = messages.log,
    ) -> MultiStyleResult:
        """Stylises one picture.

        Args:
            content: a path, `sample:NAME`, an `images.Picture`, or an array or tensor [H, W, 3] or [1, H, W, 3] (uint8,
                or floats in [0, 1], sRGB). Larger than config.max_side_px, it is scaled down; never up.
            style: `style:7` for one of the network's own, `style:NAME` or NAME for one that comes with the package, the
                path of a file that `nst-tf train` wrote, or a `style_files.StyleFile`; or several, which are blended.
            style_masks: none, or one picture for each style: white where the style goes, black where not. What none of
                them covers keeps its content.
            keep_mask: a picture that is white where the content stays as it is; soft edges blend.
            on_message: called with lines worth telling the user, such as where the weights came from.

        Raises:
            NstError: a picture, style or network that cannot be used; the message says how to fix it.
        """
        with self._lock:
            started = time.perf_counter()
            read = known_styles.read(style, self.config)
            given = masks.Given(style_masks, keep=keep_mask)
            masks.check(given, len(read), self.config.style_blend)
            picture = inputs.read_picture(content, "content", self.config.max_side_px)
            if min(picture.height_px, picture.width_px) < multi_style.MINIMUM_SIDE_PX:
                raise errors.ImageError(
                    f"{picture.name}: the shorter side must be at least {multi_style.MINIMUM_SIDE_PX} px for "
                    f"multi-style. Received: {picture.width_px} x {picture.height_px} px. Use a larger picture or size."
                )
            pictures = masks.read_content_masks(inputs.Inputs(transparency.straight(picture), ()), given)
            for note in pictures.notes:
                on_message(note)
            engine = self._given or self._engine_of(read, on_message)
            loaded = engine.loaded
            chosen = [numbers(one, loaded, self.config.stroke_size_px) for one in read]
            try:
                image = self._drawn(engine, pictures, chosen)
            except tf.errors.ResourceExhaustedError as error:
                raise errors.not_enough_memory(picture.width_px, picture.height_px) from error
            picture = pictures.content
            image = controls.blended(picture.pixels, image, self.config.strength)
            image = controls.with_kept(image, picture, masks.kept(pictures, with_uncovered=False))
            content_about, *masks_about = pictures.identities
            return MultiStyleResult(
                image=image,
                alpha=picture.alpha,
                config=self.config,
                seconds=time.perf_counter() - started,
                precision="float32",
                network=loaded.weights,
                inputs=(
                    content_about,
                    *(identity(one, values) for one, values in zip(read, chosen, strict=True)),
                    *masks_about,
                ),
            )

    def _drawn(self, engine: "_Engine", pictures: inputs.Inputs, styles: Sequence[multi_style.Style]) -> np.ndarray:
        """The picture in its styles: in their blend, or each where its mask is."""
        content, shares = pictures.content, masks.shares(pictures)
        if not pictures.masks:
            styles = [multi_style.blend(styles, self.config.style_blend)]
        visible = () if content.alpha is None else (content.alpha,)
        apply = engine.apply if content.alpha is None else engine.apply_visible
        drawn = [
            controls.of_result(apply(content.pixels, *style, *visible).numpy(), content, self.config)
            for style in styles
        ]
        if shares is None:
            return drawn[0]
        covered = np.sum([shares[..., [k]] * image for k, image in enumerate(drawn)], axis=0)
        return np.asarray(covered + (1 - shares.sum(axis=-1, keepdims=True)) * content.pixels).clip(0, 1)

    def _engine_of(
        self, styles: Sequence[known_styles.Known | style_files.StyleFile], on_message: messages.OnMessage
    ) -> "_Engine":
        """The engine of the network that draws some styles."""
        network = known_styles.network_of(styles, self.config.network_file)
        if network not in self._engines:
            self._engines[network] = _engine(multi_style.load(network, on_message=on_message))
        return self._engines[network]

    def can_take(self, config: configs.MultiStyleConfig) -> bool:
        """Whether `reconfigure` takes a configuration: any, since each network is kept under its name."""
        return isinstance(config, configs.MultiStyleConfig)

    def reconfigure(self, config: configs.MultiStyleConfig) -> None:
        """Takes other settings for the pictures to come; networks and their traced passes are kept."""
        with self._lock:
            self.config = config


def numbers(
    style: known_styles.Known | style_files.StyleFile, loaded: multi_style.Loaded, stroke_size_px: int | None
) -> multi_style.Style:
    """The scales and shifts [N] of a style.

    Args:
        style: as `known_styles.read` returns it.
        loaded: the network that draws it.
        stroke_size_px: of a file with several sizes; see `style_files.StyleFile.at`.

    Raises:
        StyleError: the network does not have it, or it was learned with another one.
    """
    if isinstance(style, known_styles.Known):
        styles = len(loaded.known.gamma)
        if style.number >= styles:
            raise errors.StyleError(
                f"style:{style.number}: the network's own styles are style:0 to style:{styles - 1}. "
                f"Received: {style.number}. Choose one of them."
            )
        return multi_style.Style(loaded.known.gamma[style.number], loaded.known.beta[style.number])
    if style.kernels is not None and style.network_sha256 != loaded.weights["sha256"]:
        raise errors.StyleError(
            f"{style.name}: multi-style draws styles of its own network. Received: one that brings its network along. "
            "Use --method=one-style."
        )
    if style.network_sha256 != loaded.weights["sha256"] or style.gamma.shape[1] != loaded.network.style_size:
        raise errors.StyleError(
            f"{style.name}: a style must have been learned with the network that draws it. Received: one of another "
            "network. Train it again, or give its network with --network_file."
        )
    return multi_style.Style(*style.at(stroke_size_px))


def identity(style: known_styles.Known | style_files.StyleFile, values: multi_style.Style) -> dict[str, Any]:
    """What a record says of a style: its name, and the hash of the numbers that were used."""
    name = f"{known_styles.PREFIX}{style.number}" if isinstance(style, known_styles.Known) else style.name
    return {
        "name": name,
        "sha256": hashlib.sha256(b"".join(np.asarray(v, "<f4").tobytes() for v in values)).hexdigest(),
    }


class _Engine(NamedTuple):
    """The network and its traced passes, each for every size; one of pictures with transparent parts."""

    loaded: multi_style.Loaded
    apply: Callable[..., tf.Tensor]
    apply_visible: Callable[..., tf.Tensor]


def _engine(loaded: multi_style.Loaded) -> _Engine:
    row = tf.TensorSpec([loaded.network.style_size])

    def apply(image: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, visible: tf.Tensor | None = None) -> tf.Tensor:
        return loaded.network(image, multi_style.Style(gamma, beta), visible)

    signature = [tf.TensorSpec([1, None, None, 3]), row, row]
    with_alpha = [*signature, tf.TensorSpec([1, None, None, 1])]
    return _Engine(
        loaded,
        tf.function(apply, input_signature=signature, autograph=False),
        tf.function(apply, input_signature=with_alpha, autograph=False),
    )
