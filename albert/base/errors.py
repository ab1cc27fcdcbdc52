"""The error that a user caused and can fix."""


class UserError(ValueError):
    """Wrong input, flag or file: shown as one line, without a traceback.

    The message names the thing, what was found and what would be right. It is a
    ValueError, so library callers need to know no other class.
    """


class InUseError(UserError):
    """Another process works there; it may be left to it."""
