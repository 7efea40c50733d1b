"""Writes a bundle: SavedModel, what a server reads beside it, and a manifest; checked, then put in place at once."""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import pathlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from nst_tf import configs, errors, files, messages, results
from nst_tf.export import (
    adain_graph,
    gatys_graph,
    gatys_requests,
    manifest,
    model_card,
    multi_style_graph,
    self_check,
    server_files,
    trial_requests,
)
from nst_tf.losses import objective, on_vgg19
from nst_tf.networks import adain as networks_adain
from nst_tf.networks import multi_style as networks_multi_style
from nst_tf.pictures import images
from nst_tf.weights import known_styles

EXAMPLES = trial_requests.EXAMPLES
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def export_gatys(
    output_dir: str | os.PathLike[str],
    config: configs.StyleTransferConfig | str | None = None,
    limits: configs.ExportConfig | None = None,
    *,
    extractor: Any = None,
    on_message: messages.OnMessage = messages.log,
) -> pathlib.Path:
    """Exports the method of Gatys et al. as a bundle for TensorFlow Serving.

    Args:
        output_dir: the model's root; its name is the model's. The bundle becomes OUTPUT_DIR/VERSION.
        config: the settings that are baked in; see `gatys_graph.Gatys`. The precision `auto` is float32, since the
            bundle may run on another machine.
        limits: the version and the limits of a request.
        extractor: a feature extractor in place of the one that config describes.
        on_message: is told what takes time or should be known.

    Returns:
        The version's folder.

    Raises:
        ExportError: a package is missing, the version exists, or the bundle failed its check. No version is left.
        ConfigError: a setting that a graph does not have.
        OutputError: the folder cannot be written.
    """
    limits = configs.as_config(limits, configs.ExportConfig)
    config = configs.as_config(config, configs.StyleTransferConfig)
    gatys_graph.check(config)
    precision = "float32" if config.precision == "auto" else config.precision
    convolution = "direct" if config.convolution == "auto" else config.convolution
    config = dataclasses.replace(config, precision=precision, convolution=convolution)
    with _new_version(pathlib.Path(output_dir), limits.version) as place:
        if extractor is None:
            network = on_vgg19.SharedNetworks(config.layers).network(config, on_message)
        else:
            goal = objective.Objective(extractor=extractor, config=config)
            network = on_vgg19.Network(goal, precision, {"licence": "not known: the extractor was given"}, convolution)
        on_message("tracing the graph")
        module = gatys_graph.Gatys(network.objective, config, limits)
        requests = gatys_requests.example_requests(network.objective, config, limits)
        facts = {"method": "gatys", "config": dataclasses.asdict(config), "weights": network.weights}
        return _finish(place, module, requests, limits, precision, facts, on_message)


def export_adain(
    output_dir: str | os.PathLike[str],
    config: configs.AdainConfig | None = None,
    limits: configs.ExportConfig | None = None,
    *,
    styles: Sequence[images.Picture] = (),
    loaded: networks_adain.Loaded | None = None,
    on_message: messages.OnMessage = messages.log,
) -> pathlib.Path:
    """Exports AdaIN as a bundle for TensorFlow Serving.

    Args:
        output_dir: as for `export_gatys`.
        config: the settings that are baked in; see `adain_graph.Adain`.
        limits: as for `export_gatys`.
        styles: pictures whose style, blended by config.style_blend, is baked in; without them each request has its own.
        loaded: a network in place of the one that config describes.
        on_message: as for `export_gatys`.

    Returns:
        The version's folder.

    Raises:
        ExportError, ConfigError, OutputError: as `export_gatys`.
    """
    limits = configs.ExportConfig(method="adain") if limits is None else configs.as_config(limits, configs.ExportConfig)
    config = configs.as_config(config, configs.AdainConfig)
    adain_graph.check(config)
    with _new_version(pathlib.Path(output_dir), limits.version) as place:
        loaded = loaded or adain_graph.load(config, on_message)
        on_message("tracing the graph")
        style = adain_graph.baked(loaded, styles, config) if styles else None
        module = adain_graph.Adain(loaded.network, config, limits, style)
        requests = adain_graph.example_requests(loaded, config, styles)
        baked = [{"name": picture.name, "sha256": picture.sha256} for picture in styles]
        facts = {"method": "adain", "config": dataclasses.asdict(config), "styles": baked, "weights": loaded.weights}
        return _finish(place, module, requests, limits, loaded.policy, facts, on_message)


