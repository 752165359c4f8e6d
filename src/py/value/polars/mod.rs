//! polars frames and series: content without chunks, hidden slots or physical codes.

mod categories;
mod chunk;
mod load;
mod load_chunk;

pub use load::load;

use crate::py::value::library::Class;
use crate::py::value::sink::{Failure, Sink, Walk};
use crate::py::value::{tag, walk};
use chunk::walk_chunk;
use polars::prelude::{DataType, Field, Series, TimeUnit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3_polars::{PyDataFrame, PySeries};

/// Walks a frame or a series.
pub fn walk_polars<'py, S: Sink<'py>>(
    sink: &mut S,
    value: &Bound<'py, PyAny>,
    class: Class,
) -> Walk<()> {
    let py = value.py();
    if class == Class::PolarsSeries {
        sink.tag(if S::CANONICAL {
            tag::POLARS_SERIES
        } else {
            tag::POLARS_SERIES_IN_MEMORY
        });
        return walk_column(sink, value);
    }
    sink.tag(if S::CANONICAL {
        tag::POLARS_FRAME
    } else {
        tag::POLARS_FRAME_IN_MEMORY
    });
    let height: u64 = value.getattr(intern!(py, "height"))?.extract()?;
    sink.u64(height);
    let dtypes = value.getattr(intern!(py, "dtypes"))?;
    let dtypes = dtypes.try_iter()?.collect::<PyResult<Vec<_>>>()?;
    sink.u64(dtypes.len() as u64);
    let within = |name: &str, walked: Walk<()>| {
        walked.map_err(|failure| failure.within(|| format!("[{name:?}]")))
    };
    for dtype in &dtypes {
        if holds_objects(dtype)? {
            // The others could be handed over at once, were it not for this one.
            return value
                .call_method0(intern!(py, "get_columns"))?
                .try_iter()?
                .try_for_each(|column| {
                    let column = column?;
                    let name: String = column.getattr(intern!(py, "name"))?.extract()?;
                    within(&name, walk_column(sink, &column))
                });
        }
    }
    for column in taken::<PyDataFrame>(value)?.0.into_columns() {
        let name = column.name().clone();
        let walked = walk_series(sink, py, column.take_materialized_series());
        within(name.as_str(), walked)?;
    }
    Ok(())
}

/// A column of Python objects cell by cell, any other by its memory.
fn walk_column<'py, S: Sink<'py>>(sink: &mut S, series: &Bound<'py, PyAny>) -> Walk<()> {
    let py = series.py();
    let dtype = series.getattr(intern!(py, "dtype"))?;
    if !holds_objects(&dtype)? {
        return walk_series(sink, py, taken::<PySeries>(series)?.0);
    }
    if !S::CANONICAL || dtype.get_type().name()? != "Object" {
        return Err(Failure::unhandled(format!(
            "a polars column of dtype `{dtype}`"
        )));
    }
    sink.text(&series.getattr(intern!(py, "name"))?.extract::<String>()?);
    sink.tag(kind::OBJECT);
    walk(sink, &series.call_method0(intern!(py, "to_list"))?)
}

/// Dtypes without parts that are handed over as they are; polars panics over some of the others.
const WHOLE: [&str; 25] = [
    "Null",
    "Boolean",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Int128",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "UInt128",
    "Float16",
    "Float32",
    "Float64",
    "String",
    "Binary",
    "Date",
    "Time",
    "Datetime",
    "Duration",
    "Decimal",
    "Categorical",
    "Enum",
    "Unknown",
];

/// Whether there are columns of Python objects, which are handed over as addresses.
fn holds_objects(dtype: &Bound<'_, PyAny>) -> Walk<bool> {
    let py = dtype.py();
    match dtype.get_type().name()?.to_str()? {
        "Object" => Ok(true),
        "List" | "Array" => holds_objects(&dtype.getattr(intern!(py, "inner"))?),
        "Struct" => {
            for field in dtype.getattr(intern!(py, "fields"))?.try_iter()? {
                if holds_objects(&field?.getattr(intern!(py, "dtype"))?)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        name if WHOLE.contains(&name) => Ok(false),
        name => Err(Failure::unhandled(format!(
            "a polars column of dtype `{name}`"
        ))),
    }
}

fn taken<'a, 'py, T: FromPyObject<'a, 'py, Error = PyErr>>(
    value: &'a Bound<'py, PyAny>,
) -> Walk<T> {
    value.extract().map_err(|error| {
        Failure::unhandled(format!(
            "a polars value that this version of polars can't hand over ({error})"
        ))
    })
}

fn walk_series<'py, S: Sink<'py>>(sink: &mut S, py: Python<'py>, series: Series) -> Walk<()> {
    sink.text(series.name());
    walk_dtype(sink, series.dtype())?;
    if !S::CANONICAL && has_codes(series.dtype()) {
        return categories::walk_codes(sink, py, &series);
    }
    let series = plain(series)?;
    let chunk = series.rechunk().chunks()[0].clone();
    sink.u64(chunk.len() as u64);
    walk_chunk(sink, py, &*chunk)
}

/// Whether a payload has a column of this dtype as codes.
fn has_codes(dtype: &DataType) -> bool {
    matches!(dtype, DataType::Categorical(..) | DataType::Enum(..))
}

/// The dtype that a column is stored under: categories inside of others by their names, and in
/// digests all of them.
pub fn stored_as(dtype: &DataType) -> DataType {
    match dtype {
        DataType::Categorical(..) | DataType::Enum(..) => DataType::String,
        DataType::List(inner) => DataType::List(Box::new(stored_as(inner))),
        DataType::Array(inner, width) => DataType::Array(Box::new(stored_as(inner)), *width),
        DataType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| Field::new(field.name().clone(), stored_as(field.dtype())))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Categories by their names, lists cut to what they show, nulls all the way down.
fn plain(series: Series) -> Walk<Series> {
    let stored = stored_as(series.dtype());
    let series = if stored == *series.dtype() {
        series
    } else {
        series.cast(&stored).map_err(odd)?
    };
    if !series.dtype().is_nested() {
        return Ok(series);
    }
    let series = series.rechunk();
    let series = series.propagate_nulls().unwrap_or(series);
    Ok(series.trim_lists_to_normalized_offsets().unwrap_or(series))
}

fn odd(error: impl std::fmt::Display) -> Failure {
    Failure::unhandled(format!(
        "a polars value that can't be taken apart ({error})"
    ))
}

/// The kinds of column; their numbers are part of digests and payloads.
pub mod kind {
    pub const ARRAY: u8 = 32;
    pub const LIST: u8 = 33;
    pub const STRUCT: u8 = 34;
    pub const CATEGORICAL: u8 = 35;
    pub const ENUM: u8 = 36;
    pub const DATETIME: u8 = 37;
    pub const DURATION: u8 = 38;
    pub const DECIMAL: u8 = 39;
    pub const OBJECT: u8 = 40;
}

/// Kinds of column with nothing to add, by number.
pub const SIMPLE: [(u8, DataType); 19] = [
    (0, DataType::Null),
    (1, DataType::Boolean),
    (2, DataType::UInt8),
    (3, DataType::UInt16),
    (4, DataType::UInt32),
    (5, DataType::UInt64),
    (6, DataType::UInt128),
    (7, DataType::Int8),
    (8, DataType::Int16),
    (9, DataType::Int32),
    (10, DataType::Int64),
    (11, DataType::Int128),
    (12, DataType::Float16),
    (13, DataType::Float32),
    (14, DataType::Float64),
    (15, DataType::String),
    (16, DataType::Binary),
    (17, DataType::Date),
    (18, DataType::Time),
];

/// The name of a unit of time.
pub fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Nanoseconds => "ns",
        TimeUnit::Microseconds => "us",
        TimeUnit::Milliseconds => "ms",
    }
}

fn walk_dtype<'py, S: Sink<'py>>(sink: &mut S, dtype: &DataType) -> Walk<()> {
    if let Some((number, _)) = SIMPLE.iter().find(|(_, simple)| simple == dtype) {
        return Ok(sink.tag(*number));
    }
    match dtype {
        DataType::Datetime(unit, zone) => {
            sink.tag(kind::DATETIME);
            sink.text(unit_name(*unit));
            sink.text(zone.as_ref().map_or("", |zone| zone.as_str()));
        }
        DataType::Duration(unit) => {
            sink.tag(kind::DURATION);
            sink.text(unit_name(*unit));
        }
        DataType::Decimal(precision, scale) => {
            sink.tag(kind::DECIMAL);
            sink.u64(*precision as u64);
            sink.u64(*scale as u64);
        }
        DataType::Categorical(categories, _) => {
            sink.tag(kind::CATEGORICAL);
            sink.text(categories.name());
            sink.text(categories.namespace());
            sink.text(categories.physical().as_str());
        }
        DataType::Enum(categories, _) => {
            sink.tag(kind::ENUM);
            sink.u64(categories.categories().len() as u64);
            categories
                .categories()
                .values_iter()
                .for_each(|name| sink.text(name));
        }
        DataType::List(inner) => {
            sink.tag(kind::LIST);
            walk_dtype(sink, inner)?;
        }
        DataType::Array(inner, width) => {
            sink.tag(kind::ARRAY);
            sink.u64(*width as u64);
            walk_dtype(sink, inner)?;
        }
        DataType::Struct(fields) => {
            sink.tag(kind::STRUCT);
            sink.u64(fields.len() as u64);
            for field in fields {
                sink.text(field.name());
                walk_dtype(sink, field.dtype())?;
            }
        }
        other => {
            return Err(Failure::unhandled(format!(
                "a polars column of dtype `{other}`"
            )));
        }
    }
    Ok(())
}
