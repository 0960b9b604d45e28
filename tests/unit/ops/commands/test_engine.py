"""What the CLI is started with, and what its answers mean."""

import json

import pytest

from ops.engine import SECRETS_PROVIDER_VARIABLE, Completed, Pulumi
from ops.output import OpsError, TerminatedError
from tests.unit.ops.world import World


def test_stacks_have_their_resources_and_their_last_update(world: World) -> None:
    stacks = [
        {"name": "organization/p/dev", "resourceCount": 3, "lastUpdate": "2026-11-25T03:00:00.000Z"},
        {"name": "pr-1"},
    ]
    world.patch.setattr(world.cli, "run", lambda *_, **_options: Completed(0, json.dumps(stacks), ""))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]

    dev, new = world.pulumi().summaries()

    assert (dev.name, dev.resources, str(dev.updated)) == ("dev", 3, "2026-11-25 03:00:00+00:00")
    assert (new.name, new.resources, new.updated) == ("pr-1", None, None)


def test_a_stack_is_created_once_with_the_secrets_provider_of_the_environment(world: World) -> None:
    world.environment[SECRETS_PROVIDER_VARIABLE] = "azurekeyvault://v"

    world.pulumi().make_stack("dev")
    world.pulumi().make_stack("dev")

    assert world.cli.changes() == ["stack init dev --no-select --secrets-provider azurekeyvault://v"]


@pytest.mark.parametrize("error", [TerminatedError, KeyboardInterrupt])
def test_an_interrupted_command_ends_with_130(world: World, error: type[BaseException]) -> None:
    def interrupt(*_: object) -> None:
        raise error

    world.patch.setattr(world.cli, "run", interrupt)

    assert world.ops("unlock", "--stack", "dev") == (130, "", "")


def test_a_backend_that_locks_by_itself_needs_no_claim(world: World) -> None:
    world.environment["PULUMI_BACKEND_URL"] = "https://api.pulumi.com"

    world.pulumi().up("dev")

    assert world.cli.changes() == ["up --stack dev --yes --skip-preview"]


def test_without_a_backend_the_command_is_named(world: World) -> None:
    with pytest.raises(OpsError, match="export PULUMI_BACKEND_URL="):
        _ = Pulumi(world.folder, {}).files
    (world.folder / "Pulumi.yaml").write_text("name: assistant\nbackend: {url: 'file:///state'}\n")
    assert Pulumi(world.folder, {}).files.url == "file:///state"
