"""Normalization of params and metrics from the command line, Python and files: flattened, selected, and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ..errors import InvalidInput
from . import values
from .conversion import format_key
from .lazy_dataclass import Record, dataclass, field
from .values import OneOrMore

PARAM, METRIC = "param", "metric"
_CHECKS: Mapping[str, Callable[[object, str], Any]] = {PARAM: values.check_param, METRIC: values.check_metric}
_NAMED = 5


@dataclass(frozen=True)
class SkippedValue(Record):
    """An invalid param or metric (``kind``) that was not stored, and the ``file`` that it comes from, if any."""

    kind: str
    name: str
    why: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.why}{f' ({self.file})' if self.file else ''}"


@dataclass(eq=False, repr=False)
class Collection:
    """Collects params or metrics: valid ``values``, ``invalid`` ones, and ``empty``, the names without a value.

    ``matched`` are those of the globs ``only`` that selected something.
    """

    kind: str
    only: Sequence[str] = ()
    values: dict[str, Any] = field(default_factory=dict)
    invalid: list[SkippedValue] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    matched: set[str] = field(default_factory=set)

    @property
    def warnings(self) -> list[str]:
        """A warning for each glob that selected nothing."""
        return [f"no {self.kind} matches '{glob}'" for glob in self.only if glob not in self.matched]

    def add(self, tree: Mapping[Any, object] | None, file: str = "", *, selected: bool = True) -> None:
        """Add what a mapping has; nested names get dots, None and empty mappings are left out.

        Args:
            tree: Names to values.
            file: The file that it comes from, for messages.
            selected: Whether ``only`` chooses among the names.

        Raises:
            InvalidInput: A name is there twice, there are too many, or they are nested too deeply.
        """
        flat = values.flatten(tree or {})
        self.empty += [name for name in _without_names(tree or {}) if self._chosen(name, selected)]
        for name, value in flat.items():
            if not self._chosen(name, selected):
                continue
            if value is None:
                self.empty.append(name)
                continue
            try:
                checked = _CHECKS[self.kind](value, values.key(name))
            except InvalidInput as error:
                self.invalid.append(SkippedValue(self.kind, name, str(error), file))
                continue
            if file and name in self.values:
                raise InvalidInput(f"'{name}' is in two files", "use each name once")
            self.values[name] = checked
        if not file:  # what is given by itself takes the place of what a file has
            self.invalid = [
                each for each in self.invalid if not each.file or each.name not in self.values or each.name not in flat
            ]
        if len(self.values) > values.ENTRIES:
            raise InvalidInput(f"{len(self.values):,} {self.kind}s at once", f"the limit is {values.ENTRIES:,}")

    def _chosen(self, name: str, selected: bool) -> bool:
        if not selected or not self.only:
            return True
        globs = [glob for glob in self.only if fnmatchcase(name, glob)]
        self.matched.update(globs)
        return bool(globs)

    def done(self, *, skip_invalid: bool) -> tuple[dict[str, Any], tuple[SkippedValue, ...]]:
        """Return the valid values, and what was skipped. Raises :class:`InvalidInput` for invalid ones unless ``skip_invalid``."""
        if self.invalid and not skip_invalid:
            raise make_error(self.invalid)
        return self.values, tuple(self.invalid)


def make_error(invalid: Sequence[SkippedValue]) -> InvalidInput:
    """The error for invalid values: names the first few with their reasons."""
    if len(invalid) == 1:
        return InvalidInput(str(invalid[0]), "fix it or skip it with `skip_invalid`")
    names = "; ".join(map(str, invalid[:_NAMED]))
    more = f"; and {len(invalid) - _NAMED:,} more" if len(invalid) > _NAMED else ""
    kinds = f"{invalid[0].kind}s" if len({each.kind for each in invalid}) == 1 else "values"
    return InvalidInput(
        f"{len(invalid):,} {kinds} are invalid: {names}{more}", "fix them or skip them with `skip_invalid`"
    )


class NormalizedValues(NamedTuple):
    """Params or metrics in their normal form, what was skipped, and warnings about globs that selected nothing."""

    values: dict[str, Any]
    skipped: tuple[SkippedValue, ...] = ()
    warnings: tuple[str, ...] = ()


def normalize(
    kind: str, given: Mapping[Any, object] | None, *, only: OneOrMore[str] = (), skip_invalid: bool = False
) -> NormalizedValues:
    """One mapping in its normal form.

    Args:
        kind: ``param`` or ``metric``.
        given: Names to values, nested as they may be.
        only: A glob, or a list of them, for the dotted names that are wanted; all if there are none.
        skip_invalid: Whether an invalid value is skipped.

    Raises:
        InvalidInput: A value is not valid and ``skip_invalid`` is not set; or see :meth:`Collection.add`.
    """
    if given is not None and not isinstance(given, Mapping):
        raise InvalidInput(f"the {kind}s are a {type(given).__name__}", "give a mapping of names to values")
    collection = Collection(kind, values.as_list(only, f"{kind}s_only"))
    collection.add(given)
    found, skipped = collection.done(skip_invalid=skip_invalid)
    return NormalizedValues(found, skipped, tuple(collection.warnings))


def _without_names(tree: Mapping[Any, object], prefix: str = "") -> Iterable[str]:
    """The dotted names of empty mappings."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            name = f"{prefix}{format_key(key)}"
            yield from _without_names(value, f"{name}.") if value else (name,)
