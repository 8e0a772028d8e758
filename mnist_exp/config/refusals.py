"""What Hydra, OmegaConf and PyYAML say of configs that they refuse, put on one line."""

from mnist_exp.config.hydra_internal import being_read

# What follows are OmegaConf's own types, Hydra's folders, and advice that leads to the next error.
_MORE = (" full_key: ", " Config search path:", " To override a value use", " To append to your")


def words(error: BaseException) -> str:
    """Returns a library's message, and its cause's, on one line."""
    if isinstance(error, UnicodeDecodeError):
        return f"{being_read(error)} is not in UTF-8: save it as UTF-8."
    parts = [error] if error.__cause__ is None else [error, error.__cause__]
    text = " ".join(" ".join(str(part).split()) for part in parts).strip()
    for more in _MORE:
        text = text.partition(more)[0]
    return text or type(error).__name__
