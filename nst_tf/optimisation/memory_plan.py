"""How a picture is fitted into memory: whole or in tiles, and with how many L-BFGS pairs.

The peak of a process is a base, plus what lasts for each pixel of the picture, plus the features of the pixels that
one tile reads. The counts follow from the network's shape, the constants were calibrated by `benchmarks/memory.py`.
"""

import math
from typing import NamedTuple

from nst_tf import configs, errors, vgg
from nst_tf.vgg import convolution, forms

MIB = 2**20
BASE_BYTES = 850 * MIB  # a process with TensorFlow, the network and its traced step; measured
AUTO_SHARE = 0.8  # of the memory that is free when a run starts, where no budget is given
LBFGS_FLOOR = 2  # fewer pairs than this are kept only where the setting asks for fewer

_PICTURE_BYTES = 24  # a pixel of the content picture as it was read, and of a style as large
_ADAM_BYTES = 96  # a pixel: image, best image, two moments, gradient and temporaries
_LBFGS_BYTES = 84  # a pixel: point, gradient and direction, old and new, image and its gradient; measured 81
_PAIR_BYTES = 24  # a pixel: one s and one y
_AVERAGING_BYTES = 36  # a pixel: the sum and two temporaries
_VARIATION_BYTES = 170  # a pixel of a strip: the total variation's temporaries, gone before the tiles
_SPECKS_BYTES = 250  # a pixel of a strip: the temporaries of the term against specks, gone before the tiles
_CONTENT_BYTES = 12  # a pixel: the content picture, which the terms against a frame and a crosshatch keep
_PHOTOREALISM_BYTES = 36  # a pixel: the content picture and its windows' covariances, which the matting term keeps
_MATTING_BYTES = 250  # a pixel of a strip: the matting term's temporaries, gone before the tiles
_FLOAT32_BYTES = 4
_GUIDE_BYTES = 6  # a pixel and region: its guides at all layers, float32
_MATCHING_BYTES = 3 * 64 * MIB  # of mrf: a chunk of patches, the same as filters, and the responses to them
_MATCHED_MAPS = 5  # of mrf, each as large as its layer's features: sums over the patches and their temporaries
_EIGEN_FLOP = 25  # of w2, times N^3: the eigenvalues and products of a layer's covariance


class Plan(NamedTuple):
    """How one size of a run is computed."""

    height_px: int  # of the padded picture
    width_px: int
    tile_height_px: int  # the picture's own height where it is computed whole
    tile_width_px: int
    lbfgs_memory: int  # m; the configuration's own where another optimiser runs
    peak_bytes: int  # of the process
    step_flop: float  # of one evaluation with its gradient

    @property
    def is_tiled(self) -> bool:
        """Whether the picture is computed in tiles."""
        return (self.tile_height_px, self.tile_width_px) != (self.height_px, self.width_px)

    @property
    def tiles(self) -> int:
        """How many tiles there are."""
        return math.ceil(self.height_px / self.tile_height_px) * math.ceil(self.width_px / self.tile_width_px)

    def describe(self, config: configs.StyleTransferConfig) -> str:
        """The plan in words, such as `512 x 384 px whole, about 1100 MB`."""
        size = f"{self.width_px} x {self.height_px} px"
        how = f"in {self.tiles} tiles of {self.tile_width_px} x {self.tile_height_px} px" if self.is_tiled else "whole"
        fewer = config.optimizer == "lbfgs" and self.lbfgs_memory < config.lbfgs_memory
        pairs = f", lbfgs_memory {self.lbfgs_memory} in place of {config.lbfgs_memory}" if fewer else ""
        return f"{size} {how}{pairs}, at most about {self.peak_bytes / MIB:.0f} MB"


