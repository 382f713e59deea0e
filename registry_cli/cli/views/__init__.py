"""What a person sees on a terminal: tables, trees, differences, and texts made safe for it."""
