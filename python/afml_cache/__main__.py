"""`python -m afml_cache`: the command line."""

import sys

from afml_cache.cli import main

if __name__ == "__main__":
    sys.exit(main())
