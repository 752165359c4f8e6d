//! Arrow values as a stream of Arrow's own format, and back.

use super::message::{EXTENSION, check};
use super::repeated;
use crate::py::error::corrupt;
use crate::py::value::library::Arrow;
use crate::py::value::load::Loader;
use crate::py::value::numpy::load_bytes;
use crate::py::value::sink::{Failure, Sink, Walk};
use crate::py::value::tag;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

type Value<'py> = Bound<'py, PyAny>;

fn pyarrow(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import(intern!(py, "pyarrow"))
}

/// Writes any value of pyarrow.
pub fn write<'py, S: Sink<'py>>(sink: &mut S, value: &Value<'py>, class: Arrow) -> Walk<()> {
    let py = value.py();
    match class {
        Arrow::Array | Arrow::ChunkedArray => write_column(sink, value),
        Arrow::Scalar => write_column(sink, &repeated(value)?),
        Arrow::Table => write_table(sink, value),
        Arrow::Batch => {
            let batches = PyList::new(py, [value])?;
            let tables = pyarrow(py)?.getattr("Table")?;
            write_table(sink, &tables.call_method1("from_batches", (batches,))?)
        }
        Arrow::Schema => write_schema(sink, value),
        Arrow::Field => write_schema(sink, &schema_of(value)?),
        Arrow::Type => {
            let field = pyarrow(py)?.call_method1("field", ("", value))?;
            write_schema(sink, &schema_of(&field)?)
        }
    }
}

fn schema_of<'py>(field: &Value<'py>) -> PyResult<Value<'py>> {
    let fields = PyList::new(field.py(), [field])?;
    pyarrow(field.py())?.call_method1("schema", (fields,))
}

/// Writes an array or chunked array, chunk by chunk.
pub fn write_column<'py, S: Sink<'py>>(sink: &mut S, column: &Value<'py>) -> Walk<()> {
    let py = column.py();
    let field = pyarrow(py)?.call_method1("field", ("", column.getattr("type")?))?;
    let columns = PyList::new(py, [column])?;
    let options = PyDict::new(py);
    options.set_item("schema", schema_of(&field)?)?;
    let tables = pyarrow(py)?.getattr("Table")?;
    write_table(
        sink,
        &tables.call_method("from_arrays", (columns,), Some(&options))?,
    )
}

fn write_schema<'py, S: Sink<'py>>(sink: &mut S, schema: &Value<'py>) -> Walk<()> {
    write_table(sink, &schema.call_method0("empty_table")?)
}

fn write_table<'py, S: Sink<'py>>(sink: &mut S, table: &Value<'py>) -> Walk<()> {
    let py = table.py();
    let schema = table.getattr("schema")?;
    let described = Written::of(schema.call_method0("serialize")?)?;
    if memchr::memmem::find(described.bytes(), EXTENSION).is_some() {
        return Err(Failure::unhandled("an Arrow value of an extension type"));
    }
    let target = pyarrow(py)?.call_method0("BufferOutputStream")?;
    let writer = pyarrow(py)?
        .getattr("ipc")?
        .call_method1("new_stream", (&target, schema))?;
    writer.call_method1("write_table", (table,))?;
    writer.call_method0("close")?;
    let stream = target.call_method0("getvalue")?;
    // What is stored is taken for sound where it is read. pyarrow makes arrays of any buffers.
    load_stream(&stream, false).map_err(|error| {
        Failure::unhandled(format!("an Arrow value that is not sound ({error})"))
    })?;
    sink.borrowed(py, Written::of(stream)?, Written::bytes);
    Ok(())
}

/// A buffer of pyarrow that nobody writes to any more.
struct Written {
    address: usize,
    length: usize,
    _buffer: Py<PyAny>,
}

impl Written {
    fn of(buffer: Value<'_>) -> PyResult<Self> {
        Ok(Self {
            address: buffer.getattr("address")?.extract()?,
            length: buffer.getattr("size")?.extract()?,
            _buffer: buffer.unbind(),
        })
    }

    fn bytes(&self) -> &[u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: pyarrow keeps so many bytes there for as long as the buffer, which is held.
        unsafe {
            std::slice::from_raw_parts(std::ptr::with_exposed_provenance(self.address), self.length)
        }
    }
}

/// The table in the next leaf; its columns lie in the payload.
pub fn read_table<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Value<'py>> {
    let (bytes, stream) = load_bytes(loader)?;
    check(stream)?;
    let buffer = pyarrow(loader.py)?.call_method1("py_buffer", (bytes,))?;
    load_stream(&buffer, loader.sound)
}

/// The table in a stream. Whether its buffers are there and long enough is looked at in any case;
/// every offset, text and code only where it is not known to be sound.
fn load_stream<'py>(buffer: &Value<'py>, sound: bool) -> PyResult<Value<'py>> {
    let py = buffer.py();
    let table = pyarrow(py)?
        .getattr("ipc")?
        .call_method1("open_stream", (buffer,))?
        .call_method0("read_all")?;
    let options = PyDict::new(py);
    options.set_item("full", !sound)?;
    table.call_method("validate", (), Some(&options))?;
    Ok(table)
}

/// Loads what `write` wrote.
pub fn load<'py>(loader: &mut Loader<'_, 'py>, tag: u8) -> PyResult<Value<'py>> {
    let table = read_table(loader)?;
    let column = || table.call_method1("column", (0,));
    let only = || table.getattr("schema")?.call_method1("field", (0,));
    match tag {
        tag::PYARROW_TABLE => Ok(table),
        tag::PYARROW_CHUNKED => column(),
        tag::PYARROW_ARRAY => whole(&column()?),
        tag::PYARROW_SCALAR => column()?.get_item(0),
        tag::PYARROW_BATCH => batch(&table),
        tag::PYARROW_SCHEMA => table.getattr("schema"),
        tag::PYARROW_FIELD => only(),
        tag::PYARROW_TYPE => only()?.getattr("type"),
        _ => Err(corrupt("an unknown type tag")),
    }
}

/// The one chunk of a column that was an array.
fn whole<'py>(column: &Value<'py>) -> PyResult<Value<'py>> {
    match column.getattr("num_chunks")?.extract()? {
        0_usize => {
            let empty = (PyList::empty(column.py()), column.getattr("type")?);
            pyarrow(column.py())?.call_method1("array", empty)
        }
        1 => column.call_method1("chunk", (0,)),
        _ => column.call_method0("combine_chunks"),
    }
}

fn batch<'py>(table: &Value<'py>) -> PyResult<Value<'py>> {
    let py = table.py();
    let batches = table.call_method0("to_batches")?;
    if batches.len()? == 1 {
        return batches.get_item(0);
    }
    let columns = PyList::empty(py);
    for column in table.getattr("columns")?.try_iter()? {
        columns.append(whole(&column?)?)?;
    }
    let options = PyDict::new(py);
    options.set_item("schema", table.getattr("schema")?)?;
    pyarrow(py)?
        .getattr("RecordBatch")?
        .call_method("from_arrays", (columns,), Some(&options))
}
