"""Safe work with files: descriptors that follow no links, removal, replacement, locks, modes, durable writes.

Imports core and the layout. What knows a document's content belongs in store.
"""
