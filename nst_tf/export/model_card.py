"""The model card of a bundle, in Markdown: what it is, whose weights it holds, its limits and its measured figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from nst_tf.export import manifest

PATH = manifest.PATH.with_name("model_card.md")
_METHODS = {
    "gatys": "optimises each picture (Gatys, Ecker and Bethge 2016, Image Style Transfer Using Convolutional Neural "
    "Networks)",
    "adain": "renders each picture in one pass (Huang and Belongie 2017, Arbitrary Style Transfer in Real-time with "
    "Adaptive Instance Normalization)",
    "multi-style": "renders each picture in one pass, in styles that were learned before (Dumoulin, Shlens and Kudlur "
    "2017, A Learned Representation for Artistic Style)",
    "one-style": "renders each picture in one pass of a network that has one style (Johnson, Alahi and Fei-Fei 2016, "
    "Perceptual Losses for Real-Time Style Transfer and Super-Resolution)",
}
_WHAT = """A photograph goes in and comes out in the style of another picture. The bundle {method}.
`nst-tf export` made it; `manifest.json` beside this file has every setting and hash."""


def text(record: Mapping[str, Any]) -> str:
    """The card of a bundle.

    Args:
        record: what its manifest says, `files` excepted.
    """
    limits, config, names = record["limits"], record["config"], record.get("style_names", ())
    lines = [
        f"# {record['model']}",
        "",
        _WHAT.format(method=_METHODS[record["method"]]),
        "",
        *(f"The style of {style['name']} (sha256 {style['sha256']}) is fixed." for style in record.get("styles", ())),
        *([f"A request names its style: {', '.join(names)}; or a blend, such as `{_blend(names)}`."] if names else []),
        f"Signatures: {', '.join(f'`{name}`' for name in record.get('signatures', ()))}.",
        "",
        "## Weights",
        "",
        "| part | source | licence | sha256 |",
        "|---|---|---|---|",
        *(
            f"| {name} | {_cell(part, 'source')} | {_cell(part, 'licence')} | {_cell(part, 'sha256')} |"
            for name, part in manifest.parts(record["weights"]).items()
        ),
        "",
        "The licences of the pictures that are sent in, the style among them, are the sender's to know.",
        "",
        "## Limits",
        "",
        f"- The long side of a result is at most {config['max_side_px']} px.",
        f"- A picture of more than {limits['max_pixels']} pixels is refused before it is decoded; JPEG and PNG only.",
    ]
    if record["method"] == "gatys":
        lines.append(f"- At most {limits['max_steps']} steps at each size.")
    lines += [
        "- EXIF orientation, colour profiles and transparency are left to the client; `nst-tf client` handles them.",
        "- It knows textures and colours, not things: faces and writing do not keep their meaning.",
        "",
        "## Measured at export",
        "",
        f"In {record['precision']}, in TensorFlow's C library, against Python, in levels of 255:",
        "",
        "| request | signature | mean | maximum | s |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {found['signature']} | {found['mean_difference_levels']} | "
            f"{found['largest_difference_levels']} | {found['seconds']} |"
            for name, found in record["self_check"]["requests"].items()
        ),
        "",
        "Versions: " + ", ".join(f"{name} {number}" for name, number in record["versions"].items()) + ".",
        "",
    ]
    return "\n".join(lines)


def _blend(names: Sequence[str]) -> str:
    return f"{names[0]}=0.3,{names[-1]}=0.7"


def _cell(part: Mapping[str, Any], name: str) -> str:
    """A value as the cell of a table."""
    return " ".join(str(part.get(name, "not known")).split()).replace("|", "\\|")
