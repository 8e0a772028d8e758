"""One run, from its start to its record; and a recorded run back to life."""
