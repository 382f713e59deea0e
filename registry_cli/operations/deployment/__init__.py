"""Deploy versions to targets, and compare what the records, the folders and the servers say.

May import: operations, serving, trust, lineage, index, store, rules, query, core, errors.
Does not belong here: what a server expects in its folder (``serving``).
"""
