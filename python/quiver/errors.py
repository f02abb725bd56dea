"""What Quiver raises. Every error has the message as its text and a hint, which may be empty."""


class Error(Exception):
    """Any failure of Quiver.

    Attributes:
        hint: what to do about it, in a few words; may be empty.
    """

    def __init__(self, message, hint=""):
        super().__init__(f"{message} ({hint})" if hint else message)
        self.hint = hint


class InvalidArgument(Error, ValueError):
    """A value that the caller or a config gave."""


class NotFound(Error, LookupError):
    """A file, expert, task or artefact that does not exist."""


class AlreadyExists(Error):
    """Something that would have been overwritten."""


class CorruptFile(Error):
    """A file whose content contradicts its format."""


class Unsupported(Error):
    """A valid input that this version cannot handle."""


class InputOutput(Error, OSError):
    """The operating system refused: disk full, no permission, ..."""


class Stale(Error):
    """An artefact made from other weights or settings than those present."""


class NotFinite(Error, ArithmeticError):
    """A computed number, a logit or a loss, is NaN or infinite."""


class Interrupted(Error):
    """Asked to stop; work so far is kept."""


class Busy(Error):
    """A queue is full; later there is room."""


class Unavailable(Error):
    """A service that does not take work any more."""
