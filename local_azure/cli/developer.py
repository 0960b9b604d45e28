"""The developer as a credential for the Azure SDK's data-plane clients."""

from typing import Any

from azure.core.credentials import AccessToken

from local_azure.core.store import DEVELOPER_PRINCIPAL_ID
from local_azure.core.tokens import STORAGE_AUDIENCES, Tokens, load_key
from local_azure.home import Home


class Developer:
    """Issues tokens for the storage accounts of a local Azure."""

    def __init__(self, home: Home) -> None:
        self._tokens = Tokens(load_key(home.token_key_file))

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        issued = self._tokens.issue(DEVELOPER_PRINCIPAL_ID, STORAGE_AUDIENCES[0])
        return AccessToken(issued.token, issued.expires_on)
