"""``python -m releasectl``."""

from releasectl.cli.main import run

run()
