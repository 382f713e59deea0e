"""Safe work with files: descriptors that follow no links, durable writes, removal, replacement, locks, modes.

May import: store.layout, core, errors.
Does not belong here: what a document contains.
"""
