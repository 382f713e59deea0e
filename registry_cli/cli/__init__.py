"""The command line: parse, one call of the library, render. The only code that prints, prompts, exits or reads
the environment.
"""
