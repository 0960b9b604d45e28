from pathlib import Path

import pytest

from tools.pulumi.build import HERE, HOST_FILES, InstallError
from tools.pulumi.install import update_language_host


def test_an_outdated_language_host_is_replaced_and_a_current_one_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "language_host.py").write_text("another version")

    update_language_host(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == set(HOST_FILES)
    for name in HOST_FILES:
        assert (tmp_path / name).read_bytes() == (HERE / name).read_bytes()
        assert (tmp_path / name).stat().st_mode & 0o111
    assert f"replaced {tmp_path}/language_host.py" in capsys.readouterr().err

    inodes = {path: path.stat().st_ino for path in tmp_path.iterdir()}
    update_language_host(tmp_path)

    assert {path: path.stat().st_ino for path in tmp_path.iterdir()} == inodes
    assert capsys.readouterr().err == ""


def test_a_language_host_that_cannot_be_replaced_is_named(tmp_path: Path) -> None:
    (tmp_path / "language_host.py").mkdir()

    with pytest.raises(InstallError, match=r"language_host\.py is outdated and cannot be replaced"):
        update_language_host(tmp_path)
