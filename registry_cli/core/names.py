"""Names and references: what a person may call a model, a stage, an alias, and how a version is named.

Everything here is decided on the text alone, by allow-lists. A name that passes is safe as a single path component
on every file system in use, and has one spelling only.
"""

from __future__ import annotations

from ..errors import InvalidInput
from .lazy_dataclass import dataclass
from .text import lazy_pattern

#: Folders of a model that a model inside a group of that name would collide with.
INTERNAL = frozenset({"versions", "stages", "blobs", "annotations", "observations", "packed", "tombstones"})

_PART = lazy_pattern(r"[a-z0-9][a-z0-9._-]{0,62}\Z")
_STAGE = lazy_pattern(r"[a-z][a-z0-9_-]{0,31}\Z")
_NUMBER = lazy_pattern(r"v?([1-9][0-9]{0,8})\Z")
_NUMBER_LIKE = lazy_pattern(r"v?[0-9]+\Z")
_DIGEST = lazy_pattern(r"sha256:([0-9a-f]{8,64})\Z")
_REQUEST = lazy_pattern(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}\Z")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
)
_RESERVED = frozenset({"latest", "none", "archived"})


def model_name(text: str) -> str:
    """``text`` if it is a model's name (``churn`` or ``risk/churn``), else :class:`InvalidInput`."""
    parts = text.split("/")
    if len(parts) > 2:
        raise InvalidInput(f"invalid model name '{text}'", "a name has at most one group: GROUP/NAME")
    for part in parts:
        _check_part(part, text)
    return text


def is_model_name(text: str) -> bool:
    """Whether :func:`model_name` takes ``text``."""
    try:
        return bool(model_name(text))
    except InvalidInput:
        return False


def _check_part(part: str, whole: str) -> None:
    if not _PART.match(part):
        hint = "use a-z, 0-9, '.', '_', '-', at most 63 characters, starting with a letter or digit"
        if part.isascii() and _PART.match(part.lower()):
            hint = f"names are lowercase: did you mean '{whole.lower()}'?"
        raise InvalidInput(f"invalid model name '{whole}'", hint)
    if ".." in part or part.endswith("."):
        raise InvalidInput(f"invalid model name '{whole}'", "dots must be single and not at the end")
    if _NUMBER_LIKE.match(part):
        raise InvalidInput(f"invalid model name '{whole}'", "it looks like a version number; use at least one letter")
    if part in INTERNAL or part.split(".", maxsplit=1)[0] in _DEVICES:
        raise InvalidInput(f"invalid model name '{whole}'", f"'{part}' is reserved")


def stage_name(text: str) -> str:
    """``text`` if it can be the name of a stage, else :class:`InvalidInput`."""
    if not _STAGE.match(text):
        raise InvalidInput(
            f"invalid stage name '{text}'", "use a-z, 0-9, '_', '-', at most 32 characters, starting with a letter"
        )
    _refuse_selector_like(text, "a stage")
    return text


def alias_name(text: str, stages: tuple[str, ...] = ()) -> str:
    """``text`` if it can be an alias in a registry with these ``stages``, else :class:`InvalidInput`."""
    if not _PART.match(text) or ".." in text or text.endswith("."):
        raise InvalidInput(f"invalid alias '{text}'", "use a-z, 0-9, '.', '_', '-', at most 63 characters")
    _refuse_selector_like(text, "an alias")
    if text in stages:
        raise InvalidInput(f"invalid alias '{text}'", f"it is the name of a stage; use 'registry promote REF {text}'")
    return text


def _refuse_selector_like(text: str, what: str) -> None:
    if text in _RESERVED or text.startswith("sha256") or _NUMBER_LIKE.match(text):
        raise InvalidInput(f"'{text}' can't be the name of {what}", "it has a special meaning in references")


def request_id(text: str) -> str:
    """``text`` if it can be a request id: up to 128 letters, digits and ``. _ : / -``."""
    if not _REQUEST.match(text):
        raise InvalidInput(f"invalid request id '{text}'", "use up to 128 letters, digits, '.', '_', ':', '/', '-'")
    return text


