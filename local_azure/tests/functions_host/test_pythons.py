import sys
from pathlib import Path

import pytest

from local_azure.functions_host import pythons
from local_azure.functions_host.pythons import find_python

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
FOUND = "/opt/python/bin/python3.99"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has 3.99, and no other version than the own one."""
    monkeypatch.setattr(pythons, "find_interpreter", {"3.99": FOUND}.get)


def wheel(code: Path, name: str, *tags: str) -> None:
    folder = code / ".python_packages/lib/site-packages" / f"{name}.dist-info"
    folder.mkdir(parents=True)
    (folder / "WHEEL").write_text("".join(["Wheel-Version: 1.0\n", *(f"Tag: {tag}\n" for tag in tags)]))


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A package for 3.99."""
    wheel(tmp_path, "numpy-2.1.0", "cp399-cp399-manylinux_2_17_x86_64", "cp399-cp399-manylinux2014_x86_64")
    wheel(tmp_path, "any-1.0", "py3-none-any")
    wheel(tmp_path, "stable-1.0", "cp38-abi3-manylinux2014_x86_64")
    return tmp_path


@pytest.mark.parametrize(
    ("version", "expected"), [("", sys.executable), (OWN, sys.executable), ("3.99", FOUND)]
)
def test_the_interpreter_is_that_of_the_site(version: str, expected: str) -> None:
    assert find_python(version) == (expected, None)


def test_packages_for_the_python_that_runs_need_no_notice(code: Path) -> None:
    assert find_python("3.99", code) == (FOUND, None)


def test_a_package_for_another_python_is_a_notice(code: Path) -> None:
    """As after a change of the site's version, until the new package is deployed."""
    notice = f"Not compiled for Python {OWN}, and may fail to import: numpy 2.1.0."
    assert find_python(OWN, code) == (sys.executable, notice)


def test_a_missing_python_is_a_notice(code: Path) -> None:
    assert find_python("3.98", code) == (
        sys.executable,
        f"Python 3.98 was not found, so the functions run on Python {OWN}: run `uv python install 3.98`, "
        f"then `pulumi up` again. Not compiled for Python {OWN}, and may fail to import: numpy 2.1.0.",
    )
