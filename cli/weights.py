"""`nst-tf weights`: lists the networks' weights in the cache, and fetches them before a machine loses its network."""

import json
import sys
from typing import Any

from nst_tf import configs, errors
from nst_tf.configs import commands
from nst_tf.vgg import forms
from nst_tf.weights import cache

from . import config_flags, program, streams

config_flags.define(configs.WeightsCommand)

_INTRO = """nst-tf weights: the networks' weights in the cache, and fetching them

  nst-tf weights
  nst-tf weights --fetch=all

After --fetch=all nothing that nst-tf does needs a network. The cache is the folder NST_TF_HOME, by default nst_tf in
the user's cache folder; it can be copied to another machine."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Fetches what --fetch names, then lists the cache."""
    wanted = config_flags.config_from_flags(configs.WeightsCommand).fetch
    failed = _fetch(list(commands.WEIGHT_SETS) if wanted == ("all",) else list(wanted)) if wanted else []
    streams.show(as_text())
    if failed:
        raise errors.WeightsError(f"not fetched: {', '.join(failed)}. What was fetched is kept; try again.")
    return 0


def as_text() -> str:
    """The cache's folder, and a line for each set of weights in it: its name, where it is from and its licence."""
    records = sorted(path for path in cache.folder().glob("*.json") if path.name != forms.MEASURED_FILE)
    lines = [f"{cache.folder()}: {len(records)} sets of weights"]
    for path in records:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            lines.append(f"  {path.stem}: {record['source']}. {record['licence']}. sha256 {record['sha256'][:12]}")
        except (OSError, ValueError, LookupError, TypeError):
            lines.append(f"  {path.stem}: its record {path} is damaged. Remove it and fetch the set again.")
    return "\n".join(lines)


def _fetch(names: list[str]) -> list[str]:
    """Obtains sets of weights one after the other; the names of those that failed."""
    program.load_tensorflow(weights=["auto"])
    from nst_tf.evaluation import lpips  # seconds of work that --help and usage errors need not wait for
    from nst_tf.weights import adain_decoder, multi_style, packages, vgg19

    failed = []
    with packages.shared_downloads(cache.folder()):
        for name in names:
            try:
                if name.startswith("lpips-"):
                    lpips.load(name.removeprefix("lpips-"), on_message=program.say)
                elif name == "decoder":
                    adain_decoder.load(on_message=program.say)
                elif name == "multi-style":
                    multi_style.load(on_message=program.say)
                else:
                    network = "original" if name == "imagenet" else "normalised"
                    vgg19.load(name, network=network, on_message=program.say)
            except errors.WeightsError as error:
                program.say(f"{name}: {error}")
                failed.append(name)
    return failed


def help_text() -> str:
    """The text of --help."""
    groups: dict[str, Any] = config_flags.help_rows(configs.WeightsCommand)
    groups["Sets of weights"] = list(commands.WEIGHT_SETS.items())
    return program.render_help(_INTRO, groups)


if __name__ == "__main__":
    sys.exit(run(["nst-tf weights", *sys.argv[1:]]))
