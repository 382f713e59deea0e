"""The registry on disk: layout, codec, journal, reader, writer, registration, fetch, settings.

Imports core, query and rules. What a verb does with several of these belongs in operations.
"""
