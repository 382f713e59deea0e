"""Shared value types and tools: names, records, results, version ranges, quantities, times, redaction, subprocesses.

May import: errors.
Does not belong here: what reads or writes files of a registry (``store``), decides by a policy or a rule (``rules``),
or knows another tool (``interop``).
"""
