"""The demonstration: a repository, real models, a controller, readers with opinions, and a story."""
