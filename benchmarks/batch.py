"""What worker processes gain in bulk work: photographs a second of `nst-tf batch`.

    python -m benchmarks.batch --photos=photos --count=200 --size=256

Ways: one worker of one thread, two workers of one thread each, one worker with every core. Each run is the command in
processes of its own, into an empty folder; runs alternate. The time of a run on one picture, which is starting up, is
measured as well and is part of every other time.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from absl import app, flags

_PHOTOS = flags.DEFINE_string("photos", None, "folder of photographs", required=True)
_COUNT = flags.DEFINE_integer("count", 200, "photographs in a run")
_SIZE = flags.DEFINE_integer("size", 256, "long side, px")
_RUNS = flags.DEFINE_integer("runs", 1, "runs of each way")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 4, "pictures in a batch")

PROCESSES = "--direct_running_mode=multi_processing"
WAYS = {
    "1 worker, 1 thread": ("--threads=1", PROCESSES, "--direct_num_workers=1"),
    "2 workers, 1 thread each": ("--threads=1", PROCESSES, "--direct_num_workers=2"),
    f"1 worker, {os.cpu_count()} threads": ("--threads=0", PROCESSES, "--direct_num_workers=1"),
}


def main(_):
    paths = sorted(path for path in pathlib.Path(_PHOTOS.value).iterdir() if path.is_file())[: _COUNT.value]
    seconds = {way: [] for way in WAYS}
    starting = {way: [] for way in WAYS}
    for _ in range(_RUNS.value):
        for way in WAYS:
            starting[way].append(timed(way, paths[:1]))
            seconds[way].append(timed(way, paths))
    base = [statistics.median(times["1 worker, 1 thread"]) for times in (seconds, starting)]
    print(f"\n{len(paths)} photographs, {_SIZE.value} px, medians of {_RUNS.value} runs\n")
    print("| way | s | of them starting up | photographs/s | gain | without starting up |\n|---|---|---|---|---|---|")
    for way in WAYS:
        whole, start = statistics.median(seconds[way]), statistics.median(starting[way])
        gains = f"{base[0] / whole:.2f} | {(base[0] - base[1]) / (whole - start):.2f}"
        print(f"| {way} | {whole:.0f} | {start:.0f} | {len(paths) / whole:.2f} | {gains} |")


def timed(way, paths):
    """Seconds of the command on some photographs."""
    threads, *beam = WAYS[way]
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            os.symlink(path.resolve(), pathlib.Path(folder, path.name))
        command = [sys.executable, "-m", "cli.main", "batch", f"--input={folder}/*", "--style=sample:van-gogh"]
        options = [f"--output_dir={folder}/out", f"--size={_SIZE.value}", f"--batch_size={_BATCH_SIZE.value}", threads]
        began = time.perf_counter()
        subprocess.run([*command, *options, "--", *beam], check=True)
        took = time.perf_counter() - began
        written = len(list(pathlib.Path(folder, "out").glob("*.png")))
        if written != len(paths):
            raise RuntimeError(f"{way}: {written} of {len(paths)} were written")
        return took


if __name__ == "__main__":
    app.run(main)
