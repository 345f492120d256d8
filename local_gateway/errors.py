"""What can be wrong with what the gateway was given, one class for each thing that a person can do about it.

    GatewayError
    ├── AssemblyError    synthesize again, or point --assembly elsewhere
    ├── TemplateError    the template asks for something that the gateway cannot serve
    ├── AddressError     choose another port or host
    └── ArgumentError    write the argument of the test tool as it is meant

The text is one sentence that says what was wrong, the value, and what would be right.
"""


class GatewayError(Exception):
    """Base of every error that the gateway raises for what it was given."""


class AssemblyError(GatewayError):
    """The cloud assembly, a template or an asset is missing or cannot be read."""


class TemplateError(GatewayError):
    """The template holds no WebSocket API, several, or something that cannot be served here."""


class AddressError(GatewayError):
    """The address cannot be listened on."""


class ArgumentError(GatewayError):
    """The test tool was given an argument that it does not know."""
