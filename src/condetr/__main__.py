"""``condetr`` and ``python -m condetr``."""

import sys

from condetr.cli.versions import what_is_too_old


def main() -> int:
    """The command line, unless what lies below it is too old to import it."""
    problem = what_is_too_old()
    if problem is not None:
        sys.stderr.write(f"condetr: error: {problem}\n")
        return 2
    from condetr.cli.main import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
