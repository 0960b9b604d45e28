import io
import stat
import zipfile
from pathlib import Path

import pytest

from local_azure.functions_host import zip_package
from local_azure.functions_host.zip_package import PackageError


def save(path: Path, *entries: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content)
    path.write_bytes(buffer.getvalue())
    return path


def test_files_are_extracted(tmp_path: Path) -> None:
    file = save(tmp_path / "a.zip", ("host.json", b"{}"), ("a/b.py", b"x"))
    zip_package.extract(file, tmp_path / "out")
    assert (tmp_path / "out" / "a" / "b.py").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["../evil.py", "a/../../evil.py", "/evil.py", "..\\evil.py", "C:/evil.py"])
def test_a_name_that_leads_out_of_the_package_is_refused(tmp_path: Path, name: str) -> None:
    file = save(tmp_path / "a.zip", ("host.json", b"{}"), (name, b"x"))
    with pytest.raises(PackageError, match="outside of the package"):
        zip_package.extract(file, tmp_path / "out" / "in")
    assert not list(tmp_path.rglob("evil.py"))
    assert not (tmp_path / "out").exists()


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    file = save(tmp_path / "a.zip", (link, b"/etc/passwd"))
    with pytest.raises(PackageError, match="symbolic link"):
        zip_package.extract(file, tmp_path / "out")


def test_a_damaged_zip_is_an_error_with_a_reason(tmp_path: Path) -> None:
    file = save(tmp_path / "a.zip", ("a.txt", b"x" * 100))
    content = bytearray(file.read_bytes())
    content[content.index(b"xxxx")] ^= 1
    file.write_bytes(content)
    with pytest.raises(PackageError, match="cannot be extracted"):
        zip_package.extract(file, tmp_path / "out")
