//! A payload back to polars.

use super::load_chunk::{Layout, load_chunk};
use super::{SIMPLE, categories, has_codes, kind, stored_as};
use crate::py::error::corrupt;
use crate::py::value::load::Loader;
use crate::py::value::tag;
use polars::prelude::{
    CategoricalPhysical, Categories, CompatLevel, DataFrame, DataType, Field, FrozenCategories,
    IdxSize, Series, TimeUnit, TimeZone,
};
use pyo3::prelude::*;
use pyo3_polars::{PyDataFrame, PySeries};

/// Dtypes nested deeper than this come from a damaged payload.
const DEEPEST: usize = 64;

/// Loads what `polars` walks.
pub fn load<'py>(loader: &mut Loader<'_, 'py>, tag: u8) -> PyResult<Bound<'py, PyAny>> {
    let (layout, is_series) = match tag {
        tag::POLARS_FRAME => (Layout::EndToEnd, false),
        tag::POLARS_SERIES => (Layout::EndToEnd, true),
        tag::POLARS_FRAME_IN_MEMORY => (Layout::InMemory, false),
        tag::POLARS_SERIES_IN_MEMORY => (Layout::InMemory, true),
        _ => return Err(corrupt("an unknown type tag")),
    };
    if is_series {
        return PySeries(load_series(loader, layout)?).into_pyobject(loader.py);
    }
    let (height, width) = (load_rows(loader)?, loader.count()?);
    let columns = (0..width)
        .map(|_| load_series(loader, layout).map(Into::into))
        .collect::<PyResult<Vec<_>>>()?;
    let frame = DataFrame::new(height, columns).map_err(odd)?;
    if width == 0 && height > 0 {
        let polars = loader.py.import("polars")?;
        return polars.getattr("DataFrame")?.call1((PyDataFrame(frame),));
    }
    PyDataFrame(frame).into_pyobject(loader.py)
}

pub(super) fn odd(error: impl std::fmt::Display) -> PyErr {
    corrupt(&format!(
        "a polars value that can't be put together ({error})"
    ))
}

fn load_series(loader: &mut Loader<'_, '_>, layout: Layout) -> PyResult<Series> {
    let name = loader.text()?.to_owned();
    let dtype = load_dtype(loader, 0)?;
    if layout == Layout::InMemory && has_codes(&dtype) {
        return categories::load_codes(loader, &name, &dtype);
    }
    let rows = load_rows(loader)?;
    let stored = stored_as(&dtype);
    let chunk = load_chunk(
        loader,
        &stored.to_physical().to_arrow(CompatLevel::newest()),
        rows,
        layout,
    )?;
    // SAFETY: the chunk was made for the physical type of this dtype.
    let series =
        unsafe { Series::from_chunks_and_dtype_unchecked(name.into(), vec![chunk], &stored) };
    if stored == dtype {
        Ok(series)
    } else {
        series.cast(&dtype).map_err(odd)
    }
}

/// So many rows as polars can number; it panics at more.
pub(super) fn load_rows(loader: &mut Loader<'_, '_>) -> PyResult<usize> {
    let rows = loader.length()?;
    if IdxSize::try_from(rows).is_ok_and(|rows| rows < IdxSize::MAX) {
        Ok(rows)
    } else {
        Err(corrupt("more rows than polars can hold"))
    }
}

fn load_dtype(loader: &mut Loader<'_, '_>, depth: usize) -> PyResult<DataType> {
    if depth > DEEPEST {
        return Err(corrupt("a dtype nested too deep"));
    }
    let number = loader.u8()?;
    if let Some((_, simple)) = SIMPLE.iter().find(|(known, _)| *known == number) {
        return Ok(simple.clone());
    }
    Ok(match number {
        kind::DATETIME => {
            let unit = load_unit(loader)?;
            let zone = loader.text()?;
            DataType::Datetime(
                unit,
                TimeZone::opt_try_new(Some(zone).filter(|zone| !zone.is_empty())).map_err(odd)?,
            )
        }
        kind::DURATION => DataType::Duration(load_unit(loader)?),
        kind::DECIMAL => match (loader.length()?, loader.length()?) {
            (precision @ 1..=38, scale) if scale <= precision => {
                DataType::Decimal(precision, scale)
            }
            _ => return Err(corrupt("a decimal of an impossible precision")),
        },
        kind::CATEGORICAL => load_categories(loader)?,
        kind::ENUM => {
            let names = (0..loader.count()?)
                .map(|_| loader.text())
                .collect::<PyResult<Vec<_>>>()?;
            DataType::from_frozen_categories(FrozenCategories::new(names).map_err(odd)?)
        }
        kind::LIST => DataType::List(Box::new(load_dtype(loader, depth + 1)?)),
        kind::ARRAY => {
            let width = loader.length()?;
            DataType::Array(Box::new(load_dtype(loader, depth + 1)?), width)
        }
        kind::STRUCT => {
            let field = |loader: &mut Loader<'_, '_>| {
                let name = loader.text()?.to_owned();
                Ok(Field::new(name.into(), load_dtype(loader, depth + 1)?))
            };
            DataType::Struct(
                (0..loader.count()?)
                    .map(|_| field(loader))
                    .collect::<PyResult<_>>()?,
            )
        }
        _ => return Err(corrupt("a column of an unknown kind")),
    })
}

fn load_unit(loader: &mut Loader<'_, '_>) -> PyResult<TimeUnit> {
    match loader.text()? {
        "ns" => Ok(TimeUnit::Nanoseconds),
        "us" => Ok(TimeUnit::Microseconds),
        "ms" => Ok(TimeUnit::Milliseconds),
        _ => Err(corrupt("an unknown unit of time")),
    }
}

fn load_categories(loader: &mut Loader<'_, '_>) -> PyResult<DataType> {
    let (name, namespace) = (loader.text()?.to_owned(), loader.text()?.to_owned());
    let text = loader.text()?;
    let physical = [
        CategoricalPhysical::U8,
        CategoricalPhysical::U16,
        CategoricalPhysical::U32,
    ]
    .into_iter()
    .find(|physical| physical.as_str() == text)
    .ok_or_else(|| corrupt("categories of an unknown width"))?;
    Ok(DataType::from_categories(Categories::new(
        name.into(),
        namespace.into(),
        physical,
    )))
}
