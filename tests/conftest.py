"""What all tests share: where CI runs them, a skipped test is a failed one."""

import os

import hypothesis
import pytest

# As an installed distribution's entry point does.
pytest_plugins = ["local_gateway.pytest_plugin"]

# An example's time says more about the machine than about the code.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("FAIL_ON_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and FAIL_ON_SKIP is set: {report.longrepr[-1]}"
    return report
