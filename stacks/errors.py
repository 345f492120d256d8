"""What stops a synthesis and can be put right by the person who started it; the text says how."""


class StackError(Exception):
    """Base of both."""


class SettingsError(StackError):
    """A setting is unknown or malformed; the text names it, its value and what would be right."""


class AssetError(StackError):
    """A file that belongs in the Lambda's asset is missing; the text names it."""
