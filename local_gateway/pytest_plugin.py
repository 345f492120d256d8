"""pytest fixtures that start the local gateway; what it needs is imported when a test first asks for one.

- `local_gateway`: a gateway for one test, which serves what the test's marker names:
  `@pytest.mark.local_gateway(template="cdk.out")`; its log is shown if the test fails.
- `local_gateway_environment`: the same test's environment variables, set so that SDKs find that gateway.
- `local_gateway_factory`: starts gateways that live until the session ends, for fixtures of one's own.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .testing import LocalGateway

_MARKER = "local_gateway"


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, so that strict markers allow it."""
    config.addinivalue_line(
        "markers", f"{_MARKER}(template=…, handler=…, source=…): what the fixture of that name serves"
    )


@pytest.fixture(scope="session")
def local_gateway_factory(pytestconfig: pytest.Config) -> "Iterator[Callable[..., LocalGateway]]":
    """Starts a gateway with the arguments of `local_gateway.testing.LocalGateway`; all are stopped at the very end."""
    started: list[LocalGateway] = []

    def start(**arguments: Any) -> "LocalGateway":
        gateway = _start(pytestconfig, arguments)
        started.append(gateway)
        return gateway

    yield start
    for gateway in started:
        gateway.stop()


@pytest.fixture
def local_gateway(request: pytest.FixtureRequest) -> "Iterator[LocalGateway]":
    """A gateway of this test's own, which serves what its marker `local_gateway` names."""
    marker = request.node.get_closest_marker(_MARKER)
    if marker is None:
        pytest.fail(
            "the fixture local_gateway serves what the test's marker names, and there is none; add e.g."
            ' @pytest.mark.local_gateway(template="cdk.out")',
            pytrace=False,
        )
    gateway = _start(request.config, marker.kwargs)
    yield gateway
    gateway.stop()
    request.node.add_report_section("teardown", "local gateway", gateway.log)


@pytest.fixture
def local_gateway_environment(local_gateway: "LocalGateway", monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """AWS's variables, set for this test so that SDKs post to its `local_gateway`; the value is what was set."""
    local_gateway.set_environment(monkeypatch)
    return local_gateway.environment


def _start(config: pytest.Config, arguments: dict[str, Any]) -> "LocalGateway":
    try:
        from .testing import GatewayError, LocalGateway
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("aiohttp", "trustme"):
            raise
        pytest.fail(
            f"the local gateway needs {error.name}; install this library with its extra: "
            'pip install "path/to/the/clone[testing]"',
            pytrace=False,
        )
    try:
        return LocalGateway(**{"root": config.rootpath, **arguments}).start()
    except GatewayError as error:
        pytest.fail(f"local_gateway: {error}", pytrace=False)
