"""A small program on local Azure whose `up` stops half-way, at a gate that the test opens."""

from pathlib import Path

_PROGRAM = """
import os
import time
from pathlib import Path

import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider
from pulumi_azure_native import resources

FOLDER = {folder!r}


class GateProvider(ResourceProvider):
    def create(self, props):
        Path(props["folder"], "pid").write_text(str(os.getpid()))
        Path(props["folder"], "reached").touch()
        end = time.monotonic() + 120
        while not Path(props["folder"], "open").exists():
            if time.monotonic() > end:
                raise TimeoutError("the test did not open the gate")
            time.sleep(0.02)
        return CreateResult("gate", dict(props))


class Gate(Resource):
    pass


def group(name, *dependencies):
    options = pulumi.ResourceOptions(depends_on=dependencies)
    return resources.ResourceGroup(name, resource_group_name="rg-" + name, location="eastus2", opts=options)


before = group("before")
gate = Gate(GateProvider(), "gate", {{"folder": FOLDER}}, pulumi.ResourceOptions(depends_on=[before]))
after = group("after", gate)
pulumi.export("after", after.name)
"""


def gated_program(folder: Path) -> str:
    """`before` is created, then `gate`, which makes the files `pid` and `reached` in the folder and waits for
    the file `open`; then `after`."""
    return _PROGRAM.format(folder=str(folder))
