"""A stack that was made before the dynamic providers moved to infra/dynamic/ goes on as it is.

The recording holds what such a stack's state has of this program: its URNs, and the pickled provider of each
dynamic resource, which names the module that the provider was in. It was made on the Pulumi CLI 3.274.1 with
the commit before the move.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.workspace import workspace

pytestmark = pytest.mark.cli

RECORDING: dict[str, Any] = json.loads(
    (Path(__file__).parent / "recorded" / "state_before_infra_dynamic.json").read_text()
)


def test_a_state_from_before_the_move_needs_no_change_and_is_refreshed_and_destroyed(tmp_path: Path) -> None:
    with workspace(tmp_path / "older") as stack:
        stack.up()
        urns = [resource["urn"] for resource in stack.resources()]
        assert sorted(urn for urn in urns if "pulumi:providers" not in urn) == RECORDING["urns"]
        state = json.loads(stack.state_file().read_text())
        for resource in state["checkpoint"]["latest"]["resources"]:
            if (pickled := RECORDING["providers"].get(resource["type"])) is not None:
                assert resource["inputs"]["__provider"] != pickled
                resource["inputs"]["__provider"] = resource["outputs"]["__provider"] = pickled
        stack.state_file().write_text(json.dumps(state))

        assert stack.planned() == {}
        stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
        stack.pulumi("destroy", "--yes", "--skip-preview")

        assert stack.arm()["resources"] == []
