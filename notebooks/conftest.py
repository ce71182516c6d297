"""nbval expects cells after a timeout to fail; here that is a failure."""

from __future__ import annotations

import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if any cell was only expected to fail."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("xfailed"):
        reporter.write_line("cells after a timeout did not run", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
