"""``python -m condetr``."""

import sys

from condetr.cli.main import run

sys.exit(run())
