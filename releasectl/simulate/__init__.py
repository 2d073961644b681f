"""What a strategy and a policy would do, before anything is released: the same decisions in a synthetic world.

::

    world.py     rates, effects, drift, delays; the counts of each look, drawn from a seed
    case.py      a release made ready for trial, and the evidence of one look as ``evaluate`` judges it
    trial.py     one run, look by look, through ``evaluate()`` and ``decide()`` as a controller calls them
    batch.py     thousands of runs at once: evidence on arrays, ``decide()`` wherever something may happen
    earned.py    what the arms of many bandits earn at once
    supposed.py  worlds worth supposing of any release
    summary.py   rates, times and exposures over runs, each with its standard error

Stands beside the controller: it drives ``decide`` and writes nothing.
"""
