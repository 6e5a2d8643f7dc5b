"""`python -m compose.renderer`."""

import sys

from compose.renderer.render import main

sys.exit(main())
