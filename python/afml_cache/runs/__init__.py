"""Backtests: runs, what was tried, and walk-forward folds."""
