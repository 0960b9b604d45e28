import os
from pathlib import Path
from typing import Any

import pytest

from local_azure.home import ENVIRONMENT_VARIABLE, PROJECT, Home, HomeError


def test_the_home_is_in_the_current_folder_unless_the_environment_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    assert Home.find().root == tmp_path / ".local"
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "other"))
    assert Home.find().root == tmp_path / "other"


def test_two_projects_of_one_checkout_share_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT / "bootstrap")
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    assert Home.find().root == PROJECT / ".local"


def test_a_new_or_empty_folder_becomes_a_home_and_stays_one(tmp_path: Path) -> None:
    home = Home(tmp_path / "a" / "b")
    assert not home.is_made
    home.prepare()
    home.logs.mkdir()
    home.prepare()
    assert home.is_made


def test_a_folder_with_other_things_in_it_is_never_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(HomeError, match=ENVIRONMENT_VARIABLE):
        Home(tmp_path).prepare()
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("error", [PermissionError, OSError])
def test_a_folder_that_may_not_be_looked_at_is_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    """On a PATH that was kept from another user. Root may look at anything, so the refusal is made up."""
    home = Home(tmp_path / "other")
    look = os.stat

    def stat(path: Any, **options: Any) -> os.stat_result:
        if str(path).startswith(str(home.root)):
            raise error(13, "Permission denied", str(path))
        return look(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    assert not home.is_made
    with pytest.raises(HomeError, match=f"Permission denied.*{ENVIRONMENT_VARIABLE}"):
        home.prepare()


def test_a_name_that_no_file_can_have_is_no_home(tmp_path: Path) -> None:
    assert not Home(tmp_path / ("x" * 300)).is_made


def test_a_current_folder_that_is_gone_is_named_as_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(HomeError, match="current folder"):
        Home.find()


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError):
        Home(tmp_path / "file").prepare()
