"""The host keys of a function app, created once per site in a file that only its owner can read."""

import base64
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from local_azure import whole_file

Level = Literal["anonymous", "function", "admin"]


@dataclass(frozen=True)
class HostKeys:
    """`master` gives access to everything; `default` is the host-level function key."""

    master: str
    default: str

    def of_function(self, function: str) -> str:
        """The key of one function, whose name ignores case."""
        digest = hmac.digest(self.master.encode(), function.lower().encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode()

    def level(self, key: str, function: str | None) -> Level:
        """The level that the key gives access to, for a function or for the admin API (None)."""
        given = key.encode("utf-8", "replace")
        if hmac.compare_digest(given, self.master.encode()):
            return "admin"
        function_keys = [self.default, *([self.of_function(function)] if function else [])]
        is_function_key = any(hmac.compare_digest(given, other.encode()) for other in function_keys)
        return "function" if is_function_key else "anonymous"


def load_or_create(file: Path) -> HostKeys:
    if file.exists():
        content = cast("dict[str, Any]", json.loads(file.read_text()))
        return HostKeys(str(content["master"]), str(content["default"]))
    keys = HostKeys(secrets.token_urlsafe(40), secrets.token_urlsafe(40))
    whole_file.write(file, json.dumps(asdict(keys)).encode(), 0o600)
    return keys
