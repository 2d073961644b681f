"""Metric providers: exact increments of counters, never rates that were extrapolated.

``envoy`` reads the router's own counters, ``prometheus`` raw samples over its HTTP API, ``log`` the predictions
and outcomes that were posted to the controller. ``memory`` says what a test tells it to.
"""
