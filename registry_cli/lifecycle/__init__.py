"""Pure rules over records: no files, no clock, no printing."""
