"""AdaIN for Beam's `RunInference`: pictures in, the same pictures in a style out."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from apache_beam.ml.inference import base

from nst_tf import configs, errors
from nst_tf.export import manifest
from nst_tf.pictures import guided_filter, images, inputs, masks
from nst_tf.pipelines import stores

Stylise = Callable[[np.ndarray], np.ndarray]  # float32 [B, H, W, 3] in [0, 1] -> the same shape


class AdainModelHandler(base.ModelHandler[Any, base.PredictionResult, Stylise]):
    """Stylises pictures in `RunInference`.

        handler = AdainModelHandler(["painting.jpg"], configs.BatchConfig(max_side_px=512))
        pictures | RunInference(handler)

    An example is one picture: an array or tensor as `images.from_array` takes it, or the bytes of a file. The inference
    of its `PredictionResult` is float32 [H, W, 3], sRGB in [0, 1], its long side at most config.max_side_px. Pictures
    of one size pass the network together, and each result is that of the picture alone. What is no picture raises
    `ImageError`; Beam's `with_exception_handling` sets the batch that it is in aside.

    Args:
        styles: paths or URLs that every worker reaches, `sample:NAME`, bytes or arrays; none where config.bundle has
            its style baked in.
        config: the settings; suffix is of no use here.
        style_sha256: the hashes that the styles' files must have, or none.
        manifest_sha256: the hash that the bundle's manifest must have, or none.
    """

    def __init__(
        self,
        styles: Sequence[inputs.Source] = (),
        config: configs.BatchConfig | None = None,
        *,
        style_sha256: Sequence[str] = (),
        manifest_sha256: str = "",
    ) -> None:
        config = configs.BatchConfig() if config is None else config
        super().__init__(min_batch_size=1, max_batch_size=config.batch_size)
        if bool(styles) == bool(config.bundle):
            raise errors.ConfigError(
                f"the handler needs either styles or a bundle. Received: {'both' if styles else 'neither'}."
            )
        self._styles = tuple(styles)
        self._config = config
        self._style_sha256 = tuple(style_sha256)
        self._manifest_sha256 = manifest_sha256

    def load_model(self) -> Stylise:
        """Loads the bundle, or builds the network and encodes the style, once in each worker process.

        Raises:
            NstError: a style, a bundle or weights that cannot be read, or that are others than the hashes say.
        """
        import tensorflow as tf

        if self._config.threads:
            tf.config.threading.set_intra_op_parallelism_threads(self._config.threads)
            tf.config.threading.set_inter_op_parallelism_threads(self._config.threads)
        if self._config.colours != "style":  # then the style differs from picture to picture
            drawn = self.engine()
            return lambda pixels: np.concatenate([drawn(one[np.newaxis], masks.Given()) for one in pixels])
        stylise = self._from_bundle() if self._config.bundle else self._built()

        def filtered(pixels: np.ndarray) -> np.ndarray:
            pairs = zip(stylise(pixels), pixels, strict=True)
            return np.stack(
                [guided_filter.of_photograph(image[None], own[None], self._config)[0] for image, own in pairs]
            )

        return filtered

    def run_inference(
        self, batch: Sequence[Any], model: Stylise, inference_args: dict[str, Any] | None = None
    ) -> Iterator[base.PredictionResult]:
        """The stylised picture of each example, in their order.

        Raises:
            ImageError: an example that is no picture.
            ConfigError: inference_args, of which there are none.
        """
        if inference_args:
            raise errors.ConfigError(
                f"the handler takes no inference_args. Received: {', '.join(inference_args)}. Put the settings into "
                "its config."
            )
        by_size: dict[Any, list[tuple[int, np.ndarray]]] = {}
        for place, example in enumerate(batch):
            picture = inputs.read_picture_for_one_pass(example, f"example {place}", self._config.max_side_px)
            by_size.setdefault(picture.pixels.shape, []).append((place, picture.pixels))
        stylised: dict[int, np.ndarray] = {}
        for pairs in by_size.values():
            places, pixels = zip(*pairs, strict=True)
            stylised |= dict(zip(places, model(np.concatenate(pixels)), strict=True))
        for place, example in enumerate(batch):
            yield base.PredictionResult(example, stylised[place])

    def get_num_bytes(self, batch: Sequence[Any]) -> int:
        """Of the examples, for Beam's metrics."""
        return sum(len(example) if isinstance(example, bytes) else np.asarray(example).nbytes for example in batch)

    def _from_bundle(self) -> Stylise:
        import tensorflow as tf

        with tempfile.TemporaryDirectory(prefix="nst-tf-bundle-") as temporary:
            folder = pathlib.Path(self._config.bundle)
            if stores.is_in_store(self._config.bundle):
                folder = pathlib.Path(temporary)
                stores.fetch(self._config.bundle, folder)
            if self._manifest_sha256 not in ("", manifest.read(folder).sha256):
                raise errors.ExportError(
                    f"{self._config.bundle}: a bundle must stay as it is while the job runs. Received: another "
                    "manifest than at its start. Run again."
                )
            bundle = tf.saved_model.load(str(folder))  # which reads every variable
        run = bundle.signatures["stylize_tensor"]
        strength = self._config.strength

        def stylise(pixels: np.ndarray) -> np.ndarray:
            try:
                outputs = run(content=tf.constant(pixels), style_strength=tf.fill([len(pixels)], strength))
            except tf.errors.InvalidArgumentError as error:  # a check of the graph, such as its least size
                reason = error.message.rpartition("assertion failed: [")[2].partition("[[{{")[0].strip()
                raise errors.ImageError(errors.one_line(reason.removesuffix("]"))) from error
            return np.asarray(outputs["stylized"])

        return stylise

    def _built(self) -> Stylise:
        import tensorflow as tf

        from nst_tf.networks import adain

        config = self._config
        network = adain.load(dtype_policy=config.precision, encoder=config.weights, decoder=config.decoder).network
        pictures = self._read_styles()
        style = adain.blend([network.style_moments(picture.pixels) for picture in pictures], config.style_blend)

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])], autograph=False)
        def apply(pixels: tf.Tensor) -> tf.Tensor:
            return network.apply(pixels, style, config.strength)

        return lambda pixels: np.asarray(apply(tf.constant(pixels)))

    def engine(self) -> Callable[[inputs.Source, masks.Given], np.ndarray]:
        """Builds the network for pictures one at a time, with their masks: transparent ones and those of --colours."""
        from nst_tf.networks import one_pass

        names = {field.name for field in dataclasses.fields(configs.AdainConfig)}
        shared = {name: getattr(self._config, name) for name in names if hasattr(self._config, name)}
        side_px = self._config.style_max_side_px or self._config.max_side_px
        shared |= {"style_max_side_px": side_px, "convolution": "direct"}  # as for the pictures that come in batches
        transfer = one_pass.AdainTransfer(configs.AdainConfig(**shared))
        styles = self._read_styles()

        def drawn(picture: inputs.Source, given: masks.Given) -> np.ndarray:
            return transfer(
                picture, styles, style_masks=given.styles, keep_mask=given.keep, on_message=lambda _: None
            ).image

        return drawn

    def _read_styles(self) -> list[images.Picture]:
        side_px = self._config.style_max_side_px or self._config.max_side_px
        pictures = [read_style(source, f"style {n}", side_px) for n, source in enumerate(self._styles)]
        for picture, sha256 in zip(pictures, self._style_sha256, strict=bool(self._style_sha256)):
            if picture.sha256 != sha256:
                raise errors.ImageError(f"{picture.name}: the style must stay as it is while the job runs. Run again.")
        return pictures


def read_file(path: str) -> bytes:
    """The bytes of a picture file, here or in a store.

    Raises:
        ImageError: it cannot be read.
    """
    return stores.read(path) if stores.is_in_store(path) else images.read(path)


def read_style(source: inputs.Source, name: str, side_px: int) -> images.Picture:
    """A style picture, scaled down to a long side.

    Raises:
        ImageError: it cannot be read, or is too small.
    """
    if isinstance(source, str) and stores.is_in_store(source):
        source = images.load(stores.read(source), name=source)
    return inputs.read_style_for_one_pass(source, name, side_px)
