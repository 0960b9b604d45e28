"""The error of a binding."""


class BindingError(Exception):
    """A binding failed: the host logs the message and returns 500 without a body."""
