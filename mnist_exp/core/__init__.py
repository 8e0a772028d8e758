"""Processes, files, text and numbers: what any program has, and nothing of experiments."""
