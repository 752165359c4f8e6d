"""Do the values of `values.py` have the digests of `digests.json` in this environment?

python check.py           # one line if they do; values of libraries that are missing are left out
python check.py --write   # write the table anew: every key of every user changes with it
"""

import importlib.util
import json
import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import values

from afml_cache import digest

TABLE = Path(__file__).with_name("digests.json")


def here():
    """Every value that can be made in this environment, by name."""
    found = dict(values.PLAIN)
    for needed, make in values.LIBRARIES.values():
        if all(importlib.util.find_spec(name) for name in needed):
            found.update(make())
    return found


def named(make):
    """The digest of a value, or what went wrong."""
    try:
        return digest(make())
    except Exception as error:  # noqa: BLE001 - every value is looked at
        return repr(error)


def main(arguments):
    """Compare or write; the exit status says whether all agreed."""
    digests = {name: named(make) for name, make in here().items()}
    if arguments == ["--write"]:
        TABLE.write_text(json.dumps(digests, indent=1, ensure_ascii=False) + "\n")
        return 0
    table = json.loads(TABLE.read_text())
    wrong = [name for name, found in digests.items() if table.get(name) != found]
    if len(set(table.values())) != len(table):
        wrong.append("two values of the table share a digest")
    seed = os.environ.get("PYTHONHASHSEED", "random")
    print(
        f"{len(digests)} golden digests, {len(wrong)} wrong {wrong or ''} "
        f"(Python {platform.python_version()}, hash seed {seed})"
    )
    return len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
