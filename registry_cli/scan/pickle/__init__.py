"""Pickles, read without running them: their opcodes walked one by one over a stack of symbols.

``walker.walk`` says which globals a stream of pickles refers to and how, what is known of the objects that it would
build, and whether it was read to the end. It imports nothing that a pickle names, and calls nothing.
"""
