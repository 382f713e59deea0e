"""What is left after a fault, a death or a power cut at every single call that changes the disk."""
