"""Runs a batch job with an exported bundle on a runner, in a process of its own, and prints the counts as JSON.

python -m tests.programs.batch_on_runner BUNDLE PHOTOS OUTPUT_DIR [BEAM_OPTION ...]
"""

import json
import sys

from nst_tf import configs
from nst_tf.pipelines import batch, jobs


def main(bundle, photos, output_dir, *beam_arguments):
    config = configs.BatchConfig(max_side_px=32, batch_size=2, threads=1, bundle=bundle)
    job = jobs.describe([f"{photos}/*.png"], [], output_dir, config, beam_arguments)
    print(json.dumps(batch.run(job, beam_arguments)._asdict()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
