import resource
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_azure import whole_file
from local_azure.core import tokens
from local_azure.functions_host import keys


@contextmanager
def full_disk() -> Generator[None]:
    """Files can be created but not written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_has_its_content_and_mode_and_survives_a_failed_write(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "folder" / "file"
    whole_file.write(file, b"old", mode)
    whole_file.write(file, b"new", mode)
    with pytest.raises(OSError, match="too large"), full_disk():
        whole_file.write(file, b"newest", mode)
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"new", mode)
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("load", [tokens.load_key, keys.load_or_create])
def test_a_secret_that_could_not_be_written_is_created_the_next_time(
    tmp_path: Path, load: Callable[[Path], object]
) -> None:
    """An empty file would be taken for the secret."""
    file = tmp_path / "secret"
    with pytest.raises(OSError, match="too large"), full_disk():
        load(file)
    assert load(file)
    assert load(file) == load(file)
