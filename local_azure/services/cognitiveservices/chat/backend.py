"""The model backend: the stand-in, or any server with OpenAI's API (`python -m local_azure model use`)."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from local_azure import whole_file


class BackendError(ValueError):
    """A setting that cannot be used."""


@dataclass(frozen=True)
class Remote:
    url: str
    """With its version, as `http://127.0.0.1:11434/v1`; `/chat/completions` is appended."""
    model: str | None = None
    """None: the name of the deployed model."""
    key_variable: str | None = None
    """The environment variable that the key is read from for each request. No file holds the key itself."""


def remote(url: str, model: str | None, key_variable: str | None) -> Remote:
    """Raises BackendError for a URL that is not HTTP, or for a secret in one of the values."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BackendError(f"{url!r} is not an http:// or https:// URL.")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise BackendError(
            "the URL has a user, a password, a query or a fragment; it has host, port and path."
        )
    if key_variable is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key_variable):
        raise BackendError("--key-variable takes the name of an environment variable, never the key itself.")
    return Remote(url.rstrip("/"), model, key_variable)


def read(file: Path) -> Remote | None:
    """None for the stand-in. Raises BackendError."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        content = cast("Mapping[str, Any]", json.loads(text))
        return remote(content["url"], content["model"], content["key_variable"])
    except (ValueError, KeyError, TypeError) as error:
        raise BackendError(
            f"{file} cannot be read ({error}): `python -m local_azure model use local` replaces it."
        ) from error


def write(file: Path, chosen: Remote | None) -> None:
    if chosen is None:
        file.unlink(missing_ok=True)
        return
    whole_file.write(file, json.dumps(asdict(chosen), indent=1).encode(), 0o644)
