"""The verbs of a registry as methods, one room a module; :class:`registry_cli.registry.Registry` has them all."""
