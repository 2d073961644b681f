"""A real Gitea for tests: built once from its Go module, started on loopback, made use of through its API."""
