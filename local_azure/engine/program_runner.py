"""The process of one Pulumi program, and, forked from it, the one of its dynamic providers.

Started by path with the program's Python; needs only the SDK. It starts and imports
the SDK while the engine still reads the state; then it gets one line of JSON on its
standard input: what the language host would give as arguments and environment. The
pipes stay open: when they close, the engine is gone, and so is the reason to go on.

The dynamic providers run the SDK's `pulumi.dynamic` as `python -u -m pulumi.dynamic`
does, only that the SDK is imported already: importing it twice at the same time
would hold the program up. That process waits until the engine asks for it.
"""

import asyncio
import atexit
import gc
import json
import logging
import os
import runpy
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

# Importing an SDK makes hundreds of thousands of objects that stay: looking through them again and again
# took a tenth of a run. Rarer collections, and none of what is there before the program.
gc.set_threshold(50_000, 20, 20)

import grpc  # noqa: E402
import pulumi  # noqa: E402
import pulumi.runtime  # noqa: E402
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc  # noqa: E402

gc.freeze()

# Exit code of a program whose failure has been shown.
SHOWN = 32


def _leave(status: int) -> None:
    """Taking the interpreter apart costs time; what asked to run at exit still does."""
    sys.stdout.flush()
    sys.stderr.flush()
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage] - there is no public way
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _end_with(pipe: BinaryIO) -> None:
    """Ends this process when the engine closes the pipe."""

    def wait() -> None:
        pipe.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


# --- dynamic providers ------------------------------------------------------


def _serve_dynamic_providers(requests: int, answers: int) -> None:
    """Runs in the forked process. `requests` brings one line of JSON, `answers` takes what it prints."""
    pipe = os.fdopen(requests, "rb")
    for stream in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(answers, stream)
    line = pipe.readline()
    if not line:
        os._exit(0)
    given: dict[str, Any] = json.loads(line)
    _end_with(pipe)
    os.environ["PULUMI_CONFIG"] = json.dumps(given["config"])
    sys.argv = ["pulumi.dynamic", given["engine"]]
    sys.path.insert(0, str(Path.cwd()))  # as `-m` does
    runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)


# --- the program ------------------------------------------------------------


def _own_traceback() -> str:
    """The traceback from the program's first frame on; a file that is no Python has none."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    start = 1 + max(index for index, frame in enumerate(frames) if frame.filename == __file__)
    while start < len(frames) and frames[start].filename.startswith("<frozen "):  # runpy, importlib
        start += 1
    if start == len(frames):
        return "".join(traceback.format_exception_only(*sys.exc_info()[:2]))
    return traceback.format_exc(limit=start - len(frames))


class _Engine:
    """The engine without the debug messages: the SDK waits for each of many, and none is shown."""

    def __init__(self, address: str) -> None:
        self._stub: Any = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def Log(self, request: engine_pb2.LogRequest) -> None:  # noqa: N802 - the service's own name
        if request.severity != engine_pb2.DEBUG:
            self._stub.Log(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stub, name)


def _run(program: str) -> None:
    # A package's own folder comes first in the search path, as when Python itself runs the folder.
    runpy.run_path(program, run_name="__main__")


def _run_program(given: dict[str, Any]) -> int:
    os.environ["PULUMI_CONFIG"] = json.dumps(given["config"])
    os.environ["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(given["config_secret_keys"])
    pulumi.runtime.set_all_config(given["config"], given["config_secret_keys"])
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=given["engine"],
            engine=_Engine(given["engine"]),
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
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_own_traceback()}")
    finally:
        executor.shutdown(wait=True)
    return code


def main(requests: int, answers: int) -> int:
    """`requests` and `answers`: the descriptors of the dynamic providers' pipes."""
    # No thread runs yet, and gRPC has not been used: the one moment at which a fork is safe.
    if os.fork() == 0:
        _serve_dynamic_providers(requests, answers)
        os._exit(0)
    os.close(requests)
    os.close(answers)
    pipe = os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    line = pipe.readline()
    if not line:
        return 0
    _end_with(pipe)
    return _run_program(json.loads(line))


if __name__ == "__main__":
    _status = 1
    try:
        _status = main(int(sys.argv[1]), int(sys.argv[2]))
    finally:
        _leave(_status)
