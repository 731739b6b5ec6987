"""Patterns of fields, with the words in which a refusal says them: a regular expression is no explanation."""

_WORDS: dict[str, str] = {}


def pattern(expression: str, words: str) -> str:
    """The expression, for a field; whoever breaks it is told these words."""
    _WORDS[expression] = words
    return expression


def in_words(expression: object) -> str | None:
    """What was said of a pattern."""
    return _WORDS.get(str(expression))
