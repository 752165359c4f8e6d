//! A payload back to pandas.

use super::load_frame::load_frame;
use crate::py::error::corrupt;
use crate::py::value::arrow;
use crate::py::value::load::Loader;
use crate::py::value::numpy::objects;
use crate::py::value::pandas::arrays::to_offset;
use crate::py::value::tag;
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

pub type Value<'py> = Bound<'py, PyAny>;

/// Loads what `pandas` and `pandas_arrays` walk.
pub fn load<'py>(loader: &mut Loader<'_, 'py>, tag: u8) -> PyResult<Value<'py>> {
    let pandas = loader.py.import("pandas")?;
    match tag {
        tag::FRAME => load_frame(loader),
        tag::SERIES => load_series(loader),
        tag::RANGE_INDEX => {
            let (name, range) = (
                loader.value()?,
                (loader.value()?, loader.value()?, loader.value()?),
            );
            pandas
                .getattr("RangeIndex")?
                .call(range, Some(&named(loader, &name)?))
        }
        tag::INDEX => load_index(loader, "Index"),
        tag::DATETIME_INDEX | tag::TIMEDELTA_INDEX => load_ticking_index(loader, tag),
        tag::PERIOD_INDEX => load_index(loader, "PeriodIndex"),
        tag::INTERVAL_INDEX => load_index(loader, "IntervalIndex"),
        tag::CATEGORICAL_INDEX => load_index(loader, "CategoricalIndex"),
        tag::MULTI_INDEX => {
            let options = PyDict::new(loader.py);
            for part in ["names", "levels", "codes"] {
                options.set_item(part, loader.value()?)?;
            }
            options.set_item("verify_integrity", !loader.sound)?;
            pandas.getattr("MultiIndex")?.call((), Some(&options))
        }
        tag::NAT => pandas.getattr("NaT"),
        tag::NA => pandas.getattr("NA"),
        tag::TIMESTAMP => {
            let instant = load_instant(loader, "datetime64")?;
            let zone = load_zone(loader)?;
            zoned(&pandas.getattr("Timestamp")?.call1((instant,))?, &zone)
        }
        tag::PANDAS_TIMEDELTA => {
            let span = load_instant(loader, "timedelta64")?;
            pandas.getattr("Timedelta")?.call1((span,))
        }
        tag::PERIOD => {
            let options = PyDict::new(loader.py);
            options.set_item("freq", loader.text()?)?;
            options.set_item("ordinal", loader.i64()?)?;
            pandas.getattr("Period")?.call((), Some(&options))
        }
        tag::INTERVAL => {
            let parts = (loader.value()?, loader.value()?, loader.value()?);
            pandas.getattr("Interval")?.call1(parts)
        }
        _ => load_array(loader, tag),
    }
}

fn load_array<'py>(loader: &mut Loader<'_, 'py>, tag: u8) -> PyResult<Value<'py>> {
    let py = loader.py;
    let arrays = py.import("pandas")?.getattr("arrays")?;
    match tag {
        tag::DATETIME_ARRAY => {
            let (unit, frequency, ticks) = load_ticks(loader)?;
            let zone = load_zone(loader)?;
            with_frequency(instants(py, &ticks, &unit, &zone)?, &frequency)
        }
        tag::TIMEDELTA_ARRAY => {
            let (unit, frequency, ticks) = load_ticks(loader)?;
            with_frequency(spans(py, &ticks, &unit)?, &frequency)
        }
        tag::PERIOD_ARRAY => {
            let dtype = py
                .import("pandas")?
                .getattr("PeriodDtype")?
                .call_method1("construct_from_string", (loader.text()?,))?;
            let options = PyDict::new(py);
            options.set_item("dtype", dtype)?;
            let ordinals = loader.value()?;
            arrays
                .getattr("PeriodArray")?
                .call((ordinals,), Some(&options))
        }
        tag::INTERVAL_ARRAY => load_intervals(loader),
        tag::CATEGORICAL => load_categorical(loader),
        tag::MASKED_ARRAY => {
            let name @ ("IntegerArray" | "FloatingArray" | "BooleanArray") = loader.text()? else {
                return Err(corrupt("a masked array of an unknown kind"));
            };
            let parts = (loader.value()?, loader.value()?);
            arrays.getattr(name)?.call1(parts)
        }
        tag::STRING_ARRAY => load_strings(loader),
        tag::ARROW_ARRAY => load_arrow(loader),
        tag::SPARSE_ARRAY => load_sparse(loader),
        _ => Err(corrupt("an unknown type tag")),
    }
}

fn load_intervals<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Value<'py>> {
    let (left, right, closed) = (loader.value()?, loader.value()?, loader.value()?);
    let pandas = loader.py.import("pandas")?;
    let class = pandas.getattr("arrays")?.getattr("IntervalArray")?;
    if !loader.sound {
        return class.call_method1("from_arrays", (left, right, closed));
    }
    // That compares all ends, and copies half of them where both lie in one payload.
    let dtype = pandas
        .getattr("IntervalDtype")?
        .call1((left.getattr("dtype")?, closed))?;
    let ends = (left.getattr("_data")?, right.getattr("_data")?, dtype);
    class.call_method1("_simple_new", ends)
}

