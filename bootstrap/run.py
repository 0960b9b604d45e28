"""Where Pulumi begins. It runs in this folder; the packages stand in the one above."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bootstrap.program import main

main()
