"""How long work tells how far it is. The library reports, whoever watches draws."""

from __future__ import annotations


class Progress:
    """Told of bytes; this one watches nothing. Derive from it to show more. It may be told from several threads."""

    def expect(self, size: int) -> None:
        """``size`` more bytes are going to be worked on."""

    def __call__(self, size: int) -> None:
        """``size`` more bytes are done (a negative number takes some back)."""

    def close(self) -> None:
        """The work is over, done or not."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


SILENT = Progress()
