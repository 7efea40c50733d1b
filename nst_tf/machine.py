"""The machine a run is on: its memory, CPU, speed, and what the last bits of a result may depend on."""

import functools
import importlib.metadata
import os
import pathlib
import platform
import time
from typing import Any

import tensorflow as tf

from nst_tf import version

_MEMINFO = pathlib.Path("/proc/meminfo")
_CGROUP = pathlib.Path("/sys/fs/cgroup")
_CPU_INFO = pathlib.Path("/proc/cpuinfo")
_PROBE_SIDE = 1024  # of the matrices that are multiplied to find a machine's speed: 2 GFLOP
_SHARE_OF_PROBE = 0.8  # what a step reaches of their rate


def available_bytes() -> float:
    """The memory still free: the machine's or, where that is less, the container's. Infinite where it is unknown."""
    free = float("inf")
    try:
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024.0
    except (OSError, KeyError, ValueError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            free = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    try:
        limit, used = ((_CGROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        return min(free, float(limit) - float(used)) if limit != "max" else free
    except (OSError, ValueError):
        return free


def cpu_name() -> str:
    """The CPU's name, family and model as Linux gives them; the architecture elsewhere."""
    facts = [_cpu_fact(key) for key in ("model name", "cpu family", "model")]
    return " ".join(filter(None, facts)) or platform.machine()


@functools.lru_cache
def flop_per_s(policy: str) -> float:
    """About how many floating-point operations a second a step does, from a matrix product in the policy's format."""
    dtype = {"mixed_bfloat16": tf.bfloat16, "mixed_float16": tf.float16}.get(policy, tf.float32)
    a = tf.ones([_PROBE_SIDE, _PROBE_SIDE], dtype)
    seconds = []
    for _ in range(2):  # the first may compile
        began = time.perf_counter()
        float(tf.matmul(a, a)[0, 0])
        seconds.append(time.perf_counter() - began)
    return _SHARE_OF_PROBE * 2 * _PROBE_SIDE**3 / min(seconds)


def cpu_flags() -> set[str]:
    """The CPU's features as Linux names them; empty where the system does not tell."""
    return set(_cpu_fact("flags").split())


def described() -> dict[str, Any]:
    """What the last bits of a result may depend on."""
    threads = tf.config.threading
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return (
        {"nst_tf": version.__version__, "python": platform.python_version()}
        | versions
        | {
            "threads of an operation": threads.get_intra_op_parallelism_threads() or cores(),
            "operations at a time": operations_at_a_time(),
            "CPU": cpu_name(),
            "GPU": ", ".join(str(gpu.get("device_name")) for gpu in gpus) or "none",
        }
    )


def operations_at_a_time() -> int:
    """The operations that TensorFlow runs at the same time where they do not wait for each other."""
    return tf.config.threading.get_inter_op_parallelism_threads() or cores()


def cores() -> int:
    """The cores this process may use, which is TensorFlow's default."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_fact(key: str) -> str:
    """What Linux says of the first core under a key; empty where it says nothing."""
    try:
        lines = _CPU_INFO.read_text().splitlines()
    except OSError:
        return ""
    facts = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in facts if name.strip() == key), "")
