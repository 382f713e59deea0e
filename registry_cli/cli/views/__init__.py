"""What a person sees on a terminal: tables, trees, differences, and texts made safe for it.

Views get records and write or return text. They may import records and pure rules; they neither read a registry nor
know the options of a command. Those that need rich are imported late.
"""
