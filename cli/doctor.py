"""`nst-tf doctor`: what this machine has, and what nst_tf chooses on it. In a checkout also `python -m cli.doctor`."""

import os
import pathlib
import platform
import sys

from nst_tf import configs, results
from nst_tf.weights import cache

from . import config_flags, program

config_flags.define(configs.DoctorCommand)

_INTRO = """nst-tf doctor: show what this machine has and what nst_tf chooses on it

  nst-tf doctor
  nst-tf doctor --measure --threads=2

Paste its output into a bug report; it names the folder of the weights and no other file of yours."""

# What decides about speed, out of the hundred features that a CPU names.
_CPU_FEATURES = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16")
_ENVIRONMENT = (
    "NST_TF_HOME", "TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "TF_XLA_FLAGS", "XLA_FLAGS", "OMP_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_CPU_ALLOCATOR_USE_BFC", "CUDA_VISIBLE_DEVICES",
)  # fmt: skip


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Prints one line for each fact."""
    command = config_flags.config_from_flags(configs.DoctorCommand)
    program.load_tensorflow(threads=command.threads)
    facts = _machine() | _choices(measure=command.measure) | _weights() | _environment()
    width = max(map(len, facts))
    print("\n".join(f"{name:{width}}  {value}" for name, value in facts.items()))
    return 0


def _machine() -> dict[str, str]:
    from nst_tf import machine  # TensorFlow, which --help need not wait for

    described = machine.described()
    free_bytes = machine.available_bytes()
    return {
        "versions": ", ".join(f"{name} {number}" for name, number in results.versions().items()),
        "system": platform.platform(),
        "CPU": described["CPU"],
        "CPU features": " ".join(name for name in _CPU_FEATURES if name in machine.cpu_flags()) or "none known",
        "hardware threads": str(machine.cores()),
        "threads": f"{described['threads of an operation']} in an operation, "
        f"{described['operations at a time']} operations at a time",
        "memory free": f"{free_bytes / 2**20:.0f} MB" if free_bytes < float("inf") else "not known",
        "GPU": described["GPU"],
    }


def _choices(*, measure: bool) -> dict[str, str]:
    from nst_tf import fastest_convolution, precision

    policy, reason = precision.resolve("auto")
    chosen = {"--precision=auto": f"{policy}, {reason}"}
    for name in dict.fromkeys((policy, "float32")):
        choice = fastest_convolution.resolve("auto", name, cache.folder(), anew=measure)
        chosen[f"--convolution=auto, {name}"] = f"{choice.form}, {choice.reason}"
    return chosen


def _weights() -> dict[str, str]:
    folder = cache.folder()
    found = sorted(folder.glob("*.weights.h5")) if folder.is_dir() else []
    rows = {"folder of weights": str(folder)}
    return rows | {f"weights {i}": _described(path) for i, path in enumerate(found, 1)} if found else rows


def _described(path: pathlib.Path) -> str:
    return f"{path.name}, {path.stat().st_size / 2**20:.0f} MB"


def _environment() -> dict[str, str]:
    given = [f"{name}={os.environ[name]}" for name in _ENVIRONMENT if name in os.environ]
    return {"environment": ", ".join(given) or "nothing that matters here"}


def help_text() -> str:
    """The text of --help."""
    return program.render_help(_INTRO, config_flags.help_rows(configs.DoctorCommand))


if __name__ == "__main__":
    sys.exit(run(["nst-tf doctor", *sys.argv[1:]]))
