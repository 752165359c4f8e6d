"""The way of a loader's answer through the cache: read, stored as Parquet and JSON, written."""

import io
from typing import Any

import polars as pl

from afml_cache.ranges import forms


def stored(table: pl.DataFrame) -> pl.DataFrame:
    file = io.BytesIO()
    table.write_parquet(file)
    file.seek(0)
    return pl.read_parquet(file)


def kept(form: forms.Form) -> forms.Form:
    return forms.Form.from_json(form.to_json()).bind(form.bound)


def read(value: Any, **options: Any) -> tuple[forms.Form, pl.DataFrame]:
    form, table = forms.read(value, **options)
    assert table.schema == form.schema
    assert kept(form) == form
    return kept(form), stored(table)


def through(value: Any, output: Any = None, **options: Any) -> Any:
    return forms.write(*read(value, **options), output)


def together(*values: Any, output: Any = None, **options: Any) -> Any:
    """The answer for parts that were fetched one after another."""
    read_parts = [read(value, **options) for value in values]
    form = read_parts[0][0]
    for other, _ in read_parts[1:]:
        form = form.merge(other)
    table, _ = forms.unite([forms.restore(form, table) for form, table in read_parts])
    return forms.write(kept(form), stored(table), output)
