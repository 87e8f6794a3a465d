"""`python -m launcher`, which `make run` calls."""

import sys

from launcher.start import main

sys.exit(main())