def export_multi_style(
    output_dir: str | os.PathLike[str],
    config: configs.MultiStyleConfig | None = None,
    limits: configs.ExportConfig | None = None,
    *,
    styles: Sequence[known_styles.Source] = (),
    loaded: networks_multi_style.Loaded | None = None,
    on_message: messages.OnMessage = messages.log,
) -> pathlib.Path:
    """Exports the network for many styles, or one with a style of its own, as a bundle for TensorFlow Serving.

    Args:
        output_dir: as for `export_gatys`.
        config: the settings that are baked in; see `multi_style_graph.MultiStyle`.
        limits: as for `export_gatys`.
        styles: as `nst_tf.MultiStyleTransfer` takes them; their blend by config.style_blend is baked in. Without them
            each request names its style, blends several, or brings gamma and beta.
        loaded: a network in place of the one that config describes; for a style with a network of its own that network,
            with limits.method one-style.
        on_message: as for `export_gatys`.

    Returns:
        The version's folder.

    Raises:
        ExportError, ConfigError, OutputError: as `export_gatys`.
        StyleError: a style that the network does not have.
    """
    limits = configs.ExportConfig(method="multi-style") if limits is None else limits
    config = configs.as_config(config, configs.MultiStyleConfig)
    multi_style_graph.check(config)
    with _new_version(pathlib.Path(output_dir), limits.version) as place:
        loaded = loaded or multi_style_graph.load(styles, config, on_message)
        style = multi_style_graph.baked(loaded, styles, config) if styles else None
        on_message("tracing the graph")
        module = multi_style_graph.MultiStyle(loaded, config, limits, style)
        requests = multi_style_graph.example_requests(loaded, config, styles)
        facts: dict[str, Any] = {
            "method": limits.method,
            "config": dataclasses.asdict(config),
            "weights": loaded.weights,
        }
        facts["styles"] = multi_style_graph.identities(loaded, styles, config)
        if not styles:
            facts["style_names"] = list(module.known.names)
        return _finish(place, module, requests, limits, "float32", facts, on_message)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a bundle is written, and where it goes."""

    root: pathlib.Path
    version: int | None
    temporary: pathlib.Path  # in the root, under a name that a server skips


@contextlib.contextmanager
def _new_version(root: pathlib.Path, version: int | None) -> Iterator[_Place]:
    """A temporary folder beside the versions, removed at the end whatever happens."""
    server_files.check_installed()
    files.check_local(root)
    root = pathlib.Path(os.path.abspath(root))
    if not _NAME.fullmatch(root.name):
        raise errors.ExportError(
            "the output folder's name becomes the model's: letters, digits, dot, dash and underscore. "
            f"Received: {root.name!r}. Choose another name."
        )
    if version is not None and (root / str(version)).exists():
        raise _exists(root, version)
    files.check_writable(root / "models.config")
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=root, ignore_cleanup_errors=True) as temporary:
        yield _Place(root=root, version=version, temporary=pathlib.Path(temporary) / "bundle")


def _finish(
    place: _Place,
    module: Any,
    requests: list[trial_requests.Example],
    limits: configs.ExportConfig,
    precision: str,
    facts: dict[str, Any],
    on_message: messages.OnMessage,
) -> pathlib.Path:
    """Saves a module with all that belongs to it, checks it, and moves it to its version."""
    bundle = place.temporary
    signatures = module.signatures()
    requests = [request for request in requests if request.signature in signatures]
    with _quiet_absl():
        tf.saved_model.save(module, str(bundle), signatures=signatures)
    for request in requests:
        trial_requests.write(request, bundle / EXAMPLES)
    server_files.warmup(requests, place.root.name, bundle / server_files.WARMUP)
    on_message("checking the bundle in TensorFlow's C library, in a process of its own")
    report = self_check.check(bundle, requests, trial_requests.TOLERANCE_LEVELS[precision])
    for licence in manifest.licences(facts["weights"]):
        if "not stated" in licence or "unknown" in licence or "not known" in licence:
            on_message(f"warning: the licence of the weights in this bundle is not fully known: {licence}")
    record = {"model": place.root.name, **facts, "precision": precision, "limits": dataclasses.asdict(limits)}
    record["signatures"] = {name: _described(function) for name, function in signatures.items()}
    record["self_check"] = report
    serving = importlib.metadata.version("tensorflow-serving-api")
    record["versions"] = results.versions() | {"tensorflow-serving-api": serving}
    (bundle / model_card.PATH).write_text(model_card.text(record), encoding="utf-8")
    record["files"] = {str(path.relative_to(bundle)): manifest.file_sha256(path) for path in _files(bundle)}
    (bundle / manifest.PATH).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for path in _files(bundle):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    version = _move(place)
    for name, text in server_files.model_files(place.root.name, limits.max_batch_size).items():
        path = place.root / name
        if not path.exists():
            files.write_atomically(path, text.encode())
        elif path.read_bytes() != text.encode():  # a user's own, or of an export with other settings
            on_message(f"{path} stays as it is; this export would have written it otherwise")
    return version


@contextlib.contextmanager
def _quiet_absl() -> Iterator[None]:
    """Leaves out the notes that TensorFlow writes about each file."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(min(verbosity, logging.WARNING))
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _move(place: _Place) -> pathlib.Path:
    """Renames the bundle to its version, or to the next free one."""
    while True:
        version = _next_version(place.root) if place.version is None else place.version
        target = place.root / str(version)
        try:
            place.temporary.rename(target)
        except OSError as error:
            if not target.exists():
                raise errors.OutputError(f"{target}: the bundle cannot be put there ({error}).") from error
            if place.version is not None:
                raise _exists(place.root, version) from error
        else:
            return target


def _next_version(root: pathlib.Path) -> int:
    return max((int(path.name) for path in root.iterdir() if path.name.isdecimal()), default=0) + 1


def _exists(root: pathlib.Path, version: int) -> errors.ExportError:
    return errors.ExportError(
        f"a version is never replaced, since a server may have it loaded. Received: version {version}, which {root} "
        "has. Leave --version out for the next free one."
    )


def _described(function: Any) -> dict[str, dict[str, str]]:
    """A signature's inputs and outputs: name -> `dtype [shape]`."""
    inputs = {spec.name: spec for spec in function.structured_input_signature[1].values()}
    sides = {"inputs": inputs, "outputs": function.structured_outputs}
    pictures, styles = ("B", "H", "W", "C"), ("B", "K")

    def shape(spec: tf.TensorSpec) -> str:
        axes = styles if len(spec.shape) == len(styles) else pictures
        return ", ".join(str(n or axis) for n, axis in zip(spec.shape, axes, strict=False))

    return {
        side: {name: f"{spec.dtype.name} [{shape(spec)}]" for name, spec in specs.items()}
        for side, specs in sides.items()
    }


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
