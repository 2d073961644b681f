"""The only place with a sequence of effects: one pass gathers, decides, acts and records."""
