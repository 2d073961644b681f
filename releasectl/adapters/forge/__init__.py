"""Hosts of git repositories as people see them on the web: pull requests, statuses, comments."""
