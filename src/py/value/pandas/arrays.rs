//! Scalars and extension arrays of pandas.

use super::masked::walk_masked;
use crate::py::value::cells::walk_objects;
use crate::py::value::library::{Class, Pandas, class_of};
use crate::py::value::numpy::walk_memory;
use crate::py::value::sink::{Failure, Sink, Walk, not_handled};
use crate::py::value::{arrow, tag, walk};
use numpy::PyUntypedArray;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// So many texts, as column labels are, are read back faster one by one than as a stream of Arrow's.
const FEW: usize = 64;

/// Walks a scalar or an extension array.
pub fn walk_extension<'py, S: Sink<'py>>(
    sink: &mut S,
    value: &Bound<'py, PyAny>,
    class: Pandas,
) -> Walk<()> {
    let py = value.py();
    match class {
        Pandas::Nat => Ok(sink.tag(tag::NAT)),
        Pandas::Na => Ok(sink.tag(tag::NA)),
        Pandas::Timestamp => {
            walk_instant(sink, value, tag::TIMESTAMP, "asm8")?;
            walk_zone(sink, &value.getattr("tz")?)
        }
        Pandas::Timedelta => walk_instant(sink, value, tag::PANDAS_TIMEDELTA, "asm8"),
        Pandas::Period => {
            sink.tag(tag::PERIOD);
            sink.text(&value.getattr("freqstr")?.extract::<String>()?);
            sink.i64(value.getattr("ordinal")?.extract()?);
            Ok(())
        }
        Pandas::Interval => {
            sink.tag(tag::INTERVAL);
            ["left", "right", "closed"]
                .into_iter()
                .try_for_each(|part| walk(sink, &value.getattr(part)?))
        }
        Pandas::DatetimeArray => {
            walk_ticks(sink, value, tag::DATETIME_ARRAY)?;
            walk_zone(sink, &value.getattr(intern!(py, "tz"))?)
        }
        Pandas::TimedeltaArray => walk_ticks(sink, value, tag::TIMEDELTA_ARRAY),
        Pandas::PeriodArray => {
            sink.tag(tag::PERIOD_ARRAY);
            sink.text(&value.getattr("dtype")?.str()?.to_string());
            walk_memory(sink, &value.getattr(intern!(py, "asi8"))?)
        }
        Pandas::IntervalArray => {
            sink.tag(tag::INTERVAL_ARRAY);
            ["left", "right", "closed"]
                .into_iter()
                .try_for_each(|part| walk(sink, &value.getattr(part)?))
        }
        Pandas::Categorical => {
            sink.tag(tag::CATEGORICAL);
            ["categories", "ordered", "codes"]
                .into_iter()
                .try_for_each(|part| walk_memory(sink, &value.getattr(part)?))
        }
        Pandas::MaskedArray => walk_masked(sink, value),
        Pandas::StringArray => walk_strings(sink, value),
        Pandas::ArrowArray => walk_arrow(sink, value),
        Pandas::SparseArray => walk_sparse(sink, value),
        // A payload has it as a pickle.
        Pandas::NumpyArray if S::CANONICAL => {
            sink.tag(tag::PANDAS_NUMPY_ARRAY);
            walk(sink, &value.call_method0("to_numpy")?)
        }
        _ => Err(not_handled(value)),
    }
}

/// A time zone, in a digest by its name: which of the libraries for zones an index has depends on
/// the version of pandas.
pub fn walk_zone<'py, S: Sink<'py>>(sink: &mut S, zone: &Bound<'py, PyAny>) -> Walk<()> {
    match zone_name(zone)? {
        Some(name) if S::CANONICAL => {
            sink.tag(tag::PANDAS_ZONE);
            Ok(sink.text(&name))
        }
        _ => walk(sink, zone),
    }
}

fn zone_name(zone: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    static UTC: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = zone.py();
    if zone.is_none() {
        return Ok(None);
    }
    let utc = UTC.get_or_try_init(py, || {
        let class = py.import("datetime")?.getattr("timezone")?;
        class.getattr("utc").map(Bound::unbind)
    })?;
    if zone.is(utc) {
        return Ok(Some("UTC".into()));
    }
    match class_of(zone) {
        Some(Class::ZoneInfo) => zone.getattr("key")?.extract(),
        Some(Class::Pytz) => zone.getattr("zone")?.extract(),
        _ => Ok(None),
    }
}

