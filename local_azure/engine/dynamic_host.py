"""Runs the SDK's `pulumi.dynamic` as `python -u -m pulumi.dynamic` does, but not longer than its engine.

Started by path with the program's Python in the program's folder. A killed engine
closes the pipe on standard input; without this the provider would wait for ever.
"""

import os
import runpy
import sys
import threading


def _watch() -> None:
    os.read(0, 1)
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_watch, daemon=True).start()
    sys.path[0] = os.getcwd()  # noqa: PTH109 - what `-m` puts there
    runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)
