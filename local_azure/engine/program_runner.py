"""Runs one Pulumi program in its own process. Started by path with the program's Python; needs only the SDK.

The process starts and imports the SDK while the engine still reads the state; then
it gets one line of JSON on its standard input: what the language host would give
as arguments and environment. The pipe stays open: when it closes, the engine is
gone, and so is the reason to go on.
"""

import asyncio
import atexit
import json
import logging
import os
import runpy
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

import pulumi
import pulumi.runtime

# The engine's side knows this code: the program's failure has been shown already.
SHOWN = 32


def _claim_stdin() -> TextIO:
    """The pipe to the engine; the program itself reads from nowhere."""
    pipe = os.fdopen(os.dup(0), encoding="utf-8")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return pipe


def _watch(pipe: TextIO) -> None:
    def wait() -> None:
        pipe.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _own_traceback(program: str) -> str:
    """The traceback from the program's first frame on; all of it where the program has none."""
    path = Path(program)
    folder = path if path.is_dir() else path.parent
    frames = list(traceback.extract_tb(sys.exc_info()[2]))
    for index, frame in enumerate(frames):
        if Path(frame.filename).absolute().is_relative_to(folder):
            return traceback.format_exc(limit=index - len(frames))
    return traceback.format_exc()


def _run(program: str) -> None:
    # A package's own folder comes first in the search path, as when Python itself runs the folder.
    runpy.run_path(program, run_name="__main__")


def main() -> int:
    pipe = _claim_stdin()
    line = pipe.readline()
    if not line:
        return 1
    given: dict[str, Any] = json.loads(line)
    _watch(pipe)
    os.environ["PULUMI_CONFIG"] = json.dumps(given["config"])
    os.environ["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(given["config_secret_keys"])
    pulumi.runtime.set_all_config(given["config"], given["config_secret_keys"])
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=given["monitor"],
            engine=given["engine"],
            project=given["project"],
            stack=given["stack"],
            parallel=given["parallel"],
            dry_run=given["dry_run"],
            organization="organization",
            root_directory=given["root_directory"],
        )
    )
    program = str(Path(given["program"]).absolute())
    sys.argv = [program]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=4 * max(given["parallel"], 1))
    loop.set_default_executor(executor)
    # A failing program leaves futures that nobody waits for; the failure itself is what the user should see.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    code = SHOWN
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run(program)))
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
    except Exception:  # noqa: BLE001 - whatever a program raises is shown to its author
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_own_traceback(program)}")
    finally:
        executor.shutdown(wait=True)
    return code


if __name__ == "__main__":
    _status = 1
    try:
        _status = main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Taking the interpreter apart costs time; what asked to run at exit still does.
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage] - there is no public way
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status)
