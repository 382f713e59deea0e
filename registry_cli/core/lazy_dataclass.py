"""Data classes whose methods are compiled when they are first needed.

``dataclasses.dataclass`` compiles six functions for each class at import (about 0.5 ms), and imports ``inspect``. A command
imports a hundred such classes and instantiates few of them. Here ``__init__`` is compiled only for classes with many
instances, and all classes share the other methods.

The decorator has the parameters of the standard one that this project uses. Type checkers see the standard one.
``dataclasses.fields``, ``asdict`` and ``replace`` accept the instances.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, without importing typing

__all__ = ["dataclass", "field", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
    from typing import Any
else:

    class _Missing:
        def __repr__(self) -> str:
            return "MISSING"

    _MISSING = _Missing()
    #: So many instances of a class are made before its ``__init__`` is compiled, which takes as long as about fifty of them.
    _INTERPRETED = 20

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
        cls.__init__ = _first_init(cls)
        cls.__dataclass_fields__ = _StandardFields()
        cls.__signature__ = _Signature()
        for name, method, is_wanted in (("__repr__", _repr, repr), ("__eq__", _eq, eq)):
            if is_wanted and name not in cls.__dict__:
                setattr(cls, name, method)
        if eq and cls.__dict__.get("__hash__") is None:
            cls.__hash__ = _hash if frozen else None
        if frozen:
            cls.__setattr__, cls.__delattr__ = _refuse_change("assign to"), _refuse_change("delete")
        return cls

    def replace(instance: Any, /, **changes: Any) -> Any:
        """The same with some other values."""
        values = {name: getattr(instance, name) for name, each in instance.__lazy_fields__.items() if each.init}
        return type(instance)(**{**values, **changes})

    def _first_init(cls: Any) -> Any:
        left = _INTERPRETED

        def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
            nonlocal left
            left -= 1
            values = _bind(cls, args, kwargs) if left >= 0 else None
            if values is None:
                _compile_init(cls)(self, *args, **kwargs)
                return
            for name, value in values.items():
                object.__setattr__(self, name, value)
            if hasattr(cls, "__post_init__"):
                self.__post_init__()

        return __init__

    def _bind(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
        """The value of each field; None for wrong arguments, which a compiled ``__init__`` explains."""
        fields = [each for each in cls.__lazy_fields__.values() if each.init]
        given = {each.name: value for each, value in zip(fields, args, strict=False)}
        if len(args) > len(fields) or not given.keys().isdisjoint(kwargs):
            return None
        given.update(kwargs)
        values = {}
        for each in fields:
            value = given.pop(each.name, each.default)
            if value is _MISSING and each.default_factory is not _MISSING:
                value = each.default_factory()
            if value is _MISSING:
                return None
            values[each.name] = value
        return None if given else values

    def _compile_init(cls: Any) -> Any:
        """Compile ``__init__`` of a class, and set it."""
        fields, frozen = list(cls.__lazy_fields__.values()), cls.__setattr__ is not object.__setattr__
        scope: dict[str, Any] = {"_MISSING": _MISSING}
        parameters, lines = [], [" _values = self.__dict__"] if frozen else []
        for each in fields:
            value = each.name
            if not each.init:
                continue  # its default is the attribute of the class
            if each.default is not _MISSING:
                scope[f"_default_{each.name}"] = each.default
                parameters.append(f"{each.name}=_default_{each.name}")
            elif each.default_factory is not _MISSING:
                scope[f"_factory_{each.name}"] = each.default_factory
                parameters.append(f"{each.name}=_MISSING")
                value = f"_factory_{each.name}() if {each.name} is _MISSING else {each.name}"
            else:
                parameters.append(each.name)
            lines.append(f" _values[{each.name!r}] = {value}" if frozen else f" self.{each.name} = {value}")
        if hasattr(cls, "__post_init__"):
            lines.append(" self.__post_init__()")
        exec("def __init__(self, " + ", ".join(parameters) + "):\n" + "\n".join(lines or [" pass"]), scope)  # noqa: S102
        init = scope["__init__"]
        init.__qualname__ = f"{cls.__qualname__}.__init__"
        init.__annotations__ = {**{each.name: each.type for each in fields}, "return": None}
        init.__module__ = cls.__module__
        cls.__init__ = init
        return init

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

    class _StandardFields:
        """What ``dataclasses.fields`` looks for, made when it is asked for."""

        def __get__(self, _: Any, cls: Any) -> Any:
            import dataclasses

            listed = []
            for each in cls.__lazy_fields__.values():
                names = ("default", "default_factory", "repr", "compare", "init")
                given = {name: value for name in names if (value := getattr(each, name)) is not _MISSING}
                listed.append((each.name, each.type, dataclasses.field(kw_only=True, **given)))
            return dataclasses.make_dataclass(cls.__name__, listed).__dataclass_fields__  # type: ignore[attr-defined]

    class _Signature:
        """What ``inspect.signature`` looks for."""

        def __get__(self, _: Any, cls: Any) -> Any:
            import inspect

            owner = next(each for each in cls.__mro__ if "__lazy_fields__" in each.__dict__)
            signature = inspect.signature(_compile_init(owner))
            return signature.replace(parameters=list(signature.parameters.values())[1:])
