"""What is inside model files: format, framework, parameters. Reads without running anything.

Imports core. Whether a file is safe is decided in scan; its binary readers serve store and scan, too.
"""
