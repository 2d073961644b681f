"""A real MLflow server for tests, in a virtual environment of its own: it brings far more than releasectl needs."""