def plan(
    config: configs.StyleTransferConfig,
    policy: str,
    height_px: int,
    width_px: int,
    budget_bytes: float,
    *,
    can_tile: bool = True,
    regions: int = 0,
) -> Plan:
    """The fastest way to compute a size within a budget: whole before tiles, more pairs before fewer.

    Args:
        config: layers, optimiser, lbfgs_memory, averaging.
        policy: the network's Keras dtype policy.
        height_px: of the picture.
        width_px: of the picture.
        budget_bytes: what the whole process may hold; infinite for no limit.
        can_tile: False where the objective is the caller's own. Nor does mrf go in tiles.
        regions: that guide the style term, as `stages.regions` counts them.

    Raises:
        MemoryBudgetError: nothing fits; the message names a size that does.
    """
    in_tiles = can_tile and "mrf" not in config.style_terms  # its patches are matched over the whole picture
    candidates = _candidates(config, policy, height_px, width_px, budget_bytes, in_tiles, regions)
    fitting = [candidate for candidate in candidates if candidate.peak_bytes <= budget_bytes]
    if fitting:
        # Halving m costs about a tenth more evaluations, tiles up to 1.6 times the work: half the pairs before tiles.
        half = min(config.lbfgs_memory, max(LBFGS_FLOOR, config.lbfgs_memory // 2))
        return min(fitting, key=lambda found: found.step_flop * (1 if found.lbfgs_memory >= half else 1.5))
    smallest = min(candidates, key=lambda candidate: candidate.peak_bytes)
    need_mb = math.ceil(smallest.peak_bytes / MIB)
    side_px = _side_that_fits(config, policy, height_px, width_px, budget_bytes, in_tiles, regions)
    size = f"Use --size={side_px}" if side_px else "No size fits"
    adam = ", --optimizer=adam with its smaller state" if config.optimizer == "lbfgs" else ""
    tiles = ", since mrf matches patches over the whole picture and not in tiles" if can_tile and not in_tiles else ""
    raise errors.MemoryBudgetError(
        f"{width_px} x {height_px} px need at least {need_mb} MB of memory{tiles}. Received: a budget of "
        f"{budget_bytes / MIB:.0f} MB. {size}{adam}, or --memory_budget_mb={need_mb} where there is that much."
    )


def _candidates(
    config: configs.StyleTransferConfig,
    policy: str,
    height_px: int,
    width_px: int,
    budget_bytes: float,
    can_tile: bool,
    regions: int,
) -> list[Plan]:
    """Every tiling of a size, each with as many pairs as fit, or the fewest where not even those do."""
    stride, halo = vgg.stride_px(*config.layers), vgg.halo_px(config.layers)
    height, width = (math.ceil(side_px / stride) * stride for side_px in (height_px, width_px))
    plans = []
    for tile_height in _sides(height, stride) if can_tile else [height]:
        for tile_width in _sides(width, stride) if can_tile else [width]:
            is_whole = (tile_height, tile_width) == (height, width)
            read = [min(side, tile + 2 * halo) for side, tile in ((height, tile_height), (width, tile_width))]
            features = read[0] * read[1] * _feature_bytes(config, policy, is_whole)
            # The guided features of all regions forwards, and what comes back to them.
            features += 2 * read[0] * read[1] * regions * _item_bytes(policy) * vgg.CHANNELS_PER_BLOCK[0]
            strip = tile_height * width * _strip_bytes(config)
            computed, form = vgg.up_to(config.layers), _form(config, policy)
            fixed = float(BASE_BYTES) + forms.filter_bytes(computed, form) + max(features, strip)
            fixed += convolution.strips_at_a_time() * forms.strip_bytes(computed, form)
            fixed += height * width * _lasting_bytes(config, policy, is_whole)
            fixed += height * width * _GUIDE_BYTES * regions + _patch_bytes(config, height, width)
            memory, pair = config.lbfgs_memory, 0
            if config.optimizer == "lbfgs":
                pair = _PAIR_BYTES * height * width
                most = int(min(max(budget_bytes - fixed, 0) / pair, config.lbfgs_memory))
                memory = max(most, min(LBFGS_FLOOR, config.lbfgs_memory))
            flop = _step_flop(config, (height, width), (tile_height, tile_width))
            plans.append(Plan(height, width, tile_height, tile_width, memory, round(fixed + memory * pair), flop))
    return plans


def _sides(side_px: int, stride: int) -> list[int]:
    """The sides of a tile that cut a side into equal parts, largest first, none below 256 px but the whole."""
    units = side_px // stride
    sides = {math.ceil(units / parts) * stride for parts in range(1, units + 1)}
    return sorted((side for side in sides if side == side_px or side >= 256), reverse=True)


def _channels(layer: str) -> float:
    """Values of a layer for each pixel of the picture."""
    return vgg.channels(layer) / vgg.stride_px(layer) ** 2


def _item_bytes(policy: str) -> int:
    return 2 if policy in ("mixed_bfloat16", "mixed_float16") else 8 if policy == "float64" else _FLOAT32_BYTES


def _feature_bytes(config: configs.StyleTransferConfig, policy: str, is_whole: bool) -> float:
    """Bytes that an evaluation holds for each pixel it reads at once."""
    item = _item_bytes(policy)
    computed = vgg.up_to(config.layers)
    kept = sum(map(_channels, computed))
    if config.pooling == "max":
        kept += sum(_channels(layer) / 4 for layer in computed[:-1] if vgg.ends_a_block(layer))
    taps = sum(map(_channels, config.layers))
    largest = vgg.CHANNELS_PER_BLOCK[0]
    tiles = forms.temporary_bytes(computed, _form(config, policy))
    if is_whole:  # the tape keeps float32 copies of low-precision taps, and the gradients of both
        copies = 2 * _FLOAT32_BYTES + item if item < _FLOAT32_BYTES else 2 * item
        return item * kept + copies * taps + max(2 * item * largest, tiles)
    return item * (kept + 2 * taps) + max((2 * item + _FLOAT32_BYTES) * largest, tiles)


def _form(config: configs.StyleTransferConfig, policy: str) -> str:
    """The form of the convolutions; for `auto`, measured only later, the possible one that needs most memory."""
    if config.convolution != "auto":
        return config.convolution
    return "winograd-large" if policy == "float32" else "direct"


def _lasting_bytes(config: configs.StyleTransferConfig, policy: str, is_whole: bool) -> float:
    """Bytes that last through a run for each pixel of the picture, the pairs of L-BFGS left out."""
    item = _FLOAT32_BYTES if is_whole else _item_bytes(policy)
    content = item * sum(map(_channels, config.content_layers))
    state = _LBFGS_BYTES if config.optimizer == "lbfgs" else _ADAM_BYTES
    content += _PHOTOREALISM_BYTES if config.photorealism_weight else 0
    content += _CONTENT_BYTES if config.frame_weight or config.crosshatch_weight else 0
    return _PICTURE_BYTES + content + state + (_AVERAGING_BYTES if config.averaging else 0)


def _strip_bytes(config: configs.StyleTransferConfig) -> int:
    """Bytes that the terms on pixels, one after the other, hold for each pixel of a strip."""
    weights = (config.total_variation_weight, config.specks_weight, config.photorealism_weight)
    specks = _SPECKS_BYTES * (2 if config.xla == "on" else 1)  # XLA keeps room for more specks than there are
    held = (_VARIATION_BYTES, specks, _MATTING_BYTES)
    return max((each for each, weight in zip(held, weights, strict=True) if weight), default=0)


def _patch_bytes(config: configs.StyleTransferConfig, height: int, width: int) -> float:
    """Bytes that patches take, of styles as large as the picture: their features, and what matching holds."""
    if "mrf" not in config.style_terms:
        return 0
    features = _FLOAT32_BYTES * height * width * sum(map(_channels, config.mrf_layers))
    return _MATCHING_BYTES + features * (_style_views(config) + _MATCHED_MAPS)


def _style_views(config: configs.StyleTransferConfig) -> int:
    """How often mrf reads a style."""
    return (2 * config.mrf_rotation_steps + 1) * (2 * config.mrf_scale_steps + 1)


def _terms_flop(config: configs.StyleTransferConfig, height: int, width: int) -> float:
    """Floating-point operations of an evaluation that do not grow with the pixels alone."""
    flop = 0.0
    if "w2" in config.style_terms:
        flop += sum(_EIGEN_FLOP * vgg.channels(layer) ** 3 for layer in config.style_layers)
    if "mrf" in config.style_terms:
        for layer in config.mrf_layers:
            patches = height * width / (vgg.stride_px(layer) * config.mrf_stride) ** 2
            flop += 2 * 9 * vgg.channels(layer) * patches**2 * _style_views(config)
    return flop


def _step_flop(config: configs.StyleTransferConfig, size: tuple[int, int], tile: tuple[int, int]) -> float:
    """Floating-point operations of an evaluation: two passes over what is read, and one more but for one tile."""
    flop, fan_in = 0.0, 3
    for layer in vgg.up_to(config.layers):
        flop += 2 * 9 * fan_in * _channels(layer)
        fan_in = vgg.channels(layer)
    flop += sum(2 * _channels(layer) * vgg.channels(layer) for layer in config.style_taps)
    halo = vgg.halo_px(config.layers)
    rows, columns = (_read_px(side, part, halo) for side, part in zip(size, tile, strict=True))
    return flop * (3 * sum(rows) * sum(columns) - rows[-1] * columns[-1]) + _terms_flop(config, *size)


def _read_px(side_px: int, tile_px: int, halo: int) -> list[int]:
    """What each tile along a side reads."""
    starts = range(0, side_px, tile_px)
    return [min(side_px, start + tile_px + halo) - max(0, start - halo) for start in starts]


def _side_that_fits(
    config: configs.StyleTransferConfig,
    policy: str,
    height_px: int,
    width_px: int,
    budget_bytes: float,
    can_tile: bool,
    regions: int,
) -> int:
    """The longest side, a multiple of 16 px, at which the picture fits; 0 where none does."""
    longer_px = max(height_px, width_px)
    fits, too_large = 0, math.ceil(longer_px / 16)  # in units of 16 px
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        height, width = (max(1, round(side * middle * 16 / longer_px)) for side in (height_px, width_px))
        candidates = _candidates(config, policy, height, width, budget_bytes, can_tile, regions)
        if any(candidate.peak_bytes <= budget_bytes for candidate in candidates):
            fits = middle
        else:
            too_large = middle
    return fits * 16
