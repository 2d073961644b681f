"""releasectl: a declarative GitOps release controller for machine-learning models.

One direction of flow::

    git --> manifests --> observe --> evaluate --> decide --> plan --> act --> record --> git

The middle (evaluate, decide, plan) is pure: it takes the time and every number as arguments, so equal
inputs give equal decisions on any machine. Effects live in ``adapters`` and their order in ``controller``.
Layers, upper may import lower (checked by import-linter)::

    cli > api > controller | adapters > plan > decide > strategies > evaluate
        > manifests | stats > ports > domain > errors
"""

__version__ = "0.1.0"
