"""What can go wrong when an image is built."""


class BuildError(Exception):
    """An image could not be built; the text says why and what to do."""
