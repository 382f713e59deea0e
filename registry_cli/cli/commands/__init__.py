"""The verbs: one module for each group of commands, named after what they do or the first of them."""
