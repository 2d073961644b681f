"""What the press desk's components share: serving, calling, reporting, and the wording of the press."""
