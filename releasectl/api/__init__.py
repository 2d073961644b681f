"""The controller's HTTP API: takes events in, shows what is going on, decides nothing and writes no release.

It knows ports and callables only; whoever starts it says what stands behind them.
"""
