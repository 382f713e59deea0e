"""The registry on disk: layout, codec, journal, reader, writer, staging, registration, fetch, settings.

May import: rules, query, schemas, core, errors.
Does not belong here: the steps of a verb over several of these (``operations``).
"""
