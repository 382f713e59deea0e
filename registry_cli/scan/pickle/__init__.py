"""Pickles, read without running them: their opcodes are walked one by one over a stack of symbols.

``stream_analysis.analyse_stream`` says which globals a stream of pickles refers to and how, what is known of the objects that it
would build, and whether it was read to the end. It imports nothing that a pickle names, and calls nothing.

May import: scan.verdicts, inspect.binary, core, errors.
Does not belong here: where pickles are in files and archives (``scan/pickle_files.py``).
"""
