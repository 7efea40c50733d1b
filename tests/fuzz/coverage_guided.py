"""Coverage-guided fuzzing of the readers with atheris (`pip install -e ".[fuzz]"`).

    python -m tests.fuzz.coverage_guided -max_total_time=60            every target in turn
    python -m tests.fuzz.coverage_guided picture -max_total_time=600   one

Further options are libFuzzer's. What it finds is written to tests/corpus/TARGET, where `test_corpus.py` reads it from
then on. The Python code of the project, of Pillow and of zipfile is instrumented; the C code beneath is not.
"""

import contextlib
import pathlib
import subprocess
import sys
import tempfile

import atheris

CORPUS = pathlib.Path(__file__).resolve().parent.parent / "corpus"
LIMITS = ("-timeout=60", "-rss_limit_mb=4096", "-max_len=65536")  # the sandbox's caps, TensorFlow added

with atheris.instrument_imports(include=["nst_tf", "PIL", "zipfile", "pickletools"]):
    from nst_tf import errors
    from tests.fuzz import mutation, targets


def main(name: str, options: list[str]) -> None:
    target = targets.TARGETS[name]
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        beginnings = pathlib.Path(folder, "beginnings")
        beginnings.mkdir()
        for number, data in enumerate(target.seeds()):
            (beginnings / str(number)).write_bytes(data)
        path = pathlib.Path(folder, f"file{target.suffix}")

        def read(data: bytes) -> None:
            if target.suffix:
                path.write_bytes(data)
            with contextlib.suppress(errors.NstError):
                target.read(path if target.suffix else data)

        def mutate(data: bytes, max_size: int, seed: int) -> bytes:
            if seed % 2:
                return mutation.mutated(data, str(seed), target.seeds())[:max_size]
            return mutation.mended(atheris.Mutate(data, max_size))[:max_size]

        arguments = [*LIMITS, f"-artifact_prefix={CORPUS / name}/", *options, str(beginnings)]
        atheris.Setup([sys.argv[0], *arguments], read, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    if names:
        main(names[0], options)
    for name in () if names else targets.TARGETS:
        print(f"fuzzing {name}", flush=True)
        subprocess.run([sys.executable, "-m", __spec__.name, name, *options], check=True)
