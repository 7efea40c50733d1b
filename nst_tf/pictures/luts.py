"""Look-up tables of colours in the .cube format, which photo and video programs read."""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from nst_tf import errors, files

SUFFIX = ".cube"
NODES = 33  # a side; what most programs write, and all read
_SAMPLES = 2**16  # pixels that a table is fitted to at most
_STIFFNESS = 1e-3  # of a node to its neighbours, against a share 1 of the pixels near it
_ITERATIONS = 60


class Lut(NamedTuple):
    """A table of colours: between its nodes it is interpolated linearly along each axis."""

    nodes: np.ndarray  # float32 [n, n, n, 3] in [0, 1], by red, green and blue of the colour that goes in

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """The colours [..., 3] in [0, 1] of a picture looked up, as float32."""
        corners = _corners(pixels.reshape(-1, 3), len(self.nodes))
        return _looked_up(self.nodes.reshape(-1, 3), *corners).reshape(pixels.shape).astype(np.float32)


class Fitted(NamedTuple):
    """A table and how near it comes to the picture that it was fitted to."""

    lut: Lut
    error_levels: float  # root mean square over pixels and channels, on the 0 to 255 scale


def fit(before: np.ndarray, after: np.ndarray) -> Fitted:
    """The table that comes nearest to turning the colours of one picture into those of another.

    It is the affine map that does so best, and what each node adds to it: a least-squares fit in which neighbouring
    nodes hold each other, so that colours that the picture does not have follow those it has.

    Args:
        before: float32 [1, H, W, 3] in [0, 1].
        after: the same shape. Where one colour became several, as in a painting, the table has their mean, and the
            error says how far they lie from it.
    """
    if before.shape != after.shape:
        raise errors.ImageError(f"the picture must be {list(before.shape)}. Received: {list(after.shape)}.")
    colours, targets = (pixels.reshape(-1, 3).astype(np.float64) for pixels in (before, after))
    chosen = np.random.default_rng(0).permutation(len(colours))[:_SAMPLES]
    x, y = colours[chosen], targets[chosen]
    affine = np.linalg.lstsq(np.append(x, np.ones([len(x), 1]), axis=1), y, rcond=None)[0]  # [4, 3]
    grid = _grid(NODES)
    start = np.append(grid, np.ones([len(grid), 1]), axis=1) @ affine
    corners = _corners(x, NODES)
    nodes = start + _additions(y - _looked_up(start, *corners), corners)
    lut = Lut(nodes.clip(0, 1).astype(np.float32).reshape(NODES, NODES, NODES, 3))
    return Fitted(lut, float(np.sqrt(np.mean((lut.apply(colours) - targets) ** 2)) * 255))


def save(path: str | os.PathLike[str], lut: Lut, title: str) -> None:
    """Writes a table, whole or not at all.

    Raises:
        OutputError: another suffix, or the path cannot be written.

    Source: Adobe, "Cube LUT Specification 1.0" (2013): red changes fastest.
    """
    check_writable(path)
    heading = "".join(character for character in title if character.isprintable() and character != '"')
    rows = lut.nodes.transpose(2, 1, 0, 3).reshape(-1, 3)
    lines = [
        f'TITLE "{heading}"',
        f"LUT_3D_SIZE {len(lut.nodes)}",
        *(" ".join(f"{value:.6f}" for value in row) for row in rows),
    ]
    files.write_atomically(path, ("\n".join(lines) + "\n").encode())


def check_writable(path: str | os.PathLike[str]) -> None:
    """Finds out before the work whether `save` will be allowed to write a path.

    Raises:
        OutputError: as `save`.
    """
    files.check_names_a_file(path)
    suffix = pathlib.Path(path).suffix
    if suffix.lower() != SUFFIX:
        raise errors.OutputError(
            f"{os.fspath(path)}: a table of colours must end in {SUFFIX}. Received: {suffix or 'no suffix'}. "
            f"Name it look{SUFFIX}."
        )
    files.check_writable(path)


def _grid(count: int) -> np.ndarray:
    """The colours of the nodes, [n^3, 3]."""
    axis = np.linspace(0, 1, count)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def _corners(colours: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The eight nodes around each colour [P, 3], and their shares: [P, 8] each."""
    places = colours.astype(np.float64).clip(0, 1) * (count - 1)
    first = np.minimum(places.astype(np.intp), count - 2)
    share = places - first
    indices, shares = [], []
    for corner in np.ndindex(2, 2, 2):
        red, green, blue = (first + corner).T
        indices.append((red * count + green) * count + blue)
        shares.append(np.where(corner, share, 1 - share).prod(axis=1))
    return np.stack(indices, axis=1), np.stack(shares, axis=1)


def _looked_up(nodes: np.ndarray, indices: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The colours [P, 3] of a table [n^3, 3], corner by corner."""
    found = np.zeros([len(indices), 3])
    for corner in range(8):
        found += shares[:, corner, np.newaxis] * nodes[indices[:, corner]]
    return found


def _additions(missing: np.ndarray, corners: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """What the nodes [n^3, 3] must add so that the colours [P, 3] come out, by conjugate gradients.

    Minimised is sum_p |looked up - missing|^2 + stiffness sum |neighbour - node|^2 + a tenth of that sum |node|^2, with
    the stiffness a share of the pixels that a node of the picture's colours has on average.
    """
    indices, shares = corners
    stiffness = _STIFFNESS * len(missing) / max(1, len(np.unique(indices)))

    def gathered(values: np.ndarray) -> np.ndarray:
        """The transpose of looking up: [P, 3] -> [n^3, 3]."""
        weighted = shares[..., np.newaxis] * values[:, np.newaxis]
        flat = indices.ravel()
        return np.stack([np.bincount(flat, weighted[..., c].ravel(), NODES**3) for c in range(3)], axis=1)

    def normal(nodes: np.ndarray) -> np.ndarray:
        cube = nodes.reshape(NODES, NODES, NODES, 3)
        held = 0.1 * cube
        for axis in range(3):
            steps = np.diff(cube, axis=axis)
            ends = [(0, 0)] * 4
            ends[axis] = (1, 1)
            held = held - np.diff(np.pad(steps, ends), axis=axis)
        return gathered(_looked_up(nodes, indices, shares)) + stiffness * held.reshape(-1, 3)

    solution = np.zeros([NODES**3, 3])
    residual = gathered(missing)
    direction, size = residual, np.sum(residual**2)
    enough = 1e-10 * size
    for _ in range(_ITERATIONS):
        if size <= enough:
            break
        product = normal(direction)
        step = size / np.sum(direction * product)
        solution = solution + step * direction
        residual = residual - step * product
        before, size = size, np.sum(residual**2)
        direction = residual + size / before * direction
    return solution
