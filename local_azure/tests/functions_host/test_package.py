import sys
import zipfile
from pathlib import Path

import pytest

from local_azure.functions_host import package
from local_azure.functions_host.package import PackageError, find_python

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
FOUND = "/opt/python/bin/python3.99"


def zip_file(folder: Path, name: str) -> Path:
    file = folder / "a.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/b.py", b"x" * 100)
        archive.writestr(name, b"x" * 100)
    return file


def test_files_are_extracted(tmp_path: Path) -> None:
    package.extract(zip_file(tmp_path, "host.json"), tmp_path / "out")
    assert (tmp_path / "out" / "a" / "b.py").read_bytes() == b"x" * 100


@pytest.mark.parametrize("name", ["../evil.py", "a/../../evil.py", "/evil.py", "..\\evil.py", "C:/evil.py"])
def test_a_name_that_leads_out_of_the_package_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PackageError, match="outside of the package"):
        package.extract(zip_file(tmp_path, name), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_zip_is_an_error_with_a_reason(tmp_path: Path) -> None:
    file = zip_file(tmp_path, "a.txt")
    content = bytearray(file.read_bytes())
    content[content.index(b"xxxx")] ^= 1
    file.write_bytes(content)
    with pytest.raises(PackageError, match="cannot be extracted"):
        package.extract(file, tmp_path / "out")


def test_a_zip_that_extracts_to_more_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "SIZE_LIMIT", 199)
    with pytest.raises(PackageError, match="200 bytes extracted; the limit is 199"):
        package.extract(zip_file(tmp_path, "a.txt"), tmp_path / "out")


@pytest.mark.parametrize(
    ("version", "with_code", "interpreter", "notice"),
    [
        ("", False, sys.executable, None),
        (OWN, False, sys.executable, None),
        ("3.99", True, FOUND, None),
        # After a change of the site's version, until the new package is deployed.
        (OWN, True, sys.executable, f"Not compiled for Python {OWN}, and may fail to import: numpy 2.1.0."),
        (
            "3.98",
            True,
            sys.executable,
            f"Python 3.98 was not found, so the functions run on Python {OWN}: run `uv python install 3.98`, "
            f"then `pulumi up` again. Not compiled for Python {OWN}, and may fail to import: numpy 2.1.0.",
        ),
    ],
)
def test_the_interpreter_is_that_of_the_site_and_a_notice_says_what_is_missing(  # noqa: PLR0917 # a row and its fixtures
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    with_code: bool,
    interpreter: str,
    notice: str | None,
) -> None:
    """The machine has 3.99, for which the code is compiled, and no other version than its own."""
    monkeypatch.setattr(package, "find_interpreter", {"3.99": FOUND}.get)
    wheels = {"numpy-2.1.0": "cp399-cp399-x", "any-1.0": "py3-none-any", "stable-1.0": "cp38-abi3-x"}
    for name, tag in wheels.items():
        folder = tmp_path / ".python_packages/lib/site-packages" / f"{name}.dist-info"
        folder.mkdir(parents=True)
        (folder / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\nTag: {tag}\n")
    assert find_python(version, tmp_path if with_code else None) == (interpreter, notice)
