"""The one error that the command line prints as it is."""


class Refused(Exception):
    """What was asked for can't be done here now; the message says why, in one sentence for the operator."""
