"""Metrics of versions in use: the files of observations, other tools' results as observations, and exports for monitoring systems.

May import: store, rules, core, errors.

Does not belong here: the rules and their evaluation (``rules.monitor_rules``, ``rules.monitor_evaluation``), and the
events that an alert makes (``operations.monitor``).
"""
