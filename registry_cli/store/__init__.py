"""How a registry lies on disk. ``docs/format.md`` is the specification; every module here keeps one part of it."""
