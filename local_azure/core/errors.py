"""Errors of Azure Resource Manager, and of the file that holds the resources."""


class ArmError(Exception):
    """An error response of ARM: HTTP status, error code and message.

    `str()` is the text that the azure-native provider prints for such a response.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f'Status={status} Code="{code}" Message="{message}"')
        self.status = status
        self.code = code
        self.message = message


class DamagedStoreError(Exception):
    """The file that holds local Azure's resources cannot be read."""
