"""What the programs share that lower a step to StableHLO: its text, its variables' names, and files."""

import os
import re


def portable(text):
    """The module without what StableHLO has no word for and a GPU's plugin of jaxlib refuses: copies and aliases."""
    text = re.sub(
        r"mhlo\.copy (%\S+) : (tensor<\S+>)", r"stablehlo.reshape \1 : (\2) -> \2", text
    )  # no change of shape
    return re.sub(r"^(module @\S+) attributes .* \{$", r"\1 {", text, flags=re.MULTILINE)


def variables_of(goal):
    """The network's tf.Variables by name, such as block1_conv1/kernel."""
    return {
        f"{layer.name}/{part}": getattr(layer, part).value
        for layer in goal.extractor.layers
        for part in ("kernel", "bias")
        if hasattr(layer, part)
    }


def write(path, fill):
    """Writes beside the path and renames."""
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "wb") as file:
        fill(file)
    os.replace(partial, path)
