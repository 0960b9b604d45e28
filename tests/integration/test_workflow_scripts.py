"""The shell scripts of the workflows, as bash reads them."""

import subprocess
from pathlib import Path

import pytest

from tests.workflow_files import FILES, load, scripts


@pytest.mark.parametrize("path", FILES.values(), ids=FILES.keys())
def test_every_shell_script_is_valid_bash(path: Path) -> None:
    for script in scripts(load(path)):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