/// A single instant or span: its unit and the number of them.
fn walk_instant<'py, S: Sink<'py>>(
    sink: &mut S,
    value: &Bound<'py, PyAny>,
    tag: u8,
    part: &str,
) -> Walk<()> {
    sink.tag(tag);
    sink.text(&value.getattr("unit")?.extract::<String>()?);
    sink.i64(
        value
            .getattr(part)?
            .call_method1("astype", ("i8",))?
            .extract()?,
    );
    Ok(())
}

/// Instants or spans: unit, frequency, and the numbers.
fn walk_ticks<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>, tag: u8) -> Walk<()> {
    let py = value.py();
    sink.tag(tag);
    sink.text(&value.getattr(intern!(py, "unit"))?.extract::<String>()?);
    let frequency = value
        .getattr_opt(intern!(py, "freq"))?
        .unwrap_or_else(|| py.None().into_bound(py));
    walk_frequency(sink, &frequency)?;
    walk_memory(sink, &value.getattr(intern!(py, "asi8"))?)
}

/// A frequency. Its short name moved between versions of pandas and does not tell holidays, so
/// digests take it apart.
pub fn walk_frequency<'py, S: Sink<'py>>(sink: &mut S, frequency: &Bound<'py, PyAny>) -> Walk<()> {
    const TICKS: [&str; 7] = ["Day", "Hour", "Minute", "Second", "Milli", "Micro", "Nano"];
    let py = frequency.py();
    if frequency.is_none() {
        return Ok(sink.tag(tag::NONE));
    }
    let kind = frequency.get_type().name()?.to_string();
    let tick = TICKS.contains(&kind.as_str());
    if S::CANONICAL {
        if !tick {
            return walk(sink, frequency);
        }
        sink.tag(tag::STR);
        sink.text(&kind);
        sink.i64(frequency.getattr(intern!(py, "n"))?.extract()?);
        return Ok(());
    }
    let short: String = frequency.getattr(intern!(py, "freqstr"))?.extract()?;
    let told = || to_offset(py, &short)?.eq(frequency);
    if !tick && !told().unwrap_or(false) {
        return Err(Failure::unhandled(format!(
            "a frequency that its name `{short}` does not tell"
        )));
    }
    sink.tag(tag::STR);
    Ok(sink.text(&short))
}

/// The frequency of a short name.
pub fn to_offset<'py>(py: Python<'py>, short: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("pandas.tseries.frequencies")?
        .call_method1("to_offset", (short,))
}

fn walk_strings<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    let dtype = value.getattr("dtype")?;
    let storage = dtype.getattr("storage")?.extract::<String>()?;
    sink.tag(tag::STRING_ARRAY);
    sink.text(&storage);
    // A missing string is NaN in one of the two dtypes, and `NA` in the other.
    let missing = dtype.getattr("na_value")?;
    sink.flag(missing.extract::<f64>().is_ok_and(f64::is_nan));
    if !storage.starts_with("pyarrow") {
        return walk_cells(sink, value);
    }
    let column = || value.call_method0(intern!(value.py(), "__arrow_array__"));
    if S::CANONICAL {
        return arrow::walk_text(sink, &column()?);
    }
    let few = value.len()? <= FEW;
    sink.flag(few);
    if few {
        walk_cells(sink, value)
    } else {
        arrow::write_column(sink, &column()?)
    }
}

fn walk_arrow<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    sink.tag(tag::ARROW_ARRAY);
    let column = value.call_method0(intern!(value.py(), "__arrow_array__"))?;
    if S::CANONICAL {
        arrow::walk_column(sink, &column)
    } else {
        arrow::write_column(sink, &column)
    }
}

/// The values that are not the fill value, and where they stand.
fn walk_sparse<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    let places = value.getattr("sp_index")?;
    sink.tag(tag::SPARSE_ARRAY);
    sink.text(&value.getattr("kind")?.extract::<String>()?);
    sink.u64(value.len()? as u64);
    walk(sink, &value.getattr("fill_value")?)?;
    walk_memory(
        sink,
        &places.call_method0("to_int_index")?.getattr("indices")?,
    )?;
    walk_memory(sink, &value.getattr("sp_values")?)
}

/// The cells of an array that is not plain memory, one by one.
fn walk_cells<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    let py = value.py();
    let dtype = PyDict::new(py);
    dtype.set_item("dtype", "O")?;
    let cells = value.call_method(intern!(py, "to_numpy"), (), Some(&dtype))?;
    sink.u64(value.len()? as u64);
    walk_objects(sink, cells.cast::<PyUntypedArray>()?)
}
