"""Lineage of a version: git, environment, packages, data; the recipe to make it again, and the check of that recipe.

May import: store, rules, core, errors.
Does not belong here: the tree of parents and children over versions (``operations/lineage.py``).
"""