fn load_categorical<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Value<'py>> {
    let (categories, ordered, codes) = (loader.value()?, loader.value()?, loader.value()?);
    let pandas = loader.py.import("pandas")?;
    let dtype = pandas.getattr("CategoricalDtype")?;
    let options = PyDict::new(loader.py);
    options.set_item("dtype", dtype.call1((categories, ordered))?)?;
    options.set_item("validate", !loader.sound)?;
    pandas
        .getattr("Categorical")?
        .call_method("from_codes", (codes,), Some(&options))
}

fn named<'py>(loader: &Loader<'_, 'py>, name: &Value<'py>) -> PyResult<Bound<'py, PyDict>> {
    let options = PyDict::new(loader.py);
    options.set_item("name", name)?;
    options.set_item("copy", false)?;
    Ok(options)
}

/// An index over its array; what pandas would guess from objects is told instead.
fn load_index<'py>(loader: &mut Loader<'_, 'py>, class: &str) -> PyResult<Value<'py>> {
    let (name, values) = (loader.value()?, loader.value()?);
    let options = named(loader, &name)?;
    let is_known = match class {
        "Index" => are_labels(&values)?,
        // The constructor compares all ends.
        "IntervalIndex" => loader.sound,
        _ => false,
    };
    let made = loader.py.import("pandas")?.getattr(class)?;
    if is_known {
        return made.call_method1("_simple_new", (values, name));
    }
    if class == "Index" {
        options.set_item("dtype", values.getattr("dtype")?)?;
        // Labels that are tuples stay labels.
        options.set_item("tupleize_cols", false)?;
    }
    made.call((values,), Some(&options))
}

/// Whether values are an array of which pandas makes a plain index, whatever it holds.
fn are_labels(values: &Value<'_>) -> PyResult<bool> {
    let pandas = values.py().import("pandas")?;
    if let Ok(array) = values.cast_exact::<PyUntypedArray>() {
        return Ok(array.ndim() == 1 && array.dtype().kind() == b'O');
    }
    let (arrays, dtype) = (
        pandas.getattr("api")?.getattr("extensions")?,
        pandas.getattr("StringDtype")?,
    );
    Ok(values.is_instance(&arrays.getattr("ExtensionArray")?)?
        && values.getattr("dtype")?.is_instance(&dtype)?)
}

fn load_instant<'py>(loader: &mut Loader<'_, 'py>, class: &str) -> PyResult<Value<'py>> {
    let unit = loader.text()?;
    let number = loader.i64()?;
    loader
        .py
        .import("numpy")?
        .getattr(class)?
        .call1((number, unit))
}

/// A time zone or none; pandas takes text as well, and looks for a file of that name.
pub fn load_zone<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Value<'py>> {
    let zone = loader.value()?;
    let class = loader.py.import("datetime")?.getattr("tzinfo")?;
    if zone.is_none() || zone.is_instance(&class)? {
        Ok(zone)
    } else {
        Err(corrupt("a time zone that is none"))
    }
}

fn zoned<'py>(instant: &Value<'py>, zone: &Value<'py>) -> PyResult<Value<'py>> {
    if zone.is_none() {
        return Ok(instant.clone());
    }
    instant
        .call_method1("tz_localize", ("UTC",))?
        .call_method1("tz_convert", (zone,))
}

fn load_ticks<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<(String, Value<'py>, Value<'py>)> {
    Ok((load_unit(loader)?, load_frequency(loader)?, loader.value()?))
}

fn load_unit(loader: &mut Loader<'_, '_>) -> PyResult<String> {
    match loader.text()? {
        unit @ ("s" | "ms" | "us" | "ns") => Ok(unit.to_owned()),
        _ => Err(corrupt("an unknown unit of time")),
    }
}

fn load_frequency<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Value<'py>> {
    match loader.u8()? {
        tag::NONE => Ok(loader.py.None().into_bound(loader.py)),
        _ => to_offset(loader.py, loader.text()?),
    }
}

fn load_ticking_index<'py>(loader: &mut Loader<'_, 'py>, tag: u8) -> PyResult<Value<'py>> {
    let py = loader.py;
    let (name, frequency, unit) = (loader.value()?, load_frequency(loader)?, load_unit(loader)?);
    let (zone, ticks) = (load_zone(loader)?, loader.value()?);
    let (class, array) = match tag {
        tag::DATETIME_INDEX => ("DatetimeIndex", instants(py, &ticks, &unit, &zone)?),
        _ => ("TimedeltaIndex", spans(py, &ticks, &unit)?),
    };
    let class = py.import("pandas")?.getattr(class)?;
    with_frequency(
        class.call_method1("_simple_new", (array, name))?,
        &frequency,
    )
}

/// Sets a frequency that was this value's own before; the public setter compares every value.
fn with_frequency<'py>(value: Value<'py>, frequency: &Value<'py>) -> PyResult<Value<'py>> {
    if frequency.is_none() {
        return Ok(value);
    }
    if value.hasattr("_freq")? {
        value.setattr("_freq", frequency)?;
    } else {
        value.getattr("_data")?.setattr("_freq", frequency)?;
    }
    if value.getattr("freq")?.eq(frequency)? {
        Ok(value)
    } else {
        Err(corrupt("a frequency that can't be set"))
    }
}

