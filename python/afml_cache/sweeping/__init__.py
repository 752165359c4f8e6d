"""Sweeps: long work cut into items, none of which is ever done twice."""
