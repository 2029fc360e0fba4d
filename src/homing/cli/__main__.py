"""`python -m homing.cli`: the same as `homing`."""

import sys

from homing.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
