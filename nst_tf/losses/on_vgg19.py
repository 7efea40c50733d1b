"""The objective on VGG-19 with its weights, shared by configurations that tap the same network."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from nst_tf import configs, fastest_convolution, messages, precision, vgg
from nst_tf.losses import objective as objectives
from nst_tf.weights import cache, vgg19


class Network(NamedTuple):
    """An objective on its network, and what to record of them."""

    objective: objectives.Objective
    policy: str  # Keras dtype policy; "as given" where an extractor was given
    weights: dict[str, str]  # network, source, sha256, licence
    convolution: str = "as given"  # one of `vgg.forms.FORMS`; "as given" where an extractor was given


class SharedNetworks:
    """VGG-19 for several configurations: its weights are loaded once, an extractor is built once for each depth.

    Args:
        layers: every layer that one of the configurations taps.
    """

    def __init__(self, layers: Sequence[str]) -> None:
        self._layers = frozenset(layers)
        self._weights: dict[tuple[str, str], vgg19.VggWeights] = {}
        self._extractors: dict[tuple[str, ...], Any] = {}

    def loaded(self, config: configs.StyleTransferConfig, on_message: messages.OnMessage) -> vgg19.VggWeights:
        """The weights that a configuration names."""
        key = (config.weights, config.network)
        if key not in self._weights:
            self._weights[key] = vgg19.load(config.weights, network=config.network, on_message=on_message)
            on_message(f"weights: {self._weights[key].source}")
        return self._weights[key]

    def network(self, config: configs.StyleTransferConfig, on_message: messages.OnMessage) -> Network:
        """The objective of a configuration on its network, which ends at the deepest layer of the configuration."""
        policy, reason = precision.resolve(config.precision)
        convolution = fastest_convolution.resolve(config.convolution, policy, cache.folder())
        key = (config.weights, config.network, config.layers[-1], config.pooling, policy, convolution.form)
        if key not in self._extractors:
            if not self._extractors:
                on_message(f"precision: {policy}, {reason}")
                on_message(f"convolution: {convolution.form}, {convolution.reason}")
            convolutions = self.loaded(config, on_message).convolutions
            taps = [layer for layer in vgg.up_to(config.layers) if layer in self._layers.union(config.layers)]
            self._extractors[key] = vgg.feature_extractor(
                convolutions, taps, pooling=config.pooling, policy=policy, convolution=convolution.form
            )
        loaded = self.loaded(config, on_message)
        recorded = {name: getattr(loaded, name) for name in ("network", "source", "sha256", "licence")}
        objective = objectives.Objective(extractor=self._extractors[key], config=config)
        return Network(objective, policy, recorded, convolution.form)
