"""``python -m burrow_exporter``."""

import sys

from burrow_exporter.cli import main

if __name__ == "__main__":
    sys.exit(main())
