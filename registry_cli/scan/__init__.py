"""The security scanner of model files: verdicts, containers, configurations, graphs.

Imports core and the binary readers of inspect. Which verdicts a stage accepts is decided in rules.
"""
