"""The script that `sweep_kills.py` kills: a sweep, or a run over batches, as a file says.

swept_script.py SETTINGS LOG OUTPUT
"""

import json
import os
import pickle
import shutil
import sys
import time
from pathlib import Path


def evaluate(strategy, log):
    """Give a row; the log has a line for each time."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{strategy}\n".encode())
    os.close(descriptor)
    time.sleep(strategy % 7 / 1000)
    return {
        "strategy": strategy,
        "profit": strategy / 7,
        "name": f"strategy {strategy}" if strategy % 5 else None,
        "trades": b"t" * (strategy % 3 * 3000),
    }


def packed(rows):
    """Give the bytes of what a sweep gave."""
    return b"".join(map(pickle.dumps, rows))


def main(settings, log, output):
    from afml_cache import BatchRunner, sweep

    given = json.loads(Path(settings).read_text())
    options = {
        "common": (log,),
        "ignore": "log",
        "executor": given["executor"],
        "workers": given["workers"],
        "checkpoint_interval": given["interval"],
        "progress": False,
    }
    if given["batch_size"] == 0:
        Path(output).write_bytes(packed(sweep(evaluate, given["items"], **options)))
        return
    folder = Path(output).with_name("batches")
    size = given["batch_size"]
    runner = BatchRunner(evaluate, given["items"], size, output_dir=folder, **options)
    shutil.copy(runner.run(), output)


if __name__ == "__main__":
    main(*sys.argv[1:])
