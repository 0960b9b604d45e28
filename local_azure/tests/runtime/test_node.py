import json
from pathlib import Path

import pytest

from local_azure.runtime import node
from local_azure.runtime.node import SetupError


def test_only_the_required_version_of_a_package_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = json.dumps({"dependencies": {"azurite": "3.37.0"}})
    (tmp_path / "package.json").write_text(f"\ufeff{manifest}", encoding="utf-8")  # a byte order mark is fine
    modules = tmp_path / "node_modules"
    monkeypatch.setattr(node, "FOLDER", tmp_path)
    monkeypatch.setattr(node, "MODULES", modules)
    with pytest.raises(SetupError, match=r"azurite 3\.37\.0 is not installed.*make setup") as error:
        node.script("azurite", "main.js")
    assert str(modules) in str(error.value)

    (modules / "azurite").mkdir(parents=True)
    (modules / "azurite" / "package.json").write_text(json.dumps({"version": "3.35.0"}))
    with pytest.raises(SetupError, match=r"3\.35\.0.*3\.37\.0.*make setup"):
        node.script("azurite", "main.js")

    (modules / "azurite" / "package.json").write_text(json.dumps({"version": "3.37.0"}))
    assert node.script("azurite", "main.js") == modules / "azurite" / "main.js"
