"""The search for a usable CLI starts each `pulumi` of PATH."""

import os
import time
from pathlib import Path

import pytest

from tools.pulumi import cli


def test_a_hanging_program_is_waited_for_once_by_this_process_and_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pulumi"
    program.write_text("#!/bin/sh\nexec sleep 30\n")
    program.chmod(0o755)
    monkeypatch.setattr(cli, "_VERSION_DEADLINE", 0.3)
    monkeypatch.setenv(cli.HANGING, "/earlier/pulumi")
    environment = {"PATH": str(tmp_path), "PULUMI_HOME": str(tmp_path)}

    assert "does not run" in cli.rejected(environment)[0]

    assert os.environ[cli.HANGING] == f"/earlier/pulumi{os.pathsep}{program}"
    cli._version.cache_clear()  # pyright: ignore[reportPrivateUsage] # as in a child process
    monkeypatch.setattr(cli, "_VERSION_DEADLINE", 30.0)
    began = time.monotonic()
    assert "no answer within 30 seconds" in cli.rejected(environment)[0]
    assert time.monotonic() - began < 10
