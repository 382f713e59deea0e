"""Data classes without generated code, and the base of those that the public API returns.

``dataclasses.dataclass`` compiles six functions for each class at import (about 0.5 ms), and imports ``inspect``. A command
imports a hundred such classes and instantiates few of them. Here all classes share the same functions.

The decorator has the parameters of the standard one that this project uses. Type checkers see the standard one.
``dataclasses.fields``, ``asdict`` and ``replace`` accept the instances.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, without importing typing

__all__ = ["Record", "RecordList", "dataclass", "field", "replace"]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from dataclasses import dataclass, field, replace
    from typing import Any, SupportsIndex, TypeVar, overload

    _T = TypeVar("_T", bound="Record")
else:
    _T = object

    _MISSING = object()

    class field:
        """The default of a field, or the function that makes it."""

        def __init__(
            self,
            *,
            default: Any = _MISSING,
            default_factory: Any = _MISSING,
            init: bool = True,
            repr: bool = True,
            compare: bool = True,
        ) -> None:
            self.name, self.type = "", ""
            self.default, self.default_factory = default, default_factory
            self.init, self.repr, self.compare = init, repr, compare

    def dataclass(cls: Any = None, /, *, frozen: bool = False, eq: bool = True, repr: bool = True) -> Any:
        """Make a class of its annotated attributes, like ``dataclasses.dataclass``."""
        if cls is None:
            return lambda each: dataclass(each, frozen=frozen, eq=eq, repr=repr)
        fields = {}
        for base in reversed(cls.__mro__[1:]):
            fields.update(base.__dict__.get("__lazy_fields__", {}))
        for name, kind in cls.__annotations__.items():
            default = cls.__dict__.get(name, _MISSING)
            each = default if isinstance(default, field) else field(default=default)
            each.name, each.type = name, kind
            fields[name] = each
            if each is default:
                if each.default is _MISSING:
                    delattr(cls, name)
                else:
                    setattr(cls, name, each.default)
        cls.__lazy_fields__ = fields
        cls.__match_args__ = tuple(fields)
        cls.__init__ = _make_init(cls, [each for each in fields.values() if each.init])
        cls.__dataclass_fields__ = _StandardFields()
        cls.__signature__ = _Signature()
        if eq and "__eq__" not in cls.__dict__:
            cls.__eq__ = _eq
        if repr and cls.__repr__ is object.__repr__:
            cls.__repr__ = _repr
        if eq and cls.__dict__.get("__hash__") is None:
            cls.__hash__ = _hash if frozen else None
        if frozen:
            cls.__setattr__, cls.__delattr__ = _refuse_change("assign to"), _refuse_change("delete")
        return cls

    def replace(instance: Any, /, **changes: Any) -> Any:
        """The same with some other values."""
        values = {name: getattr(instance, name) for name, each in instance.__lazy_fields__.items() if each.init}
        return type(instance)(**{**values, **changes})

    def _make_init(cls: Any, fields: list[field]) -> Any:
        names = tuple(each.name for each in fields)
        defaults = {each.name: each.default for each in fields}
        factories = [(each.name, each.default_factory) for each in fields if each.default_factory is not _MISSING]
        count, has_post_init = len(fields), hasattr(cls, "__post_init__")
        required = sum(each.default is _MISSING and each.default_factory is _MISSING for each in fields)

        def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
            values = self.__dict__
            if len(args) == count and not kwargs:  # the index makes very many of a few classes in this way
                values.update(zip(names, args, strict=True))
            else:
                values.update(defaults)
                values.update(zip(names, args, strict=False))
                values.update(kwargs)
                for name, factory in factories:
                    if values[name] is _MISSING:
                        values[name] = factory()
                is_given_twice = args and not kwargs.keys().isdisjoint(names[: len(args)])
                is_missing = any(values[name] is _MISSING for name in names[len(args) : required])
                if len(args) > count or len(values) > count or is_given_twice or is_missing:
                    _standard(cls)(*args, **kwargs)  # which raises the TypeError
            if has_post_init:
                self.__post_init__()

        return __init__

    def _values(instance: Any) -> tuple[Any, ...]:
        return tuple([getattr(instance, each.name) for each in instance.__lazy_fields__.values() if each.compare])

    def _repr(self: Any) -> str:
        shown = [f"{each.name}={getattr(self, each.name)!r}" for each in self.__lazy_fields__.values() if each.repr]
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _eq(self: Any, other: object) -> Any:
        return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented

    def _hash(self: Any) -> int:
        return hash(_values(self))

    def _refuse_change(verb: str) -> Any:
        def refuse(_: Any, name: str, *__: Any) -> None:
            from dataclasses import FrozenInstanceError

            raise FrozenInstanceError(f"cannot {verb} field {name!r}")

        return refuse

    def _standard(cls: Any) -> Any:
        """The standard data class with the same fields."""
        import dataclasses

        listed = []
        for each in cls.__lazy_fields__.values():
            names = ("default", "default_factory", "repr", "compare", "init")
            given = {name: value for name in names if (value := getattr(each, name)) is not _MISSING}
            listed.append((each.name, each.type, dataclasses.field(**given)))
        return dataclasses.make_dataclass(cls.__name__, listed)

    class _StandardFields:
        """What ``dataclasses.fields`` looks for, made when it is asked for."""

        def __get__(self, _: Any, cls: Any) -> Any:
            return _standard(cls).__dataclass_fields__

    class _Signature:
        """What ``inspect.signature`` looks for."""

        def __get__(self, _: Any, cls: Any) -> Any:
            import inspect

            return inspect.signature(_standard(cls))


#: Makes the HTML of a record, or of a list of them, for a notebook; set by :mod:`registry_cli.registry`.
render_html: Callable[[Any], str] = repr


class Record:
    """A result of the public API."""

    def __repr__(self) -> str:
        """As that of a data class, without what is empty or as by default."""
        shown = [
            f"{each.name}={value!r}"
            for each in getattr(self, "__lazy_fields__", {}).values()
            if each.repr
            and (value := getattr(self, each.name)) is not each.default
            and (value or not callable(each.default_factory))
        ]
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def to_dict(self) -> dict[str, Any]:
        """Return the record as the command line prints it with ``--json``: only texts, numbers, lists and mappings."""
        from .json_shapes import to_json

        found: dict[str, Any] = to_json(self)
        return found

    def _repr_html_(self) -> str:
        return render_html(self)


class RecordList(list[_T]):
    """A list of records, with one record per line when it is printed, and a table in a notebook."""

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, at: SupportsIndex) -> _T: ...
        @overload
        def __getitem__(self, at: slice) -> RecordList[_T]: ...
        def __getitem__(self, at: Any) -> Any: ...
    else:

        def __getitem__(self, at: Any) -> Any:
            found = super().__getitem__(at)
            return RecordList(found) if isinstance(at, slice) else found

    def to_records(self) -> list[dict[str, Any]]:
        """Return one flat mapping per record, for ``pandas.DataFrame(…)``.

        Nested names get dots (``metrics.auc``), lists of texts become one text; lineages and events are left out.
        """
        return [dict(_flatten(each.to_dict())) for each in self]

    def __repr__(self) -> str:
        return f"[{f',{chr(10)} '.join(map(repr, self))}]"

    def _repr_html_(self) -> str:
        return render_html(self)


def _flatten(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            if name not in ("lineage", "event"):
                yield from _flatten(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield f"{prefix}{name}", ", ".join(map(str, value))
        else:
            yield f"{prefix}{name}", value
