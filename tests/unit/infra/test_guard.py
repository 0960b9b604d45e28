from typing import Any

import pytest

from infra.dynamic.deletion_guard import DeletionGuardProvider, ProtectedError

PROTECTED: dict[str, Any] = {"protected": True, "stack": "prod"}
UNPROTECTED = {**PROTECTED, "protected": False}


def test_deleting_a_protected_stack_fails_with_the_two_commands_that_allow_it() -> None:
    with pytest.raises(ProtectedError) as raised:
        DeletionGuardProvider().delete("id", PROTECTED)
    commands = [line.strip() for line in str(raised.value).splitlines()[1:]]
    assert commands == ["pulumi config set deletionProtection false --stack prod", "pulumi up --stack prod"]


def test_an_unprotected_stack_is_deleted() -> None:
    DeletionGuardProvider().delete("id", UNPROTECTED)


def test_the_state_has_the_protection_and_changes_with_it() -> None:
    guard = DeletionGuardProvider()
    created = guard.create({**PROTECTED, "__provider": "pickle"})
    assert (created.id, created.outs) == ("deletion-guard", PROTECTED)
    assert guard.diff("id", PROTECTED, UNPROTECTED).changes
    assert guard.update("id", PROTECTED, UNPROTECTED).outs == UNPROTECTED
    assert not guard.diff("id", PROTECTED, {**PROTECTED, "__provider": "pickle"}).changes
