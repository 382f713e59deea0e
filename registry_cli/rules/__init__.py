"""Pure decisions over records: stages, history, retention, rollback, comparison, approvals, scan policy.

May import: query, core, errors.
Does not belong here: whatever reads or writes a file. Settings are loaded in ``store`` and ``operations``.
"""
