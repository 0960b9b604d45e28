"""What Azure Resource Manager answers when it refuses."""


class ArmError(Exception):
    """A refusal as ARM gives it: HTTP status, error code and message.

    `str()` is the text that the azure-native provider shows for such an answer.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f'Status={status} Code="{code}" Message="{message}"')
        self.status = status
        self.code = code
        self.message = message


class DamagedStoreError(Exception):
    """The file with local Azure's resources cannot be read."""
