"""Backtests: their runs, their trials, and the folds that they walk through."""
