"""What makes two runs runs of the same experiment: every key of the config but these."""

# Section -> True for all of it, or the keys that may differ without a change of the result.
NOT_THE_RESULT: dict[str, bool | set[str]] = {
    "description": True,
    "tracking": True,
    "sweep": True,
    "search": True,
    "data": {"root", "mirrors", "attempts", "timeout_seconds"},
    "training": {"threads", "keep_checkpoints"},
}