/// Instants over 64-bit numbers, with no copy.
pub fn instants<'py>(
    py: Python<'py>,
    ticks: &Value<'py>,
    unit: &str,
    zone: &Value<'py>,
) -> PyResult<Value<'py>> {
    let pandas = py.import("pandas")?;
    let naive = ticks.call_method1("view", (format!("M8[{unit}]"),))?;
    let dtype = if zone.is_none() {
        naive.getattr("dtype")?
    } else {
        pandas.getattr("DatetimeTZDtype")?.call1((unit, zone))?
    };
    simple(py, "DatetimeArray", &naive, &dtype)
}

/// Spans over 64-bit numbers, with no copy.
fn spans<'py>(py: Python<'py>, ticks: &Value<'py>, unit: &str) -> PyResult<Value<'py>> {
    let spans = ticks.call_method1("view", (format!("m8[{unit}]"),))?;
    simple(py, "TimedeltaArray", &spans, &spans.getattr("dtype")?)
}

/// The public constructors copy; this is what they call in the end.
pub fn simple<'py>(
    py: Python<'py>,
    class: &str,
    values: &Value<'py>,
    dtype: &Value<'py>,
) -> PyResult<Value<'py>> {
    let options = PyDict::new(py);
    options.set_item("dtype", dtype)?;
    py.import("pandas")?
        .getattr("arrays")?
        .getattr(class)?
        .call_method("_simple_new", (values,), Some(&options))
}

fn load_strings<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Value<'py>> {
    let py = loader.py;
    let storage = loader.text()?.to_owned();
    let missing_is_nan = loader.flag()?;
    let cells = if storage.starts_with("pyarrow") && !loader.flag()? {
        arrow::read_table(loader)?.call_method1("column", (0,))?
    } else {
        let count = loader.count()?;
        objects(loader, count)?
    };
    let class = py.import("pandas")?.getattr("StringDtype")?;
    let dtype = if missing_is_nan && storage != "pyarrow_numpy" {
        let options = PyDict::new(py);
        options.set_item("na_value", f64::NAN)?;
        class.call((&storage,), Some(&options))?
    } else {
        class.call1((&storage,))?
    };
    let options = PyDict::new(py);
    options.set_item("dtype", &dtype)?;
    dtype.call_method0("construct_array_type")?.call_method(
        "_from_sequence",
        (cells,),
        Some(&options),
    )
}

fn load_arrow<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Value<'py>> {
    let column = arrow::read_table(loader)?.call_method1("column", (0,))?;
    loader
        .py
        .import("pandas")?
        .getattr("arrays")?
        .getattr("ArrowExtensionArray")?
        .call1((column,))
}

fn load_sparse<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Value<'py>> {
    let py = loader.py;
    let (kind, length) = (loader.text()?, loader.u64()?);
    let (fill, indices, values) = (loader.value()?, loader.value()?, loader.value()?);
    let pandas = py.import("pandas")?;
    let class = pandas.getattr("arrays")?.getattr("SparseArray")?;
    let options = PyDict::new(py);
    options.set_item("fill_value", &fill)?;
    if class.hasattr("from_indices")? {
        options.set_item("kind", kind)?;
        return class.call_method("from_indices", (values, indices, length), Some(&options));
    }
    // Before pandas 3.1 the constructor takes the places.
    let mut places = py
        .import("pandas._libs.sparse")?
        .getattr("IntIndex")?
        .call1((length, indices))?;
    if kind == "block" {
        places = places.call_method0("to_block_index")?;
    }
    let dtype = pandas.getattr("SparseDtype")?;
    options.set_item("dtype", dtype.call1((values.getattr("dtype")?, fill))?)?;
    options.set_item("sparse_index", places)?;
    class.call((values,), Some(&options))
}

pub fn load_extras<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<(bool, Option<Value<'py>>)> {
    let duplicates = loader.flag()?;
    let attrs = if loader.flag()? {
        Some(loader.value()?)
    } else {
        None
    };
    Ok((duplicates, attrs))
}

pub fn with_extras<'py>(
    value: Value<'py>,
    (duplicates, attrs): (bool, Option<Value<'py>>),
) -> PyResult<Value<'py>> {
    if let Some(attrs) = attrs {
        value.setattr("attrs", attrs)?;
    }
    if !duplicates {
        value
            .getattr("flags")?
            .setattr("allows_duplicate_labels", false)?;
    }
    Ok(value)
}

fn load_series<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Value<'py>> {
    let extras = load_extras(loader)?;
    let (name, index, values) = (loader.value()?, loader.value()?, loader.value()?);
    let options = named(loader, &name)?;
    options.set_item("index", index)?;
    options.set_item("dtype", values.getattr("dtype")?)?;
    let series = loader
        .py
        .import("pandas")?
        .getattr("Series")?
        .call((values,), Some(&options))?;
    with_extras(series, extras)
}
