"""Why an ISO image cannot be had. The texts are for the customer: of an address they hold the host, nothing more."""


class BadAddress(Exception):
    """The address cannot be one of an image."""


class CannotFetch(Exception):
    """The image cannot be had."""


class Interrupted(CannotFetch):
    """The image cannot be had at the moment: another try may succeed."""


class NoSpace(Exception):
    """This worker has no room for the image at the moment."""


class Busy(Exception):
    """This worker fetches as many images as it may, or as it may for one account."""
