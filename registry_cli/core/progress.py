"""Progress of long work: the library reports it, and a subclass of :class:`Progress` shows it."""

from __future__ import annotations


class Progress:
    """Receives how many bytes are done, from any thread, and shows nothing."""

    def expect(self, size: int) -> None:
        """Add ``size`` bytes to the total."""

    def __call__(self, size: int) -> None:
        """Add ``size`` bytes, which may be negative, to what is done."""

    def close(self) -> None:
        """End the display, whether or not all is done."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


SILENT = Progress()
