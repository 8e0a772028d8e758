"""Recorded runs, found and read with distrust."""
