"""The package `neural-style` 0.5.7 from PyPI as a contestant: its own command, held between its turns by signals.

    pip install --no-deps neural-style==0.5.7

without its dependencies, since torchvision has no build for every PyTorch. The six transforms that it uses are stood in
for here; they touch the pictures before and after a run and not its steps. Network, defaults and printing are its own,
but for Adam from the content picture, so that its steps compare with the others'.
"""

import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import types

import numpy as np

from benchmarks import contestants

FOREVER = 10**6  # iterations; the contest ends sooner
DEFAULTS = "--defaults"  # ahead of arguments of the package's own command: everything else is as it has it


def is_installed():
    return importlib.util.find_spec("neural_style") is not None


class Package(contestants.Timed):
    """`neural-style` on two square pictures [1, side, side, 3]."""

    def __init__(self, content, style):
        super().__init__()
        from nst_tf.pictures import images

        self._folder = tempfile.TemporaryDirectory()
        for name, pixels in (("content.png", content), ("style.png", style)):
            images.save(pathlib.Path(self._folder.name) / name, pixels)
        command = [sys.executable, "-u", "-m", "benchmarks.neural_style_package"]
        command += [self._folder.name, str(content.shape[1])]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._read_steps(1)
        self._process.send_signal(signal.SIGSTOP)

    def take(self, steps):
        """Takes steps; returns the mean seconds of one."""
        began = time.perf_counter()
        self._process.send_signal(signal.SIGCONT)
        self._read_steps(steps)
        seconds = (time.perf_counter() - began) / steps
        self._process.send_signal(signal.SIGSTOP)
        return seconds

    def close(self):
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def _read_steps(self, steps):
        for line in self._process.stdout:
            if "Total loss:" in line:
                self.loss = float(line.split(":")[1])
                steps -= 1
                if not steps:
                    return
        raise RuntimeError(f"neural-style ended with code {self._process.wait()}")


def main(folder, side):
    """Runs the package's command in this process on content.png and style.png of a folder, for `Package`."""
    os.chdir(folder)
    arguments = ["-content_image", "content.png", "-style_image", "style.png", "-image_size", side]
    arguments += ["-optimizer", "adam", "-init", "image", "-num_iterations", str(FOREVER)]
    run([*arguments, "-print_iter", "1", "-save_iter", "0"])


def run(arguments, *, network="normalised", bfloat16=False):
    """Runs the package's command in this process; vgg19.pth comes to lie in the working directory.

    Args:
        arguments: of the command.
        network: whose weights it gets; the package's own are those of `original`.
        bfloat16: multiply in bfloat16 and lay features out channels last, which a CPU with AMX does several times as
            fast. Tensors stay float32, and what is computed stays the same but for rounding.
    """
    import torch

    from nst_tf import vgg
    from nst_tf.weights import vgg19

    # Positions of VGG-19's convolutions in torchvision's numbering, which the package's files have.
    kinds = [kind for count in vgg.CONVOLUTIONS_PER_BLOCK for kind in ["convolution", "relu"] * count + ["pooling"]]
    indices = [index for index, kind in enumerate(kinds) if kind == "convolution"]
    model = {}
    source = "imagenet" if network == "original" else "auto"
    convolutions = vgg19.load(source, network=network).convolutions
    for index, (kernel, bias) in zip(indices, convolutions.values(), strict=False):
        model[f"features.{index}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        model[f"features.{index}.bias"] = torch.from_numpy(bias.copy())
    torch.save(model, "vgg19.pth")
    sys.modules["torchvision"] = types.ModuleType("torchvision")
    sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"] = _transforms(torch)
    sys.argv = ["neural-style", "-gpu", "c", "-model_file", "vgg19.pth", "-disable_check", *arguments]

    from neural_style import neural_style  # reads sys.argv

    if bfloat16:
        _in_bfloat16(torch, neural_style)
    neural_style.main()


def _in_bfloat16(torch, package):
    torch.backends.mkldnn.conv.fp32_precision = torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    load, gram = package.loadCaffemodel, package.GramMatrix.forward

    def channels_last(*args):
        network, names = load(*args)
        return network.to(memory_format=torch.channels_last), names

    package.loadCaffemodel = channels_last
    package.GramMatrix.forward = lambda self, features: gram(self, features.contiguous())  # it takes a view


def _transforms(torch):
    """What the package uses of `torchvision.transforms`."""
    from PIL import Image

    def compose(steps):
        def composed(x):
            for step in steps:
                x = step(x)
            return x

        return composed

    def normalize(mean, std):
        mean, std = (torch.tensor(values, dtype=torch.float32)[:, None, None] for values in (mean, std))
        return lambda x: (x - mean) / std

    return types.SimpleNamespace(
        Compose=compose,
        Resize=lambda size: lambda picture: picture.resize(size[::-1], Image.Resampling.BILINEAR),
        ToTensor=lambda: lambda picture: torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255,
        Lambda=lambda function: function,
        Normalize=normalize,
        ToPILImage=lambda: lambda x: Image.fromarray((x * 255).byte().permute(1, 2, 0).numpy()),
    )


if __name__ == "__main__":
    if sys.argv[1] == DEFAULTS:
        run(sys.argv[2:], network="original", bfloat16=True)
    else:
        main(*sys.argv[1:])
