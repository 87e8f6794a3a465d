"""`python -m tools.launcher`, which `make run` calls."""

import sys

from tools.launcher.start import main

sys.exit(main())
