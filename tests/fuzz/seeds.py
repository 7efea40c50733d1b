"""Small good files of every format that is read, made anew each time; the fuzzers start from them."""

import functools
import io
import json
import pathlib
import tempfile
import zipfile

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from nst_tf import configs
from nst_tf.pictures import icc, images
from nst_tf.weights import style_files
from tests.tiny import tiny_multi_style, tiny_weights, torch_files
from tests.unit.export import test_manifest
from tests.unit.optimisation import test_checkpoint
from tests.unit.pictures import test_images


@functools.cache
def pictures() -> tuple[bytes, ...]:
    """Every format in the forms that take other ways through a decoder."""
    rgb = Image.fromarray(test_images.COLOURED)  # 9 x 6 px
    rgba = rgb.copy()
    rgba.putalpha(Image.fromarray(test_images.MARKED))
    grey, palette, cmyk = rgb.convert("L"), rgb.quantize(8), rgb.convert("CMYK")
    profile = icc.srgb_profile()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "a text " * 9, zip=True)
    text.add_itxt("Title", "another", "en", "title", zip=True)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a maker"
    exif.get_ifd(0x8769)[0x9286] = b"a comment"
    frames = {"save_all": True, "append_images": [rgb.rotate(180), rgb.convert("L").convert("RGB")]}
    kinds = [
        (rgb, "JPEG", {"icc_profile": profile, "exif": exif}),
        (rgb, "JPEG", {"progressive": True, "restart_marker_blocks": 1, "comment": "a comment"}),
        (grey, "JPEG", {"icc_profile": test_images.LINEAR_GREY}),
        (cmyk, "JPEG", {"icc_profile": test_images.black_only_cmyk()}),
        (rgb, "PNG", {"icc_profile": profile, "exif": exif, "pnginfo": text}),
        (rgba, "PNG", {}),
        (palette, "PNG", {"transparency": 3, "bits": 4}),
        (rgb.convert("1"), "PNG", {}),
        (rgb, "PNG", frames),
        (rgb, "WEBP", {"icc_profile": profile, "exif": exif}),
        (rgba, "WEBP", {"lossless": True}),
        (rgb, "WEBP", frames),
        (rgb, "TIFF", {"exif": exif, "icc_profile": profile}),
        (rgb, "TIFF", {"compression": "tiff_lzw", **frames}),
        (rgb, "TIFF", {"compression": "jpeg"}),
        (rgba, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (cmyk, "TIFF", {"compression": "packbits"}),
        (rgb.convert("1"), "TIFF", {"compression": "group4"}),
        (Image.fromarray(test_images.MARKED.astype(np.uint16) * 257), "TIFF", {}),
        (rgb, "BMP", {}),
        (palette, "BMP", {}),
        (rgb.convert("1"), "BMP", {}),
        (palette, "GIF", {"transparency": 2, "interlace": 1}),
        (rgb, "GIF", frames),
    ]
    deep = images.encode(test_images.smooth(6, 9), ".png", alpha=test_images.smooth(6, 9)[..., :1], bit_depth=16)
    return (*(test_images.file_of(image, format, **options) for image, format, options in kinds), deep)


@functools.cache
def served() -> tuple[bytes, ...]:
    """The pictures that a server takes."""
    return tuple(data for data in pictures() if data.startswith((b"\x89PNG", b"\xff\xd8")))


@functools.cache
def profiles() -> tuple[bytes, ...]:
    """Colour profiles of grey, RGB, CMYK and Lab."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return icc.srgb_profile(), test_images.LINEAR_GREY, test_images.black_only_cmyk(), test_images.swapped_rgb(), lab


@functools.cache
def keras_files() -> tuple[bytes, ...]:
    """HDF5 as Keras 3, as Keras 2 and as its saved models have it."""
    writers = (tiny_weights.write_weights_h5, tiny_weights.write_legacy_h5, tiny_weights.write_saved_model_h5)
    return tuple(_written(writer, ".h5") for writer in writers)


@functools.cache
def numpy_files() -> tuple[bytes, ...]:
    """NumPy's archive, stored and deflated."""
    stored = _written(tiny_weights.write_npz, ".npz")
    deflated = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(stored)) as old, zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    return stored, deflated.getvalue()


@functools.cache
def torch_state_dicts() -> tuple[bytes, ...]:
    """PyTorch's two containers."""
    arrays = tiny_weights.CAFFE_LAYER | tiny_weights.state_dict(tiny_weights.convolutions())
    return torch_files.save(arrays, legacy=True), torch_files.save(arrays, legacy=False)


@functools.cache
def checkpoints() -> tuple[bytes, ...]:
    """A run's checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        return (test_checkpoint.written(folder).read_bytes(),)


@functools.cache
def manifests() -> tuple[bytes, ...]:
    """A bundle's manifest."""
    return (json.dumps(test_manifest.GOOD).encode(),)


@functools.cache
def settings() -> tuple[bytes, ...]:
    """The presets' settings, as JSON."""
    return tuple(json.dumps(preset.settings | {"preset": name}).encode() for name, preset in configs.PRESETS.items())


def _written(writer, suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, f"x{suffix}")
        writer(path, tiny_weights.convolutions())
        return path.read_bytes()


def styles() -> tuple[bytes, ...]:
    """A style at one size of its strokes and one at several."""
    return tuple(style_files.encode(tiny_multi_style.style_file(sizes_px=sizes)) for sizes in ((384,), (128, 512)))


def onnx_files() -> tuple[bytes, ...]:
    """The network for many styles, with few channels."""
    return (tiny_multi_style.onnx(tiny_multi_style.tensors()),)
