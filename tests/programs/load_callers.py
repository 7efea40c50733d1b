"""Many callers of one bundle in TensorFlow's C library; run as a program, it imports neither TensorFlow nor nst_tf.

    python tests/programs/load_callers.py REPLAY BUNDLE FOLDER ROUNDS

FOLDER holds NAME.inputs.npz, one caller's request each. They are answered one after another, then ROUNDS times all at
once. The last line printed is JSON: how many answers came, how many of them are unlike the one alone, what failed, and
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
    answered, unlike, failures, resident = [], [], [], []

    def call(number):
        try:
            answer = session.run(signatures[number], requests[number])
            same = [np.array_equal(values, answer[name]) for name, values in alone[number].items()]
        except Exception as error:  # a thread's own end would go unseen
            failures.append(repr(error))
            return
        answered.append(number)
        if not all(same) or len(same) != len(answer):
            unlike.append(number)

    for _ in range(int(rounds)):
        threads = [threading.Thread(target=call, args=[number]) for number in range(len(requests))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        resident.append(resident_bytes())
    warm = resident[len(resident) // 4]
    counts = {"answers": len(answered), "unlike": len(unlike), "failures": failures[:3]}
    print(json.dumps(counts | {"warm_bytes": warm, "end_bytes": resident[-1]}))


def resident_bytes():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
