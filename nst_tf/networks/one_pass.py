"""A picture in the style of another in one pass, from two pictures and a configuration to a saved result."""

import dataclasses
import functools
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import configs, engine_lock, errors, messages, results
from nst_tf.networks import adain
from nst_tf.pictures import controls, guided_filter, images, inputs, masks, transparency
from nst_tf.weights import known_styles

_OF_THE_NETWORK = ("weights", "decoder", "precision", "convolution")  # settings; the others belong to a picture


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AdainResult(results.Result):
    """A picture stylised in one pass, and how it was made.

    `seconds` includes the first call's building of the network; `network` has an entry for encoder and decoder each,
    `inputs` lists the masks after the styles, and `convolution` is the form in which convolutions were computed.
    """

    method: ClassVar[str] = "adain"

    convolution: str


class AdainTransfer:
    """A configuration made ready: network and traced pass, reused from picture to picture.

    Building it does no work; the first call loads the network. A style that comes again is not encoded again. Calls
    from several threads wait for each other.

    Args:
        config: the settings; the defaults when left out.
        loaded: a network to use in place of the one that config describes.
    """

    def __init__(self, config: configs.AdainConfig | None = None, *, loaded: adain.Loaded | None = None) -> None:
        self.config = configs.as_config(config, configs.AdainConfig)
        self._engine = None if loaded is None else _engine(loaded)
        self._styles: dict[str, adain.Moments] = {}  # by hash of the pixels; those of the last call
        self._lock = engine_lock.EngineLock()

    def __call__(
        self,
        content: inputs.Source,
        style: inputs.Source | Sequence[inputs.Source],
        *,
        style_masks: Sequence[inputs.Source] = (),
        style_own_masks: Sequence[inputs.Source] = (),
        keep_mask: inputs.Source | None = None,
        on_message: messages.OnMessage = messages.log,
    ) -> AdainResult:
        """Stylises one picture.

        Args:
            content: a path, `sample:NAME`, an `images.Picture`, or an array or tensor [H, W, 3] or [1, H, W, 3] (uint8,
                or floats in [0, 1], sRGB). Larger than config.max_side_px, it is scaled down; never up.
            style: the same, or a list or tuple of several.
            style_masks: none, or one such picture for each style: white where the style goes, black where not.
            style_own_masks: none, or one for each style picture: white where its style is taken from.
            keep_mask: a picture that is white where the content stays as it is; soft edges blend.
            on_message: called with lines worth telling the user, such as where the weights came from.

        Raises:
            NstError: a picture, setting or network is unusable; the message says how to fix it.
        """
        with self._lock:
            started = time.perf_counter()
            given = masks.Given(style_masks, style_own_masks, keep_mask)
            known_styles.check_pictures(style)
            pictures = masks.read(inputs.read_one_pass(content, style, self.config), given, self.config.style_blend)
            pictures = transparency.straightened(pictures)
            for note in pictures.notes:
                on_message(note)
            seen = controls.before(pictures, self.config)
            image = guided_filter.of_photograph(self.image_of(seen, on_message), seen.content.pixels, self.config)
            image = controls.after(image, pictures.content, self.config)
            return AdainResult(
                image=controls.with_kept(image, pictures.content, masks.kept(pictures, with_uncovered=False)),
                alpha=pictures.content.alpha,
                config=self.config,
                seconds=time.perf_counter() - started,
                precision=self._loaded(on_message).policy,
                network=self._loaded(on_message).weights,
                convolution=self._loaded(on_message).convolution,
                inputs=pictures.identities,
            )

    def can_take(self, config: configs.AdainConfig) -> bool:
        """Whether `reconfigure` takes a configuration: one with the same network."""
        return all(getattr(config, name) == getattr(self.config, name) for name in _OF_THE_NETWORK)

    def reconfigure(self, config: configs.AdainConfig) -> None:
        """Takes other settings for the pictures to come; the network and its traced pass are kept.

        Args:
            config: one that `can_take` accepts.
        """
        if not self.can_take(config):
            raise ValueError(f"an engine keeps its network. Received: {config}, not {self.config}")
        with self._lock:
            self.config = config

    def image_of(self, pictures: inputs.Inputs, on_message: messages.OnMessage = messages.log) -> np.ndarray:
        """What the network makes of pictures as `controls.before` gives them: float32 [1, H, W, 3] in [0, 1]."""
        self._loaded(on_message)
        assert self._engine is not None
        try:
            return np.asarray(self._stylised(self._engine, pictures))
        except tf.errors.ResourceExhaustedError as error:
            raise errors.not_enough_memory(pictures.content.width_px, pictures.content.height_px) from error

    def _loaded(self, on_message: messages.OnMessage) -> adain.Loaded:
        """The network, loaded at the first call."""
        if self._engine is None:
            self._engine = _engine(
                adain.load(
                    dtype_policy=self.config.precision,
                    encoder=self.config.weights,
                    decoder=self.config.decoder,
                    convolution=self.config.convolution,
                    on_message=on_message,
                )
            )
        return self._engine.loaded

    def _stylised(self, engine: "_Engine", pictures: inputs.Inputs) -> tf.Tensor:
        content, shares = pictures.content.pixels, masks.shares(pictures)
        known, self._styles = self._styles, {}
        styles = []
        for picture, weights in zip(pictures.styles, masks.style_weights(pictures), strict=True):
            key = hashlib.sha256(picture.pixels.tobytes() + weights.tobytes()).hexdigest() + str(picture.pixels.shape)
            self._styles[key] = known[key] if key in known else engine.moments(picture.pixels, weights)
            styles.append(self._styles[key])
        strength = tf.constant(self.config.strength)
        if not pictures.masks:
            styles = [adain.blend(styles, self.config.style_blend)]
        if shares is None:
            return engine.apply(content, styles[0], strength)
        return engine.apply_regions(content, adain.together(styles), shares, strength)


def start(
    pictures: inputs.Inputs, config: configs.StyleTransferConfig, on_message: messages.OnMessage
) -> images.Picture:
    """What an optimisation with `initialisation=adain` starts from: its own pictures, stylised in one pass."""
    one_pass = configs.AdainConfig(
        max_side_px=config.max_side_px,
        style_max_side_px=config.style_max_side_px,
        style_blend=config.style_blend,
        strength=config.strength,
        weights=config.weights if config.network == "normalised" else "auto",
        precision=config.precision,
        convolution="direct",  # a run that is resumed starts at the same image
    )
    image = _shared_transfer(one_pass).image_of(pictures, on_message)
    return images.Picture(pixels=image, alpha=None, sha256=hashlib.sha256(image.tobytes()).hexdigest(), name="adain")


@functools.lru_cache(maxsize=1)
def _shared_transfer(config: configs.AdainConfig) -> AdainTransfer:
    """Lets optimisations in a row with one configuration load and trace their first pass once."""
    return AdainTransfer(config)


class _Engine(NamedTuple):
    """The network and its traced passes, each for every size."""

    loaded: adain.Loaded
    moments: Callable[..., adain.Moments]
    apply: Callable[..., tf.Tensor]
    apply_regions: Callable[..., tf.Tensor]


def _engine(loaded: adain.Loaded) -> _Engine:
    network = loaded.network
    signature = [tf.TensorSpec([1, None, None, channels]) for channels in (3, 1)]
    return _Engine(
        loaded,
        tf.function(network.style_moments, input_signature=signature, autograph=False),
        tf.function(network.apply, reduce_retracing=True, autograph=False),
        tf.function(network.apply_regions, reduce_retracing=True, autograph=False),
    )
