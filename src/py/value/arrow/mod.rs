//! Arrow: values of pyarrow, and the columns of pandas that lie in its memory.

mod canonical;
mod coded;
mod ffi;
mod kind;
mod message;
mod spans;
mod stream;

pub use stream::{load, read_table, write_column};

use super::library::Arrow;
use super::sink::{Sink, Walk};
use super::tag;
use canonical::{Canonical, Window};
use ffi::{OwnedArray, OwnedSchema, Schema, export_array, export_schema};
use kind::Kind;
use pyo3::intern;
use pyo3::prelude::*;

/// Walks a value of pyarrow.
pub fn walk_arrow<'py, S: Sink<'py>>(
    sink: &mut S,
    value: &Bound<'py, PyAny>,
    class: Arrow,
) -> Walk<()> {
    sink.tag(match class {
        Arrow::Array => tag::PYARROW_ARRAY,
        Arrow::ChunkedArray => tag::PYARROW_CHUNKED,
        Arrow::Batch => tag::PYARROW_BATCH,
        Arrow::Table => tag::PYARROW_TABLE,
        Arrow::Scalar => tag::PYARROW_SCALAR,
        Arrow::Schema => tag::PYARROW_SCHEMA,
        Arrow::Field => tag::PYARROW_FIELD,
        Arrow::Type => tag::PYARROW_TYPE,
    });
    if !S::CANONICAL {
        return stream::write(sink, value, class);
    }
    match class {
        Arrow::Array | Arrow::ChunkedArray => walk_column(sink, value),
        Arrow::Scalar => walk_column(sink, &repeated(value)?),
        Arrow::Batch | Arrow::Table => walk_table(sink, value),
        Arrow::Schema | Arrow::Field | Arrow::Type => {
            walk_type(sink, export_schema(value)?.get()?, true)
        }
    }
}

/// A scalar as an array of one slot.
fn repeated<'py>(scalar: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let pyarrow = scalar.py().import(intern!(scalar.py(), "pyarrow"))?;
    pyarrow.call_method1(intern!(scalar.py(), "repeat"), (scalar, 1))
}

/// An array or chunked array: its type and content, without its chunks.
pub fn walk_column<'py, S: Sink<'py>>(sink: &mut S, column: &Bound<'py, PyAny>) -> Walk<()> {
    let chunks = Chunks::of(column)?;
    let schema = chunks.schema.get()?;
    walk_type(sink, schema, false)?;
    let windows = chunks.windows()?;
    let mut canonical = Canonical::default();
    canonical.u64(canonical::length(&windows) as u64);
    canonical.column(schema, &windows)?;
    canonical.finish(column.py(), sink);
    Ok(())
}

/// A column of text by its content alone, whatever kind of Arrow text it is.
pub fn walk_text<'py, S: Sink<'py>>(sink: &mut S, column: &Bound<'py, PyAny>) -> Walk<()> {
    let chunks = Chunks::of(column)?;
    let schema = chunks.schema.get()?;
    let windows = chunks.windows()?;
    let valid = canonical::validity(&windows)?;
    let mut canonical = Canonical::default();
    canonical.u64(canonical::length(&windows) as u64);
    canonical.validity(valid.as_ref());
    match (schema.dictionary(), Kind::of(schema.format()?)?) {
        (None, Kind::Text(width)) => {
            spans::text(&mut canonical, width, 8, &windows, valid.as_ref())?;
        }
        (None, Kind::TextView) => spans::text_view(&mut canonical, &windows, valid.as_ref())?,
        _ => return Err(ffi::malformed("text of an unknown layout")),
    }
    canonical.finish(column.py(), sink);
    Ok(())
}

fn walk_table<'py, S: Sink<'py>>(sink: &mut S, table: &Bound<'py, PyAny>) -> Walk<()> {
    let py = table.py();
    let owned = export_schema(&table.getattr(intern!(py, "schema"))?)?;
    let schema = owned.get()?;
    walk_type(sink, schema, true)?;
    sink.u64(table.getattr(intern!(py, "num_rows"))?.extract()?);
    let columns = table.getattr(intern!(py, "columns"))?;
    let columns = columns
        .try_iter()?
        .map(|column| Chunks::of(&column?))
        .collect::<Walk<Vec<_>>>()?;
    let mut canonical = Canonical::default();
    for (place, column) in columns.iter().enumerate() {
        let walked = canonical.column(schema.child(place)?, &column.windows()?);
        walked.map_err(|failure| {
            let name = schema.child(place).map(Schema::name).unwrap_or_default();
            failure.within(|| format!("[{:?}]", String::from_utf8_lossy(name)))
        })?;
    }
    canonical.finish(py, sink);
    Ok(())
}

/// The exported chunks of a column.
struct Chunks<'py> {
    schema: OwnedSchema<'py>,
    arrays: Vec<OwnedArray<'py>>,
}

impl<'py> Chunks<'py> {
    fn of(column: &Bound<'py, PyAny>) -> Walk<Self> {
        let py = column.py();
        let Some(count) = column.getattr_opt(intern!(py, "num_chunks"))? else {
            let (schema, array) = export_array(column)?;
            return Ok(Self {
                schema,
                arrays: vec![array],
            });
        };
        let (mut schema, mut arrays) = (None, Vec::new());
        for place in 0..count.extract::<usize>()? {
            let chunk = column.call_method1(intern!(py, "chunk"), (place,))?;
            let (kind, array) = export_array(&chunk)?;
            schema.get_or_insert(kind);
            arrays.push(array);
        }
        let schema = match schema {
            Some(schema) => schema,
            None => export_schema(&column.getattr(intern!(py, "type"))?)?,
        };
        Ok(Self { schema, arrays })
    }

    fn windows(&self) -> Walk<Vec<Window<'_>>> {
        let windows = self.arrays.iter().map(|array| Window::of(array.get()?));
        windows.collect()
    }
}

/// A type with all that it is made of; the name of a field only where it has one to show.
fn walk_type<'py, S: Sink<'py>>(sink: &mut S, schema: Schema<'_>, named: bool) -> Walk<()> {
    sink.text(schema.format()?);
    sink.u64(schema.flags());
    sink.bytes(if named { schema.name() } else { b"" });
    let metadata = schema.metadata()?;
    sink.u64(metadata.len() as u64);
    for (name, value) in metadata {
        sink.bytes(name);
        sink.bytes(value);
    }
    let children = schema.children()?;
    sink.u64(children as u64);
    for child in 0..children {
        walk_type(sink, schema.child(child)?, true)?;
    }
    sink.flag(schema.dictionary().is_some());
    schema
        .dictionary()
        .map_or(Ok(()), |values| walk_type(sink, values, false))
}
