import os
from pathlib import Path
from typing import Any

import pytest

from local_azure.home import ENVIRONMENT_VARIABLE, PROJECT, Home, HomeError


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)


def test_the_home_is_in_the_current_folder_unless_the_environment_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Home.find().root == tmp_path / ".local"
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "other"))
    assert Home.find().root == tmp_path / "other"


def test_two_projects_of_one_checkout_share_the_home() -> None:
    assert Home.find(PROJECT / "bootstrap").root == PROJECT / ".local"


def test_a_deleted_current_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "deleted"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(HomeError, match="current folder"):
        Home.find()


def test_a_new_or_empty_folder_becomes_a_home_and_stays_one(tmp_path: Path) -> None:
    home = Home(tmp_path / "a" / "b")
    assert not home.is_made
    home.prepare()
    home.logs.mkdir()
    home.prepare()
    assert home.is_made


def test_a_folder_with_other_content_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for root in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(HomeError, match=ENVIRONMENT_VARIABLE):
            Home(root).prepare()
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("error", [PermissionError, OSError])
def test_a_folder_that_cannot_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    """As another user's folder; patched, since root may read any."""
    home = Home(tmp_path / "other")
    real = os.stat

    def stat(path: Any, **options: Any) -> os.stat_result:
        if str(path).startswith(str(home.root)):
            raise error(13, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    assert not home.is_made
    with pytest.raises(HomeError, match=f"Permission denied.*{ENVIRONMENT_VARIABLE}"):
        home.prepare()
