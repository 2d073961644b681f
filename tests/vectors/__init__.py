"""Reference values for ``releasectl.stats`` and the program that checks them.

    python -m tests.vectors FILE.json...

A file is an object with ``cases``. A case has an ``id``, the name ``fn`` of a public function of
``releasectl.stats``, its ``args`` and what to ``expect``, with ``rtol`` or ``atol``; ``at`` picks ticks,
counted from 1, out of a running answer. Two other shapes are known: posteriors with their chance of being
best (``posterior``, ``params``), and simulated values with a standard error (``value``, ``se``).

Nothing is skipped: a case passes, fails, or is unknown, and both of the last two make the exit code 1.
"""
