"""What a bulk job consists of: its pictures, its style and the names of its results. Imports no TensorFlow, no Beam."""

import dataclasses
import glob
import hashlib
import importlib.util
import json
import os
import pathlib
from collections.abc import Sequence

from nst_tf import configs, errors
from nst_tf.export import manifest
from nst_tf.pictures import images, inputs, samples

FAILURES = "failed.jsonl"  # in the output folder: a JSON object for each picture that could not be stylised
RECORD = "batch.json"  # in the output folder: the settings and counts of the last run

_PICTURE_FIELDS = ("max_side_px", "style_blend", "style_strength", "suffix", "precision")  # what the pixels depend on


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One style for many pictures; small enough to be sent to every worker but for the paths.

    Attributes:
        paths: the pictures, absolute.
        styles: the style pictures, absolute paths.
        style_sha256: of their bytes.
        output_dir: absolute.
        config: the settings.
        network_sha256: of the weights of encoder and decoder, or of the bundle's manifest.
        bundle: what config.bundle says of itself.
    """

    paths: tuple[str, ...]
    styles: tuple[str, ...]
    style_sha256: tuple[str, ...]
    output_dir: str
    config: configs.BatchConfig
    network_sha256: tuple[str, ...] = ()
    bundle: manifest.Manifest | None = None

    @property
    def style_side_px(self) -> int:
        """The long side at which styles are read."""
        return self.config.style_max_side_px or self.config.max_side_px

    @property
    def fingerprint(self) -> str:
        """Of everything but the picture that its result depends on."""
        settings = {name: getattr(self.config, name) for name in _PICTURE_FIELDS}
        settings |= {"styles": self.style_sha256, "style_side_px": self.style_side_px, "network": self.network_sha256}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def output(self, path: str, sha256: str) -> str:
        """Where the result of a picture goes: <stem>-<hash8><suffix>, its hash that of its bytes and the settings."""
        hash8 = hashlib.sha256(f"{sha256}{self.fingerprint}".encode()).hexdigest()[:8]
        return os.path.join(self.output_dir, f"{pathlib.Path(path).stem}-{hash8}{self.config.suffix}")


def describe(patterns: Sequence[str], styles: Sequence[str], output_dir: str, config: configs.BatchConfig) -> Job:
    """Finds the pictures and checks all that can be checked before work starts.

    Args:
        patterns: paths or globs, where `**` stands for any folders. What lies in output_dir is left out.
        styles: paths or `sample:NAME`; none where config.bundle has its style baked in.
        output_dir: the folder of the results; created.
        config: the settings.

    Raises:
        ImageError: no picture matches, or a style cannot be read or is too small.
        ConfigError: style_blend has another length than the styles, there are styles beside a bundle, or the bundle
            makes no results of this size.
        ExportError: the bundle is damaged, or has no style baked in.
        OutputError: the folder cannot be written, or the suffix names no format.
    """
    folder = os.path.realpath(output_dir)
    found = {os.path.abspath(path) for pattern in patterns for path in glob.glob(pattern, recursive=True)}
    paths = sorted(path for path in found if not _is_folder_or_in(path, folder))
    if not paths:
        raise errors.ImageError(
            f"--input must match at least one picture. Received: {', '.join(patterns)}, which match none "
            "outside --output_dir. Check the path, and put a pattern between quotes so that it reaches this program."
        )
    if config.style_blend and len(config.style_blend) != len(styles):
        raise errors.ConfigError(
            f"style_blend needs one share for each of the {len(styles)} style pictures. "
            f"Received: {len(config.style_blend)}."
        )
    baked = _baked(config, styles) if config.bundle else None
    images.check_writable(os.path.join(folder, f"result{config.suffix}"))
    if baked:
        return Job(
            paths=tuple(paths),
            styles=(),
            style_sha256=(),
            output_dir=folder,
            config=dataclasses.replace(config, bundle=os.path.realpath(config.bundle)),
            network_sha256=(baked.sha256,),
            bundle=baked,
        )
    style_paths = tuple(os.path.realpath(samples.path_of(style)) for style in styles)
    side_px = config.style_max_side_px or config.max_side_px
    sha256 = tuple(inputs.read_style_for_one_pass(path, path, side_px).sha256 for path in style_paths)
    return Job(paths=tuple(paths), styles=style_paths, style_sha256=sha256, output_dir=folder, config=config)


def _baked(config: configs.BatchConfig, styles: Sequence[str]) -> manifest.Manifest:
    """The manifest of a job's bundle, which serves the job."""
    if styles:
        raise errors.ConfigError(
            f"--style must be left out beside --bundle, whose style is baked in. Received: {', '.join(styles)}."
        )
    baked = manifest.read(config.bundle)
    if baked.method != "adain" or not baked.styles:
        kind = "of adain without a style" if baked.method == "adain" else f"of {baked.method}"
        raise errors.ExportError(
            f"--bundle must be one of adain with its style baked in. Received: {config.bundle}, {kind}. Make one: "
            "nst-tf export --method=adain --style=painting.jpg --output_dir=saved_models/painting"
        )
    if config.max_side_px > baked.max_side_px:
        raise errors.ConfigError(
            f"--size must be at most {baked.max_side_px} px, the largest result of the bundle. Received: "
            f"{config.max_side_px} px. Use --size={baked.max_side_px}, or export one with a larger --size."
        )
    return baked


def _is_folder_or_in(path: str, folder: str) -> bool:
    return os.path.isdir(path) or os.path.realpath(os.path.dirname(path)) == folder


def check_beam() -> None:
    """Finds out before any work whether Apache Beam is installed.

    Raises:
        NstError: it is not.
    """
    if importlib.util.find_spec("apache_beam") is None:
        raise errors.NstError(
            "bulk work needs the package apache-beam. Received: an environment without it. "
            "Run `pip install 'nst-tf[beam]'`."
        )
