"""What makes two runs runs of the same experiment: every key of the config but some."""

# Section -> True for all of it, or the keys that may differ without a change of the result.
NOT_THE_RESULT: dict[str, bool | set[str]] = {
    "description": True,
    "tracking": True,
    "sweep": True,
    "search": True,
    "data": {"root", "mirrors", "attempts", "timeout_seconds"},
    "training": {"device", "threads", "keep_checkpoints"},
}


def determines(key: str) -> bool:
    """Tells whether a key of the config, with dots, or a whole section can change the result."""
    section, _, name = key.partition(".")
    excluded = NOT_THE_RESULT.get(section, set())
    return not (name in excluded if isinstance(excluded, set) else excluded)
