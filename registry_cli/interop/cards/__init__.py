"""Model cards: the facts about a version as Markdown with front matter.

Imports what interop may import.
"""
