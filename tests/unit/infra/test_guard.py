"""A protected stack refuses its deletion with the two commands that would allow it."""

import sys
from typing import Any

import pytest

from infra.dynamic.deletion_guard import DeletionGuardProvider, ProtectedError

PROTECTED: dict[str, Any] = {"protected": True, "stack": "prod"}


@pytest.fixture(autouse=True)
def tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)


def test_a_protected_stack_names_the_two_commands_that_allow_its_deletion() -> None:
    with pytest.raises(ProtectedError) as refused:
        DeletionGuardProvider().delete("id", PROTECTED)

    commands = [line.strip() for line in str(refused.value).splitlines()[1:]]
    assert commands == ["pulumi config set deletionProtection false --stack prod", "pulumi up --stack prod"]


def test_without_protection_it_goes_like_any_resource() -> None:
    DeletionGuardProvider().delete("id", {**PROTECTED, "protected": False})


def test_taking_the_protection_off_is_an_update() -> None:
    guard = DeletionGuardProvider()
    off = {**PROTECTED, "protected": False}

    assert guard.diff("id", PROTECTED, off).changes
    assert guard.update("id", PROTECTED, off).outs == off
    assert not guard.diff("id", PROTECTED, {**PROTECTED, "__provider": "pickle"}).changes
