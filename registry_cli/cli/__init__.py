"""The command line: parse arguments, call the library once, render the result.

It alone prints, prompts, exits and reads the environment (``REGISTRY_HOME`` in ``Registry.open`` apart).

May import: registry, operations, interop, monitoring, report, trust, lineage, store, inspect, scan, rules, query, schemas, core, errors.
Does not belong here: rules of the registry, and reading or writing files of a registry. A verb of the command line has
a method on ``Registry`` or in one of its namespaces that does the work.
"""
