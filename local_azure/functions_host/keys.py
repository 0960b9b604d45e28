"""The host keys of a function app, created once per site in a file that only its owner can read."""

import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from local_azure import whole_file


@dataclass(frozen=True)
class HostKeys:
    """`master` gives access to everything; `default` is the host-level function key."""

    master: str
    default: str

    def authorize(self, key: str | None, auth_level: str) -> bool:
        """Whether the key gives access to the level `anonymous`, `function` or `admin` (any case)."""
        level = auth_level.lower()
        if level == "anonymous":
            return True
        if key is None:
            return False
        given = key.encode("utf-8", "replace")
        is_master = hmac.compare_digest(given, self.master.encode())
        is_function = hmac.compare_digest(given, self.default.encode())
        return is_master or (level == "function" and is_function)


def load_or_create(file: Path) -> HostKeys:
    if file.exists():
        content = cast("dict[str, Any]", json.loads(file.read_text()))
        return HostKeys(str(content["master"]), str(content["default"]))
    keys = HostKeys(secrets.token_urlsafe(40), secrets.token_urlsafe(40))
    whole_file.write(file, json.dumps(asdict(keys)).encode(), 0o600)
    return keys
