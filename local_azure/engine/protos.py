"""Pulumi's protocol messages, without the SDK around them.

Importing anything below `pulumi` runs the whole SDK first (0.16 s, which is a tenth
of a no-change `up`). The messages need none of it, so they are imported below bare
packages, which are taken away again: a later `import pulumi` gets the real ones.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from types import ModuleType

_PACKAGES = ("pulumi", "pulumi.runtime", "pulumi.runtime.proto")


@contextmanager
def _bare_packages() -> Generator[None]:
    if "pulumi" in sys.modules:
        yield
        return
    spec = PathFinder.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            "the Pulumi SDK is not installed: run `make setup` (pip install -r requirements.txt)"
        )
    folder = next(iter(spec.submodule_search_locations))
    for name in _PACKAGES:
        module = ModuleType(name)
        module.__path__ = ["/".join([folder, *name.split(".")[1:]])]
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in _PACKAGES:
            del sys.modules[name]


with _bare_packages():
    from pulumi.runtime.proto import (
        alias_pb2,
        engine_pb2,
        plugin_pb2,
        provider_pb2,
        resource_pb2,
        source_pb2,
        status_pb2,
    )

__all__ = [
    "alias_pb2",
    "engine_pb2",
    "plugin_pb2",
    "provider_pb2",
    "resource_pb2",
    "source_pb2",
    "status_pb2",
]
