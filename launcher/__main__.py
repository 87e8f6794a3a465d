"""`python -m launcher`, which `make run` calls."""

import sys

from launcher import main

sys.exit(main())
