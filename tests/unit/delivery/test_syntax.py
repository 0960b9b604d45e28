import pytest

from delivery.app_files import check_syntax
from delivery.package_error import PackageError
from delivery.syntax import VERSION


def test_syntax_errors_are_reported_with_file_line_text_and_python() -> None:
    files = {
        "a.py": b"x = 1\n\ndef f(:\n",
        "b.py": b"x = 'a\n",
        "c.py": b"x\0",
        "d.txt": b"def f(:",
        "e.py": b"",
        "f.py": b"'\\d'",  # only a warning
    }
    with pytest.raises(PackageError) as raised:
        check_syntax(files, VERSION)
    message = str(raised.value)
    assert f"Python {VERSION} (setting pythonVersion)" in message
    assert "  a.py:3: invalid syntax\n    def f(:" in message
    assert "  b.py:1: unterminated string" in message
    assert "  c.py:1: source code string cannot contain null bytes" in message
    assert not [name for name in ("d.txt", "e.py", "f.py") if name in message]


def test_a_source_is_compiled_in_the_encoding_that_it_declares() -> None:
    check_syntax({"a.py": "# coding: latin-1\nx = 'é'\n".encode("latin-1")}, VERSION)
    with pytest.raises(PackageError, match=r"a\.py:1: .*utf-8"):
        check_syntax({"a.py": "x = 'é'\n".encode("latin-1")}, VERSION)


def test_without_the_python_of_the_app_nothing_is_checked() -> None:
    check_syntax({"a.py": b"syntax of 3.99"}, "3.99")
