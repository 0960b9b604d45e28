"""The passphrase secrets provider: AES-256-GCM under a key from PBKDF2, as the CLI keeps secrets.

The salt's text form, in a stack file's `encryptionsalt` and in the state, is
`v1:<base64 salt>:v1:<base64 nonce>:<base64 ciphertext of "pulumi">`; the last
part proves the passphrase.
"""

import base64
import hashlib
import os
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from local_azure.engine.errors import EngineError

ROUNDS = 1_000_000
_PROOF = "pulumi"


class SecretsError(EngineError):
    pass


def passphrase(environment: dict[str, str]) -> str:
    """From PULUMI_CONFIG_PASSPHRASE, or the file that PULUMI_CONFIG_PASSPHRASE_FILE names."""
    if "PULUMI_CONFIG_PASSPHRASE" in environment:
        return environment["PULUMI_CONFIG_PASSPHRASE"]
    if path := environment.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        return Path(path).read_text().strip()
    raise SecretsError(
        "passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE "
        "environment variables"
    )


class Crypter:
    """Encrypts and decrypts one stack's secrets. Making one takes about 0.2 s (the key derivation)."""

    def __init__(self, key: bytes, salt: str) -> None:
        self.salt = salt
        self._aead = AESGCM(key)
        self._sealed: dict[str, str] = {}

    @classmethod
    def unlock(cls, phrase: str, salt: str) -> Self:
        """Raises SecretsError for a wrong passphrase or a malformed salt."""
        try:
            version, encoded, proof = salt.split(":", 2)
            raw = base64.b64decode(encoded)
        except ValueError as error:
            raise SecretsError(f"malformed encryptionsalt {salt!r}") from error
        if version != "v1":
            raise SecretsError(f"unknown version {version!r} of encryptionsalt {salt!r}")
        crypter = cls(_derive(phrase, raw), salt)
        try:
            proven = crypter.decrypt(proof) == _PROOF
        except SecretsError:
            proven = False
        if not proven:
            raise SecretsError(
                "incorrect passphrase: PULUMI_CONFIG_PASSPHRASE is not the one this stack was made with"
            )
        return crypter

    @classmethod
    def create(cls, phrase: str) -> Self:
        raw = os.urandom(8)
        crypter = cls(_derive(phrase, raw), "")
        crypter.salt = f"v1:{base64.b64encode(raw).decode()}:{crypter.encrypt(_PROOF)}"
        return crypter

    def encrypt(self, plain: str) -> str:
        """An unchanged secret keeps its ciphertext, so that an unchanged state keeps its bytes."""
        if plain not in self._sealed:
            nonce = os.urandom(12)
            sealed = self._aead.encrypt(nonce, plain.encode(), None)
            self._sealed[plain] = f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"
        return self._sealed[plain]

    def decrypt(self, sealed: str) -> str:
        try:
            version, nonce, text = sealed.split(":")
            if version != "v1":
                raise SecretsError(f"unknown version {version!r} of a ciphertext")
            plain = self._aead.decrypt(base64.b64decode(nonce), base64.b64decode(text), None).decode()
        except (ValueError, InvalidTag) as error:
            raise SecretsError(
                "a secret cannot be decrypted: wrong passphrase, or the ciphertext is damaged"
            ) from error
        self._sealed.setdefault(plain, sealed)
        return plain


def _derive(phrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", phrase.encode(), salt, ROUNDS, 32)
