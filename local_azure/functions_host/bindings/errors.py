"""Why a binding failed."""


class BindingError(Exception):
    """The request gets an empty 500, and the log this message."""
