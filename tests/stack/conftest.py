import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.workspace import PROJECT, Workspace, workspace

EDITED = ("__main__.py", "Pulumi.*.yaml", "infra/**/*.py", "function_app/**/*.py")


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with workspace(tmp_path_factory.mktemp("stack")) as clone:
        (clone.root / ".github").mkdir()
        shutil.copy(PROJECT / ".github" / "owners.toml", clone.root / ".github")
        yield clone


@pytest.fixture
def stack(shared_stack: Workspace) -> Iterator[Workspace]:
    """The whole program, up as committed. Files and resources that a test changes are put back after it."""
    if not shared_stack.state_file().exists() or not shared_stack.resources():
        shared_stack.up()
    files = [path for pattern in EDITED for path in shared_stack.root.glob(pattern)]
    contents = {path: path.read_bytes() for path in files}
    before = deployed(shared_stack)
    yield shared_stack
    for path, content in contents.items():
        if path.read_bytes() != content:
            path.write_bytes(content)
    if deployed(shared_stack) != before:
        shared_stack.up("--refresh")


def deployed(stack: Workspace) -> Any:
    """What local Azure has, and the inputs in the state by URN: outputs change with every refresh.

    The inputs of a dynamic provider are the whole configuration, also that of an `up` which was refused.
    """
    return stack.arm(), {
        resource["urn"]: resource.get("inputs")
        for resource in stack.resources()
        if not resource["type"].startswith("pulumi:providers:")
    }
