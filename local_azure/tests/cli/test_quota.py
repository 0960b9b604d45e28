"""`python -m local_azure quota`, in this process."""

from pathlib import Path

import pytest

from local_azure import quotas
from local_azure.__main__ import main
from local_azure.core.errors import ArmError
from local_azure.home import ENVIRONMENT_VARIABLE, Home

NAME = "OpenAI.GlobalStandard.gpt-5.4-mini"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "home"))
    return Home(tmp_path / "home")


def test_a_quota_is_set_listed_and_restored(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([NAME, "50"], [NAME, "70", "--region", "eastus2"]):
        assert main(["quota", *words]) == 0
    assert quotas.read(home.quotas_file) == {NAME: 50, f"eastus2/{NAME}": 70}
    capsys.readouterr()
    assert main(["quota"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert {f"{NAME}  50  (default 1000)", f"eastus2/{NAME}  70  (default 1000)"} <= set(listed)
    assert "FlexConsumption.MemoryMB  512000" in listed
    assert main(["quota", NAME, "default"]) == 0
    assert quotas.read(home.quotas_file) == {f"eastus2/{NAME}": 70}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["OpenAI.gpt-5"], "no quota OpenAI.gpt-5"),
        ([NAME, "--", "-1"], "'-1'"),
        ([NAME, "many"], "'many'"),
        ([NAME, "1", "--region", "moon"], "no region moon"),
        ([NAME, "--region", "eastus2"], "--region takes"),
    ],
)
def test_a_wrong_use_changes_nothing(
    home: Home, capsys: pytest.CaptureFixture[str], words: list[str], text: str
) -> None:
    assert main(["quota", *words]) == 1
    assert text in capsys.readouterr().err
    assert not home.quotas_file.exists()


def test_a_damaged_file_is_named(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.prepare()
    for content in ("{", "[]", '{"a": "b"}'):
        home.quotas_file.write_text(content)
        with pytest.raises(ArmError, match=r"quotas\.json"):
            quotas.read(home.quotas_file)
        assert main(["quota", NAME, "1"]) == 1
        assert "quotas.json" in capsys.readouterr().err
