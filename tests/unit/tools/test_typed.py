"""A message names the command that works where the run was started."""

import pytest

from tools.pulumi.typed import LOCAL_AZURE, RUNNER, VARIABLE, as_typed

LOCAL = ".venv/bin/python -m local_azure"


@pytest.mark.parametrize(
    ("command", "against_azure", "local_azure", "runner"),
    [
        ("pulumi up", "pulumi up", f"{LOCAL} pulumi up", "make local"),
        ("X=1 pulumi up", "X=1 pulumi up", f"X=1 {LOCAL} pulumi up", "make down, then make local"),
        ("pulumi up --stack s", "pulumi up --stack s", f"{LOCAL} pulumi up --stack s", "make local"),
        (
            "pulumi config set k v --stack s",
            "pulumi config set k v --stack s",
            f"{LOCAL} pulumi config set k v --stack s",
            "in Pulumi.s.yaml, set k: v",
        ),
        (
            "pulumi config set --stack s --path 'tags.a' 'b c'",
            "pulumi config set --stack s --path 'tags.a' 'b c'",
            f"{LOCAL} pulumi config set --stack s --path 'tags.a' 'b c'",
            "in Pulumi.s.yaml, set 'tags.a': 'b c'",
        ),
        (
            "pulumi config rm --stack s k",
            "pulumi config rm --stack s k",
            f"{LOCAL} pulumi config rm --stack s k",
            "in Pulumi.s.yaml, remove k",
        ),
        (
            "python -m ops drift --stack STACK",
            "python -m ops drift --stack s",
            f"{LOCAL} exec -- .venv/bin/python -m ops drift --stack s",
            "make down, then make local",
        ),
    ],
)
def test_a_command_is_named_as_a_user_types_it(
    command: str, against_azure: str, local_azure: str, runner: str
) -> None:
    named = [as_typed(command, {"PULUMI_STACK": "s", VARIABLE: value}) for value in ("", LOCAL_AZURE, RUNNER)]
    assert named == [against_azure, local_azure, runner]


def test_a_stack_that_is_not_known_stays_a_placeholder() -> None:
    assert as_typed("python -m ops drift --stack STACK", {}) == "python -m ops drift --stack STACK"
