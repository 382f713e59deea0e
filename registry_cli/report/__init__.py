"""The report: HTML pages about a registry that need no server, no network and no script.

May import: rules, query, core, errors.

Does not belong here: reading a registry (``operations.report`` collects what the pages show) and writing the pages to
disk. Everything here is a function of its arguments: the same records make the same bytes.
"""
