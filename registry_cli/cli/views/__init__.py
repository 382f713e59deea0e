"""Rendering for a terminal: tables, trees, differences, progress.

A view takes records and writes or returns text. The views that need rich are imported when they are first used.

May import: cli.formatting, cli.process, store, rules, core, errors.
Does not belong here: calls of the library, and options of commands.
"""
