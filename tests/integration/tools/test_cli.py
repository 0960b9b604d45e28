"""The search for a usable CLI starts each `pulumi` of PATH."""

import os
import time
from pathlib import Path

import pytest

from tools.pulumi import cli


def reasons(folder: Path, script: str) -> list[str]:
    """Why a `pulumi` on PATH, a script of sh, is not used."""
    program = folder / "pulumi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return cli.rejected({"PATH": str(folder), "PULUMI_HOME": str(folder)})


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo v3.258.9", "version 3.258.9 is older than 3.259.0"),
        ("echo v3.259.0", None),
        ("echo broken >&2; exit 3", "`pulumi version` ended with exit code 3: broken"),
        ("echo nonsense", "`pulumi version` ended with exit code 0: nonsense"),
    ],
)
def test_an_unusable_pulumi_is_named_with_the_reason(tmp_path: Path, script: str, reason: str | None) -> None:
    assert reasons(tmp_path, script) == ([f"{tmp_path}/pulumi: {reason}"] if reason else [])
    environment = {"PATH": str(tmp_path), "PULUMI_HOME": str(tmp_path)}
    if reason:
        with pytest.raises(cli.PulumiNotFoundError, match=f"run `make pulumi`(.|\n)*{tmp_path}/pulumi: "):
            cli.require(environment)
    else:
        assert cli.require(environment) == cli.Cli(tmp_path / "pulumi", "3.259.0")


def test_a_hanging_program_is_waited_for_once_by_this_process_and_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_VERSION_DEADLINE", 0.3)
    monkeypatch.setenv(cli.HANGING, "/earlier/pulumi")

    assert "does not run" in reasons(tmp_path, "exec sleep 30")[0]

    assert os.environ[cli.HANGING] == f"/earlier/pulumi{os.pathsep}{tmp_path}/pulumi"
    cli._version.cache_clear()  # pyright: ignore[reportPrivateUsage] # as in a child process
    monkeypatch.setattr(cli, "_VERSION_DEADLINE", 30.0)
    began = time.monotonic()
    assert "no answer within 30 seconds" in reasons(tmp_path, "exec sleep 30")[0]
    assert time.monotonic() - began < 10
