"""Pictures of the package `neural-style` at its own defaults, to be judged on the sheets of `benchmarks.sheets`.

    python -m benchmarks.neural_style_pictures --python=package/bin/python --output_dir=outputs/sheets
    python -m benchmarks.sheets --contestants=full,neural-style,good --output_dir=outputs/sheets

--python is that of an environment with the package (see `benchmarks.neural_style_package`), PyTorch, and what nst_tf
reads weights with. A picture takes the package's 1000 evaluations from noise, on the original network; one that is
there already is not made again. Convolutions multiply in bfloat16, as ours do; everything else is the package's own.
"""

import os
import pathlib
import subprocess
import tempfile
import time

from absl import app, flags

from benchmarks import neural_style_package, sheets
from nst_tf.pictures import samples

_PYTHON = flags.DEFINE_string("python", "python", "the interpreter of the package's environment")

NAME = "neural-style"


def main(_):
    values = flags.FLAGS
    for pair in values.pairs:
        path = sheets.path_of(pathlib.Path(values.output_dir).absolute(), pair, NAME)
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        content, style = (samples.path_of(source).absolute() for source in sheets.sources(pair))
        command = [values.python, "-m", "benchmarks.neural_style_package", neural_style_package.DEFAULTS]
        command += ["-content_image", content, "-style_image", style, "-image_size", str(values.size)]
        command += ["-seed", str(values.seed), "-save_iter", "0", "-output_image", "out.png"]
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            subprocess.run(command, cwd=folder, check=True, env=os.environ | {"PYTHONPATH": os.getcwd()})
            os.replace(pathlib.Path(folder) / "out.png", path)
        print(f"{path}: {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    app.run(main)
