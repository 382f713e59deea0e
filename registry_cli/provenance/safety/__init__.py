"""Looking into files for what could run code when they are loaded. Nothing of them is ever loaded or run."""
