import pytest

from delivery.package import Package, PackageError
from infra import package


def test_a_package_for_several_stacks_is_built_for_the_python_that_they_share(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pythons = {"dev": "3.11", "test": "3.12", "prod": "3.12"}
    built: list[str] = []

    def build(python_version: str, out: object) -> Package:
        built.append(python_version)
        raise PackageError(f"not built here: {out}")

    monkeypatch.setattr(package, "python_version_of", pythons.__getitem__)
    monkeypatch.setattr(package, "build_package", build)

    assert package.main(["--stack", "test", "--stack", "prod"]) == 1
    assert package.main(["--stack", "dev"]) == 1
    assert package.main(["--python", "3.11"]) == 1
    assert built == ["3.12", "3.11", "3.11"]
    assert "not built here: .build/function_app.zip\n" in capsys.readouterr().err

    assert package.main(["--stack", "dev", "--stack", "test", "--stack", "prod"]) == 1
    assert len(built) == 3
    message = capsys.readouterr().err
    assert "pythonVersion is 3.11 for dev, 3.12 for test, 3.12 for prod" in message
    assert message.endswith("  pulumi config set pythonVersion 3.12 --stack dev\n")
