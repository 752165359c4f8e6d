//! Which class of which library a value is of.
//!
//! Libraries are never imported to find out: a class is known by the module that it says it comes
//! from, and that module must hold this very class under its name.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Classes outside of the built-in ones that are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    DateTime,
    Date,
    Time,
    TimeDelta,
    TimeZone,
    ZoneInfo,
    Pytz,
    Decimal,
    Fraction,
    Uuid,
    Path,
    NumpyArray,
    NumpyMasked,
    NumpyScalar,
    NumpyDtype,
    Pandas(Pandas),
    PolarsFrame,
    PolarsSeries,
    Arrow(Arrow),
}

/// Classes of pandas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pandas {
    Frame,
    Series,
    Index,
    RangeIndex,
    DatetimeIndex,
    TimedeltaIndex,
    PeriodIndex,
    IntervalIndex,
    CategoricalIndex,
    MultiIndex,
    Timestamp,
    Timedelta,
    Nat,
    Na,
    Period,
    Interval,
    DatetimeArray,
    TimedeltaArray,
    PeriodArray,
    IntervalArray,
    Categorical,
    MaskedArray,
    StringArray,
    ArrowArray,
    SparseArray,
    NumpyArray,
}

impl Pandas {
    /// Whether a value of it may have an index of instants, or be one.
    pub fn may_have_times(self) -> bool {
        matches!(
            self,
            Self::Frame | Self::Series | Self::DatetimeIndex | Self::PeriodIndex | Self::MultiIndex
        )
    }
}

/// Classes of pyarrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrow {
    Array,
    ChunkedArray,
    Batch,
    Table,
    Scalar,
    Schema,
    Field,
    Type,
}

type Known = Mutex<HashMap<usize, (Py<PyType>, Class)>>;

/// The class of a value, where it is one that is handled.
pub fn class_of(value: &Bound<'_, PyAny>) -> Option<Class> {
    static KNOWN: PyOnceLock<Known> = PyOnceLock::new();
    let kind = value.get_type();
    let known = KNOWN.get_or_init(value.py(), Known::default);
    let address = kind.as_ptr().addr();
    if let Some((_, class)) = known
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&address)
    {
        return Some(*class);
    }
    // The class is held from here on, so that its address stays its own.
    let class = find(&kind).ok().flatten()?;
    known
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(address, (kind.unbind(), class));
    Some(class)
}

fn find(kind: &Bound<'_, PyType>) -> PyResult<Option<Class>> {
    let py = kind.py();
    let module = kind
        .getattr(intern!(py, "__module__"))?
        .extract::<String>()?;
    let name = kind
        .getattr(intern!(py, "__qualname__"))?
        .extract::<String>()?;
    if is_pytz_zone(kind, &module)? {
        return Ok(Some(Class::Pytz));
    }
    let Some(class) = by_name(kind, &module, &name)? else {
        return Ok(None);
    };
    let loaded = py
        .import(intern!(py, "sys"))?
        .getattr(intern!(py, "modules"))?
        .cast_into::<PyDict>()?;
    let there = match loaded.get_item(&module)? {
        Some(module) => module.getattr_opt(&*name)?,
        None => None,
    };
    Ok(there.is_some_and(|there| there.is(kind)).then_some(class))
}

fn by_name(kind: &Bound<'_, PyType>, module: &str, name: &str) -> PyResult<Option<Class>> {
    let root = module.split('.').next().unwrap_or(module);
    Ok(match (root, name) {
        ("datetime", "datetime") => Some(Class::DateTime),
        ("datetime", "date") => Some(Class::Date),
        ("datetime", "time") => Some(Class::Time),
        ("datetime", "timedelta") => Some(Class::TimeDelta),
        ("datetime", "timezone") => Some(Class::TimeZone),
        ("zoneinfo", "ZoneInfo") => Some(Class::ZoneInfo),

        ("decimal", "Decimal") => Some(Class::Decimal),
        ("fractions", "Fraction") => Some(Class::Fraction),
        ("uuid", "UUID") => Some(Class::Uuid),
        ("pathlib", "PosixPath" | "WindowsPath" | "PurePosixPath" | "PureWindowsPath") => {
            Some(Class::Path)
        }
        ("numpy", "ndarray" | "memmap") => Some(Class::NumpyArray),
        ("numpy", "MaskedArray") => Some(Class::NumpyMasked),
        ("numpy", _) => numpy_class(kind)?,
        ("pandas", _) => pandas_class(name).map(Class::Pandas),
        ("polars", "DataFrame") => Some(Class::PolarsFrame),
        ("polars", "Series") => Some(Class::PolarsSeries),
        ("pyarrow", _) if module == "pyarrow.lib" => arrow_class(kind)?.map(Class::Arrow),
        _ => None,
    })
}