def version_number(text: str) -> int | None:
    """The number that ``7`` or ``v7`` names, or None when ``text`` has another form."""
    match = _NUMBER.match(text)
    return int(match[1]) if match else None


@dataclass(frozen=True)
class Selector:
    """Which version of a model is meant: exactly one of the four is set.

    ``number``: that version. ``digest``: the version whose digest begins with these hex digits. ``name``: what a
    stage or an alias points to. ``latest``: the highest version that is not archived.
    """

    number: int | None = None
    digest: str | None = None
    name: str | None = None
    latest: bool = False

    @classmethod
    def parse(cls, text: str) -> Selector:
        if text == "latest":
            return cls(latest=True)
        if (number := version_number(text)) is not None:
            return cls(number=number)
        if match := _DIGEST.match(text):
            return cls(digest=match[1])
        if _NUMBER_LIKE.match(text) or text.startswith("sha256") or not (_PART.match(text) or _STAGE.match(text)):
            raise InvalidInput(
                f"invalid version '{text}'",
                "use a number (7), a stage, an alias, 'latest', or sha256: and at least 8 hex digits",
            )
        return cls(name=text)

    def __str__(self) -> str:
        if self.latest:
            return "latest"
        if self.digest is not None:
            return f"sha256:{self.digest}"
        return str(self.number) if self.number is not None else str(self.name)


LATEST = Selector(latest=True)


@dataclass(frozen=True)
class Reference:
    """A version as a person names it: ``NAME@SELECTOR``. A bare ``NAME`` has ``selector`` None."""

    model: str
    selector: Selector | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read ``churn``, ``churn@7``, ``risk/churn@production``, and the habits ``churn:7``, ``models:/churn/7``.

        Raises :class:`InvalidInput` for anything else; nothing is URL-decoded, expanded or looked up.
        """
        if text.startswith("models:/"):
            return cls._parse_uri(text)
        name, mark, rest = text.partition("@")
        if not mark:
            name, mark, rest = text.partition(":")
            if mark and rest.startswith("/"):
                raise InvalidInput(f"invalid reference '{text}'", "URLs are not supported; use NAME@VERSION")
        return cls(model_name(name), Selector.parse(rest) if mark else None)

    @classmethod
    def coerce(cls, ref: object) -> Reference:
        """``ref`` itself, parsed if it is text; or the reference of a version that an operation returned."""
        if isinstance(ref, Reference):
            return ref
        text = getattr(ref, "ref", ref)
        if not isinstance(text, str):
            raise InvalidInput(f"invalid reference of type {type(ref).__name__}", "use 'churn@7', or a version")
        return cls.parse(text)

    @classmethod
    def parse_version(cls, ref: str | Reference) -> Reference:
        """Read a reference that must name one version: for all that moves a pointer, vouches for a version or removes it.

        Args:
            ref: A reference, as text or parsed.

        Returns:
            The reference, whose ``selector`` is set.

        Raises:
            InvalidInput: It is not a reference, or it is the bare name of a model. ``churn@latest`` is a version.
        """
        reference = cls.coerce(ref)
        if reference.selector is None:
            raise InvalidInput(
                f"'{reference}' is a model; expected a version",
                f"use {reference}@latest for its newest version or {reference}@N for version N",
            )
        return reference

    @classmethod
    def _parse_uri(cls, text: str) -> Reference:
        """``models:/churn/7``, ``models:/churn/Production`` and ``models:/churn@champion``, as MLflow writes them."""
        body = text.removeprefix("models:/")
        mark = "@" if "@" in body else "/"
        name, _, rest = body.rpartition(mark)
        if not name:
            raise InvalidInput(f"invalid reference '{text}'", "use models:/NAME/VERSION or NAME@VERSION")
        return cls(model_name(name), Selector.parse(rest.lower()))

    def or_latest(self) -> Selector:
        """The selector, ``latest`` when none was given (for the commands that read)."""
        return self.selector or LATEST

    def __str__(self) -> str:
        return self.model if self.selector is None else f"{self.model}@{self.selector}"
