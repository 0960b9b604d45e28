"""The entry point of the Pulumi program. It runs in this folder; its packages are in the parent folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bootstrap.program import main

main()
