"""The verbs: a module for a group of commands, named after the group or its first verb; ``grammar.VERBS`` says which.

A command parses what it was given, calls the library once, and shows a result in the form that was asked for. It may
import everything but other commands' private names; it holds no rule of the registry, and touches no file of the store.
"""
