"""Readers of containers, for formats and the scanner alike: zip, tar, protocol buffers, arrays, compressed streams.

A reader works within a budget of bytes and steps (``limits.py``), and never trusts a length that a file states.

May import: core, errors.
Does not belong here: what a container means for one model format (``inspect/formats``).
"""
