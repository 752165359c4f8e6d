"""The time-range cache: bars of a series, each fetched once."""
