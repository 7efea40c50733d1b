"""What a bulk job consists of: its pictures, its style and the names of its results.

Imports no TensorFlow, and Beam only where a path lies in an object store.
"""

import dataclasses
import glob
import hashlib
import json
import os
import pathlib
import posixpath
import tempfile
from collections.abc import Sequence
from typing import Any

from nst_tf import configs, errors
from nst_tf.export import manifest
from nst_tf.pictures import encoding, images, inputs, samples
from nst_tf.pictures import masks as pictures_masks
from nst_tf.pipelines import stores

FAILURES = "failed.jsonl"  # in the output folder: a JSON object for each picture that could not be stylised
RECORD = "batch.json"  # in the output folder: the settings and counts of the last run

_ONE_PASS = ("adain", "multi-style", "one-style")  # the methods whose bundles can do bulk work
_PICTURE_FIELDS = (  # what the pixels depend on
    "max_side_px", "style_blend", "strength", "colours", "colour_map", "guided_filter_radius",
    "guided_filter_epsilon", "suffix", "precision",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One style for many pictures; small enough to be sent to every worker but for the paths.

    Attributes:
        paths: the pictures, absolute paths or URLs.
        styles: the style pictures, absolute paths or URLs.
        style_sha256: of their bytes.
        output_dir: absolute, or a URL.
        config: the settings.
        network_sha256: of the weights of encoder and decoder, or of the bundle's manifest.
        bundle: what config.bundle says of itself.
        style_masks: folders or URLs, one for each style, with a mask for each picture by its stem; or none.
        keep_mask: such a folder, or empty.
    """

    paths: tuple[str, ...]
    styles: tuple[str, ...]
    style_sha256: tuple[str, ...]
    output_dir: str
    config: configs.BatchConfig
    network_sha256: tuple[str, ...] = ()
    bundle: manifest.Manifest | None = None
    style_masks: tuple[str, ...] = ()
    keep_mask: str = ""

    @property
    def mask_folders(self) -> tuple[str, ...]:
        """Of the styles, then of what is kept."""
        return (*self.style_masks, *([self.keep_mask] if self.keep_mask else []))

    @property
    def style_side_px(self) -> int:
        """The long side at which styles are read."""
        return self.config.style_max_side_px or self.config.max_side_px

    @property
    def fingerprint(self) -> str:
        """Of everything but the picture that its result depends on."""
        settings = {name: getattr(self.config, name) for name in _PICTURE_FIELDS}
        if self.mask_folders:  # their contents are part of each picture's hash
            settings |= {"style_masks": len(self.style_masks), "keep_mask": bool(self.keep_mask)}
        settings |= {"styles": self.style_sha256, "style_side_px": self.style_side_px, "network": self.network_sha256}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def output(self, path: str, sha256: str) -> str:
        """Where the result of a picture goes: <stem>-<hash8><suffix>.

        Args:
            path: of the picture.
            sha256: of its bytes, followed by those of its masks; the hash is of them and of the settings.
        """
        hash8 = hashlib.sha256(f"{sha256}{self.fingerprint}".encode()).hexdigest()[:8]
        return join(self.output_dir, f"{pathlib.PurePosixPath(path).stem}-{hash8}{self.config.suffix}")


def join(folder: str, name: str) -> str:
    """The path of a file in a folder, here or in a store."""
    return posixpath.join(folder, name) if stores.is_in_store(folder) else os.path.join(folder, name)


def describe(
    patterns: Sequence[str],
    styles: Sequence[str],
    output_dir: str,
    config: configs.BatchConfig,
    beam_arguments: Sequence[str] = (),
    *,
    style_masks: Sequence[str] = (),
    keep_mask: str = "",
) -> Job:
    """Finds the pictures and checks all that can be checked before work starts.

    What has a scheme, such as s3://bucket/photos/**, lies in an object store and is read and written by Beam.

    Args:
        patterns: paths or globs, where `**` is any folders. What lies in output_dir is left out.
        styles: paths or `sample:NAME`; none where config.bundle has its style baked in.
        output_dir: the folder of the results; created.
        config: the settings.
        beam_arguments: Beam's pipeline options, those of its filesystems among them.
        style_masks: a folder for each style with a mask for each picture, by its stem; or none.
        keep_mask: such a folder, or empty.

    Raises:
        ImageError: no picture matches, a style cannot be read or is too small, or a picture has no mask.
        ConfigError: style_blend has another length than the styles, there are styles beside a bundle, the bundle makes
            no results of this size, or Beam does not have an option.
        ExportError: the bundle is damaged, or has no style baked in.
        OutputError: the folder cannot be written, or the suffix names no format.
    """
    if any(map(stores.is_in_store, (*patterns, *styles, output_dir, config.bundle))):
        from nst_tf.pipelines import runners  # seconds of work that a job on local files does without

        stores.use(runners.options(beam_arguments))
    folder = _absolute(output_dir).rstrip("/")
    found = {path for pattern in patterns for path in _match(pattern)}
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
    masks = _checked_masks(paths, len(styles), style_masks, keep_mask, config)
    baked = _baked(config, styles) if config.bundle else None
    if stores.is_in_store(folder):
        encoding.writer(config.suffix, 8, config.suffix)
        stores.check_writable(folder)
    else:
        images.check_writable(join(folder, f"result{config.suffix}"))
    if baked:
        return Job(
            paths=tuple(paths),
            styles=(),
            style_sha256=(),
            output_dir=folder,
            config=dataclasses.replace(config, bundle=_absolute(config.bundle)),
            network_sha256=(baked.sha256,),
            bundle=baked,
            **masks,
        )
    style_paths = tuple(style if stores.is_in_store(style) else _absolute(samples.path_of(style)) for style in styles)
    side_px = config.style_max_side_px or config.max_side_px
    sha256 = tuple(_style_sha256(path, side_px) for path in style_paths)
    return Job(paths=tuple(paths), styles=style_paths, style_sha256=sha256, output_dir=folder, config=config, **masks)


def masks_in(folder: str) -> dict[str, str]:
    """The masks of a folder, here or in a store, by their stems."""
    return {pathlib.PurePosixPath(path).stem: path for path in _match(join(folder, "*"))}


def _checked_masks(
    paths: Sequence[str], styles: int, style_masks: Sequence[str], keep_mask: str, config: configs.BatchConfig
) -> dict[str, Any]:
    """The folders of masks, absolute; every picture has a mask in each."""
    pictures_masks.check(pictures_masks.Given(style_masks), 1 if config.bundle else styles, config.style_blend)
    folders = [_absolute(folder) for folder in (*style_masks, *([keep_mask] if keep_mask else []))]
    for folder in folders:
        known = masks_in(folder)
        missing = [path for path in paths if pathlib.PurePosixPath(path).stem not in known]
        if missing:
            raise errors.ImageError(
                f"{folder}: a folder of masks must have one for each picture, by its name. Received: none for "
                f"{len(missing)} of {len(paths)}, such as {missing[0]}. Add a mask with that name and any suffix."
            )
    return {
        "style_masks": tuple(folders[: len(style_masks)]),
        "keep_mask": folders[-1] if keep_mask else "",
    }


def _absolute(path: str | os.PathLike[str]) -> str:
    return os.fspath(path) if stores.is_in_store(os.fspath(path)) else os.path.realpath(path)


def _match(pattern: str) -> list[str]:
    if stores.is_in_store(pattern):
        return stores.match(pattern)
    return [os.path.abspath(path) for path in glob.glob(pattern, recursive=True)]


def _style_sha256(path: str, side_px: int) -> str:
    """The hash of a style picture, which is read at the size that the workers will read it at."""
    source = images.load(stores.read(path), name=path) if stores.is_in_store(path) else path
    return inputs.read_style_for_one_pass(source, path, side_px).sha256


def _baked(config: configs.BatchConfig, styles: Sequence[str]) -> manifest.Manifest:
    """The manifest of a job's bundle, which fits the job."""
    if styles:
        raise errors.ConfigError(
            f"--style must be left out beside --bundle, whose style is baked in. Received: {', '.join(styles)}."
        )
    if stores.is_in_store(config.bundle):
        with tempfile.TemporaryDirectory(prefix="nst-tf-bundle-") as temporary:
            stores.fetch(config.bundle, pathlib.Path(temporary))
            baked = manifest.read(temporary)
    else:
        baked = manifest.read(config.bundle)
    if baked.method not in _ONE_PASS or not baked.styles:
        kind = f"of {baked.method} without a style" if baked.method in _ONE_PASS else f"of {baked.method}"
        raise errors.ExportError(
            f"--bundle must be one of {' or '.join(_ONE_PASS)} with its style baked in. Received: {config.bundle}, "
            f"{kind}. Make one: nst-tf export --method=adain --style=painting.jpg --output_dir=saved_models/painting"
        )
    if config.max_side_px > baked.max_side_px:
        raise errors.ConfigError(
            f"--size must be at most {baked.max_side_px} px, the largest result of the bundle. Received: "
            f"{config.max_side_px} px. Use --size={baked.max_side_px}, or export one with a larger --size."
        )
    return baked


def _is_folder_or_in(path: str, folder: str) -> bool:
    if stores.is_in_store(path):
        return posixpath.dirname(path) == folder
    return os.path.isdir(path) or os.path.realpath(os.path.dirname(path)) == folder


def check_beam() -> None:
    """Finds out before any work whether Apache Beam is installed.

    Raises:
        NstError: it is not.
    """
    errors.need_package("bulk work needs", "apache_beam", "apache-beam", "beam")
