"""The policy of a stage: its model, parser, requirements, approvals, command checks, and their evaluation.

Imports what rules may import. Loading the settings belongs in operations.
"""
