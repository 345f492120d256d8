"""What to say of a profile that AWS's files do not have."""

import os

_VARIABLES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")  # in botocore's order
_SHOWN = 10  # names of profiles


def missing_profile(error: Exception) -> str:
    """Return what is missing, where it was looked for, and what would be right.

    Args:
        error: botocore's, whose own words are kept where the profile was not named by the environment.
    """
    from botocore.session import Session

    session = Session()
    profiles = session.full_config.get("profiles", {})
    variable = next((name for name in _VARIABLES if name in os.environ), None)
    if variable is None or os.environ[variable] in profiles:
        return str(error)
    files = " nor ".join(str(session.get_config_variable(name)) for name in ("config_file", "credentials_file"))
    known = ", ".join(sorted(profiles)[:_SHOWN]) or "none"
    return (
        f"{variable} names the profile {os.environ[variable]!r:.80}, which is neither in {files} (there: {known}); "
        f"correct {variable}, or unset it where credentials come from a role or from AWS_ACCESS_KEY_ID"
    )
