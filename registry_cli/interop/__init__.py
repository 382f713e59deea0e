"""Import from and export to other tools.

Imports everything below operations. Registering what was read belongs in operations.
"""
