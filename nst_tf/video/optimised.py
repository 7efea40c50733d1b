"""The slow method on a film: each frame is optimised from the one before it, under the temporal term."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from nst_tf import configs, messages
from nst_tf.losses import on_vgg19, temporal
from nst_tf.optimisation import transfer
from nst_tf.pictures import flow
from nst_tf.video import steady


class OptimisedArtist:
    """Draws the frames of a film by the method of Gatys et al. with the temporal term of Ruder et al.

    The first frame of a scene is an ordinary run. Every other one starts from the frame before it, moved along the
    flow, and is compared with earlier frames: with the nearest where it can be relied on, with a farther one where all
    nearer ones were hidden.

    Source: Ruder, Dosovitskiy & Brox 2016, sections 4.1 to 4.3.  Deviations: where the frame before cannot be relied on
    a frame starts from its photograph (theirs: the mean pixel); one pass over the film; a number of steps for each
    frame in place of a test for convergence.

    Args:
        style: the style pictures, as `stylize` takes them.
        config: of a frame.
        video: temporal_weight, temporal_distances and next_steps.
        networks: in place of VGG-19.
    """

    def __init__(
        self,
        style: Any,
        config: configs.StyleTransferConfig,
        video: configs.VideoConfig,
        *,
        networks: on_vgg19.SharedNetworks | None = None,
    ) -> None:
        self._style = style
        self._first = config
        self._next = dataclasses.replace(config, initialisation="content", steps=video.next_steps, scales=1)
        self._distances = sorted({round(distance) for distance in video.temporal_distances})
        self._references = temporal.References()
        term = temporal.TemporalTerm(
            weight=video.temporal_weight, references=self._references, most=len(self._distances)
        )
        networks = networks or on_vgg19.SharedNetworks(config.layers)
        self._engine = transfer.StyleTransfer(config, networks=_WithTerm(networks, term))
        self._earlier: list[_Drawn] = []  # newest last
        self._told: set[str] = set()

    def draw(self, photograph: np.ndarray, on_message: messages.OnMessage) -> np.ndarray:
        """The next frame, float32 [H, W, 3] in [0, 1] like the photograph."""
        once = messages.once(on_message, self._told)
        references, start = self._compared(photograph)
        self._references.current = references
        self._engine.reconfigure(self._first if start is None else self._next)
        drawn = self._engine(photograph, self._style, start=start, on_message=once).image[0]
        self._earlier = [*self._earlier, _Drawn(photograph, drawn)][-max(self._distances, default=1) :]
        return drawn

    def state(self) -> steady.State:
        """What the next frames depend on."""
        return {
            f"{field.name} {index}": getattr(earlier, field.name)
            for index, earlier in enumerate(self._earlier)
            for field in dataclasses.fields(earlier)
        }

    def restore(self, state: steady.State) -> None:
        """Continues where `state` was taken."""
        count = len(state) // len(dataclasses.fields(_Drawn))
        self._earlier = [
            _Drawn(np.asarray(state[f"photograph {index}"]), np.asarray(state[f"drawn {index}"]))
            for index in range(count)
        ]

    def _compared(self, photograph: np.ndarray) -> tuple[Sequence[temporal.Reference], np.ndarray | None]:
        """What the next frame is compared with, and where it starts; nothing at the first frame of a scene."""
        if not self._earlier:
            return (), None
        motion = flow.between(photograph, self._earlier[-1].photograph, fine=True)
        if motion.reliability < steady.CUT_RELIABILITY:
            self._earlier = []
            return (), None
        reliable = motion.reliable[..., np.newaxis]
        before = flow.warped(self._earlier[-1].drawn, motion.backward).clip(0, 1)
        start = reliable * before + (1 - reliable) * photograph
        references = []
        seen = np.zeros_like(motion.reliable)  # by the nearer references
        for distance in self._distances:
            if distance > len(self._earlier):
                break
            earlier = self._earlier[-distance]
            motion = motion if distance == 1 else flow.between(photograph, earlier.photograph, fine=True)
            weights = (motion.reliable - seen).clip(0, 1)  # c_long of eq. 9
            references.append(temporal.Reference(flow.warped(earlier.drawn, motion.backward).clip(0, 1), weights))
            seen += motion.reliable
        return references, start


@dataclasses.dataclass(frozen=True, eq=False)
class _Drawn:
    """An earlier frame, float32 [H, W, 3] each."""

    photograph: np.ndarray
    drawn: np.ndarray


class _WithTerm(on_vgg19.SharedNetworks):
    """Networks whose objective has one more term."""

    def __init__(self, networks: on_vgg19.SharedNetworks, term: temporal.TemporalTerm) -> None:
        self._networks = networks
        self._term = term

    def network(self, config: configs.StyleTransferConfig, on_message: messages.OnMessage) -> on_vgg19.Network:
        """The objective of a configuration, with the term as its last."""
        network = self._networks.network(config, on_message)
        named_terms = (*network.objective.named_terms, self._term)
        return network._replace(objective=dataclasses.replace(network.objective, named_terms=named_terms))
