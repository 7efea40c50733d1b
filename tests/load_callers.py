"""Many callers of one bundle in TensorFlow's C library; run as a program, it imports neither TensorFlow nor nst_tf.

    python tests/load_callers.py REPLAY BUNDLE FOLDER ROUNDS

FOLDER holds NAME.inputs.npz, one caller's request each. They are answered one after another, then ROUNDS times all at
once. The last line printed is JSON: answers unlike the first, the largest difference of them in bytes or values, and
resident bytes after the first quarter of the rounds and at the end.
"""

import json
import pathlib
import runpy
import sys
import threading

import numpy as np


def main(replay, bundle, folder, rounds):
    session = runpy.run_path(replay)["Session"](bundle)
    requests = []
    for path in sorted(pathlib.Path(folder).glob("*.inputs.npz")):
        with np.load(path) as archive:
            requests.append(dict(archive))
    signatures = [str(request.pop("signature")) for request in requests]
    alone = [session.run(*call) for call in zip(signatures, requests, strict=True)]
    unlike, failures, resident = [], [], []

    def call(number):
        try:
            answer = session.run(signatures[number], requests[number])
        except RuntimeError as error:
            failures.append(str(error))
            return
        for name, values in answer.items():
            if not np.array_equal(values, alone[number][name]):
                unlike.append((number, name))

    for _ in range(int(rounds)):
        threads = [threading.Thread(target=call, args=[number]) for number in range(len(requests))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        resident.append(resident_bytes())
    warm = resident[len(resident) // 4]
    counts = {"unlike": len(unlike), "answers": len(requests) * int(rounds), "failures": failures[:3]}
    print(json.dumps(counts | {"warm_bytes": warm, "end_bytes": resident[-1]}))


def resident_bytes():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
