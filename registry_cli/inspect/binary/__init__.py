"""Readers of the containers that formats, the scanner and others share: zip, tar, protocol buffers, arrays, compressions."""
