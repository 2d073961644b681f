"""Registries: where versions of components appear."""