/// pytz makes a class for each zone, which no module holds under its name.
fn is_pytz_zone(kind: &Bound<'_, PyType>, module: &str) -> PyResult<bool> {
    if !module.starts_with("pytz") {
        return Ok(false);
    }
    let pytz = kind.py().import("pytz")?;
    let zones = pytz.getattr("tzinfo")?;
    let fixed = kind.is(pytz.getattr("UTC")?.get_type()) || kind.is(pytz.getattr("_FixedOffset")?);
    Ok(fixed
        || kind.is_subclass(&zones.getattr("StaticTzInfo")?)?
        || kind.is_subclass(&zones.getattr("DstTzInfo")?)?)
}

fn numpy_class(kind: &Bound<'_, PyType>) -> PyResult<Option<Class>> {
    let numpy = kind.py().import(intern!(kind.py(), "numpy"))?;
    if kind.is_subclass(&numpy.getattr("generic")?)? {
        return Ok(Some(Class::NumpyScalar));
    }
    Ok(kind
        .is_subclass(&numpy.getattr("dtype")?)?
        .then_some(Class::NumpyDtype))
}

/// pyarrow has a class for each type, all in one module.
fn arrow_class(kind: &Bound<'_, PyType>) -> PyResult<Option<Arrow>> {
    const BASES: [(&str, Arrow); 8] = [
        ("Array", Arrow::Array),
        ("ChunkedArray", Arrow::ChunkedArray),
        ("RecordBatch", Arrow::Batch),
        ("Table", Arrow::Table),
        ("Scalar", Arrow::Scalar),
        ("Schema", Arrow::Schema),
        ("Field", Arrow::Field),
        ("DataType", Arrow::Type),
    ];
    let pyarrow = kind.py().import(intern!(kind.py(), "pyarrow"))?;
    for (name, class) in BASES {
        if kind.is_subclass(&pyarrow.getattr(name)?)? {
            return Ok(Some(class));
        }
    }
    Ok(None)
}

fn pandas_class(name: &str) -> Option<Pandas> {
    Some(match name {
        "DataFrame" => Pandas::Frame,
        "Series" => Pandas::Series,
        "Index" => Pandas::Index,
        "RangeIndex" => Pandas::RangeIndex,
        "DatetimeIndex" => Pandas::DatetimeIndex,
        "TimedeltaIndex" => Pandas::TimedeltaIndex,
        "PeriodIndex" => Pandas::PeriodIndex,
        "IntervalIndex" => Pandas::IntervalIndex,
        "CategoricalIndex" => Pandas::CategoricalIndex,
        "MultiIndex" => Pandas::MultiIndex,
        "Timestamp" => Pandas::Timestamp,
        "Timedelta" => Pandas::Timedelta,
        "NaTType" => Pandas::Nat,
        "NAType" => Pandas::Na,
        "Period" => Pandas::Period,
        "Interval" => Pandas::Interval,
        "DatetimeArray" => Pandas::DatetimeArray,
        "TimedeltaArray" => Pandas::TimedeltaArray,
        "PeriodArray" => Pandas::PeriodArray,
        "IntervalArray" => Pandas::IntervalArray,
        "Categorical" => Pandas::Categorical,
        "IntegerArray" | "FloatingArray" | "BooleanArray" => Pandas::MaskedArray,
        "StringArray"
        | "StringArrayNumpySemantics"
        | "ArrowStringArray"
        | "ArrowStringArrayNumpySemantics" => Pandas::StringArray,
        "SparseArray" => Pandas::SparseArray,
        "ArrowExtensionArray" => Pandas::ArrowArray,
        "NumpyExtensionArray" | "PandasArray" => Pandas::NumpyArray,
        _ => return None,
    })
}
