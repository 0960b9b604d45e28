import gc
import os
import sys

# One command makes little garbage and ends soon: collecting costs more than it gives back.
gc.set_threshold(100_000, 20, 20)

from local_azure.engine.cli import main  # noqa: E402

status = main()
sys.stdout.flush()
sys.stderr.flush()
# gRPC takes its time to take itself apart (0.05 s), and nothing is left to do.
os._exit(status)
