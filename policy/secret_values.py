"""Recognizes secrets by the name of a setting and by the form of its value. Pure.

A GUID, an ARM id, an endpoint, a region, an instrumentation key and a sentence are not secrets.
"""

import re
from itertools import pairwise

_FORMS = {
    "an account key": r"(?i)\b(?:Account|SharedAccess|Primary|Secondary|Master|Api)_?Key\s*=\s*[^;\s]+",
    "a password": r"(?i)\b(?:Password|Pwd|ClientSecret|Client_Secret|SharedSecret)\s*=\s*[^;\s]+",
    "a shared access signature": r"(?i)SharedAccessSignature\s*[= ]\s*\S|(?:^|[?&;\s])sig=[^&;\s]{8,}",
    "a function key": r"[?&]code=[^&\s]{20,}",
    "a private key": r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY",
    "a JSON web token": r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*",
    "an address with a password": r"[a-z][a-z0-9+.-]*://[^/\s:@?#]*:[^/\s@?#]+@",
    "an OpenAI key": r"\bsk-[A-Za-z0-9_-]{20,}",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,})",
    "a Pulumi token": r"\bpul-[0-9a-f]{40}\b",
    "a client secret of Entra": r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,}",
}

_GUID = re.compile(r"(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_ARM_ID = re.compile(r"(?i)/(?:subscriptions|providers)/[\w.()-]*(?:/[\w.()~-]+)*")
_ADDRESS = re.compile(r"(?i)\bhttps?://\S+")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")
_NAME = re.compile(r"[a-z0-9]{1,31}(?:[-_][a-z0-9]{1,31})+")
"""Names of Azure resources are lower case; a key of that length has both cases."""
_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")

_SECRET_WORD = re.compile(
    r"keys?|secrets|passwd|pwd|sas|credentials?"
    r"|.*(secret|password|token|apikey|accesskey|accountkey|connectionstring)"
)
_HARMLESS = re.compile(r"(?i)|true|false|[0-9]{1,6}|@Microsoft\.(KeyVault|AppConfiguration)\(.*\)")


def is_secret_name(name: str) -> bool:
    """Whether a setting's name contains a word for a secret, as `MY_API_KEY` and `ConnectionString` do."""
    words = [piece.lower() for piece in _PIECE.findall(name)]
    return any(map(_SECRET_WORD.fullmatch, words)) or ("connection", "string") in pairwise(words)


def is_harmless(value: str) -> bool:
    """Whether a value cannot be a secret: it is empty, a small number, a flag or a reference."""
    return _HARMLESS.fullmatch(value) is not None


def secret_form(value: str) -> str | None:
    """The kind of secret in the text, as `an account key`; None if there is none."""
    for kind, form in _FORMS.items():
        if re.search(form, value):
            return kind
    text = _GUID.sub(" ", _ARM_ID.sub(" ", value))
    # The parts of a path are checked separately, since together they look like base64.
    text = _ADDRESS.sub(lambda address: re.sub(r"[/?&=:.;,#]+", " ", address[0]), text)
    run = next(filter(_is_random, _RUN.findall(text)), None)
    return None if run is None else f"a random text of {len(run)} characters"


def _is_random(run: str) -> bool:
    """Words are long and of one case; base64 and hex switch between digits and cases every few characters."""
    signs = re.sub(r"[^A-Za-z0-9]", "", run)
    if len(signs) < 24 or len(set(signs)) < 8 or _NAME.fullmatch(run):
        return False
    if run.endswith("=") and len(run) % 4 == 0:
        return True  # the padding of base64
    if re.fullmatch(r"[A-Za-z0-9]{32,}", run) and re.search(r"[0-9].*[0-9]", run):
        return True  # names in Azure that are this long have a dash
    mixed = all(re.search(kind, run) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return len(signs) / len(_PIECE.findall(run)) < (3.6 if mixed else 3)
