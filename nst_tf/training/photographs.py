"""The photographs that networks are trained on: found, read, and cut into squares in a seeded order.

Imports no TensorFlow.
"""

import glob
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from nst_tf import errors, messages
from nst_tf.pictures import images, samples

_KEPT = 256  # decoded photographs in memory: 150 MB at most for squares of 192 px
_SIDES_OF_A_SQUARE = 3  # long side, in squares, at which a photograph is kept
_SKY_SHARE = (0.4, 1.0)  # of the height, least and most
_SKY_GRADIENT, _SKY_NOISE = 0.15, 0.004  # standard deviations: of the two ends' colours, of a pixel


def find(folder: str | os.PathLike[str] | None = None) -> tuple[str, ...]:
    """The photographs to train on, sorted.

    Args:
        folder: a folder, searched with all below it, or a glob; None for the photographs among the samples.

    Raises:
        ImageError: there are none.
    """
    if folder is None:
        return tuple(
            f"{samples.PREFIX}{sample.name}" for sample in samples.list_samples() if sample.kind == "photograph"
        )
    name = os.fspath(folder)
    pattern = os.path.join(glob.escape(name), "**", "*") if os.path.isdir(name) else name
    found = tuple(
        path
        for path in sorted(glob.glob(pattern, recursive=True))
        if pathlib.Path(path).suffix.lower() in images.SUFFIXES
    )
    if not found:
        raise errors.ImageError(
            f"{name}: photographs to train on must be a folder or a glob of {', '.join(images.SUFFIXES)}. "
            "Received: no such file there. Name another folder, or leave it out for the samples."
        )
    return found


class Squares:
    """An endless stream of squares out of photographs, the same for one seed.

    A photograph is drawn, scaled by a random factor between its full size (of three squares at most) and the one at
    which the square just holds its shorter side, cut at a random place and mirrored half of the time. Some get an even
    sky: flat areas are what instance normalisation is weakest at, and photographs show few.

    Args:
        photographs: paths, or samples.
        side_px: of the squares.
        flat_share: how many get a sky.
        seed: of everything random.
        on_message: gets one line for each photograph that cannot be read; it is left out from then on.

    Attributes:
        broken: the photographs that could not be read so far.
    """

    def __init__(
        self,
        photographs: Sequence[str],
        side_px: int,
        *,
        flat_share: float,
        seed: int,
        on_message: messages.OnMessage = messages.log,
    ) -> None:
        self._photographs = list(photographs)
        self._side_px = side_px
        self._flat_share = flat_share
        self._seed = seed
        self._random = np.random.default_rng(seed)
        self._on_message = on_message
        self._kept: dict[str, np.ndarray] = {}  # path -> uint8 [H, W, 3]
        self.broken: list[str] = []

    def __next__(self) -> np.ndarray:
        """A square, float32 [1, S, S, 3] in [0, 1].

        Raises:
            ImageError: no photograph is left that can be read.
        """
        side, random = self._side_px, self._random
        pixels = self._drawn()
        height, width = pixels.shape[1:3]
        least = side / min(height, width)
        scale = least if least >= 1 else random.uniform(least, 1)
        pixels = images.resize(pixels, max(side, round(height * scale)), max(side, round(width * scale)))
        top, left = random.integers(pixels.shape[1] - side + 1), random.integers(pixels.shape[2] - side + 1)
        square = pixels[:, top : top + side, left : left + side]
        if random.random() < 0.5:
            square = square[:, :, ::-1]
        return np.ascontiguousarray(self._with_sky(square) if random.random() < self._flat_share else square)

    def __iter__(self) -> "Squares":
        return self

    def start_at(self, step: int) -> None:
        """Makes what follows depend on the seed and a step's number alone, so that a resumed training sees the same."""
        self._random = np.random.default_rng([self._seed, step])

    def _drawn(self) -> np.ndarray:
        """A random photograph, float32 [1, H, W, 3]."""
        while len(self.broken) < len(self._photographs):
            path = self._photographs[self._random.integers(len(self._photographs))]
            if path in self.broken:  # drawn again, so that the order of the others does not depend on when it was found
                continue
            if path not in self._kept:
                try:
                    picture = images.load(path, max_side_px=_SIDES_OF_A_SQUARE * self._side_px)
                except errors.ImageError as error:
                    self.broken.append(path)
                    self._on_message(f"left out: {error}")
                    continue
                if len(self._kept) >= _KEPT:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[path] = np.round(picture.pixels[0] * 255).astype(np.uint8)
            return self._kept[path].astype(np.float32)[np.newaxis] / 255
        raise errors.ImageError(
            f"at least one photograph must be readable. Received: {len(self.broken)} that are not. Name another folder."
        )

    def _with_sky(self, square: np.ndarray) -> np.ndarray:
        """A square whose upper part is an even gradient, in any direction, between two near colours."""
        random, side = self._random, self._side_px
        height = round(side * random.uniform(*_SKY_SHARE))
        colour = random.uniform(0, 1) + random.normal(0, _SKY_GRADIENT, 3)
        ends = colour + random.normal(0, _SKY_GRADIENT, [2, 3])
        slope = random.normal(0, 1, 2)
        place = slope[0] * np.linspace(0, 1, height)[:, np.newaxis] + slope[1] * np.linspace(0, 1, side)
        place = ((place - place.min()) / max(np.ptp(place), 1e-6))[..., np.newaxis]  # [h, S, 1] in [0, 1]
        sky = ends[0] * (1 - place) + ends[1] * place + random.normal(0, _SKY_NOISE, [height, side, 3])
        return np.concatenate([sky[np.newaxis].clip(0, 1).astype(np.float32), square[:, height:]], axis=1)
