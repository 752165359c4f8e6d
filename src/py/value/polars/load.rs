//! A payload back to polars.

use super::{SIMPLE, kind, stored_as};
use crate::py::error::corrupt;
use crate::py::value::load::Loader;
use crate::py::value::tag;
use crate::store::Bytes;
use polars::prelude::{
    CategoricalPhysical, Categories, CompatLevel, DataFrame, DataType, Field, FrozenCategories,
    IdxSize, Series, TimeUnit, TimeZone,
};
use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, FixedSizeListArray, ListArray, MutableBinaryViewArray,
    NullArray, PrimitiveArray, StaticArray, StructArray, Utf8ViewArray, ViewType,
};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::{ArrowDataType, PhysicalType};
use polars_arrow::offset::{Offsets, OffsetsBuffer};
use polars_arrow::types::{NativeType, PrimitiveType};
use polars_buffer::{Buffer, SharedStorage};
use polars_utils::float16::pf16;
use pyo3::prelude::*;
use pyo3_polars::{PyDataFrame, PySeries};
use std::sync::Arc;

/// Dtypes nested deeper than this come from a damaged payload.
const DEEPEST: usize = 64;

/// Loads what `polars` walks.
pub fn load<'py>(loader: &mut Loader<'_, 'py>, tag: u8) -> PyResult<Bound<'py, PyAny>> {
    if tag == tag::POLARS_SERIES {
        return PySeries(load_series(loader)?).into_pyobject(loader.py);
    }
    let (height, width) = (load_rows(loader)?, loader.count()?);
    let columns = (0..width)
        .map(|_| load_series(loader).map(Into::into))
        .collect::<PyResult<Vec<_>>>()?;
    let frame = DataFrame::new(height, columns).map_err(odd)?;
    if width == 0 && height > 0 {
        let polars = loader.py.import("polars")?;
        return polars.getattr("DataFrame")?.call1((PyDataFrame(frame),));
    }
    PyDataFrame(frame).into_pyobject(loader.py)
}

fn odd(error: impl std::fmt::Display) -> PyErr {
    corrupt(&format!(
        "a polars value that can't be put together ({error})"
    ))
}

fn load_series(loader: &mut Loader<'_, '_>) -> PyResult<Series> {
    let name = loader.text()?.to_owned();
    let dtype = load_dtype(loader, 0)?;
    let rows = load_rows(loader)?;
    let stored = stored_as(&dtype);
    let chunk = load_chunk(
        loader,
        &stored.to_physical().to_arrow(CompatLevel::newest()),
        rows,
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
fn load_rows(loader: &mut Loader<'_, '_>) -> PyResult<usize> {
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

fn load_chunk(
    loader: &mut Loader<'_, '_>,
    dtype: &ArrowDataType,
    rows: usize,
) -> PyResult<Box<dyn Array>> {
    // Such chunks have no buffer of their own that would bound them.
    if !has_buffer(dtype) && IdxSize::try_from(rows).is_err() {
        return Err(corrupt("more items than polars can hold"));
    }
    let validity = if loader.flag()? {
        Some(load_bits(loader, rows)?)
    } else {
        None
    };
    let dtype = dtype.clone();
    Ok(match dtype.to_physical_type() {
        // Nothing else bounds their number, and polars keeps a bit for each.
        PhysicalType::Null if u32::try_from(rows).is_err() => {
            return Err(corrupt("more nulls than a column can have"));
        }
        PhysicalType::Null => Box::new(NullArray::try_new(dtype, rows).map_err(odd)?),
        PhysicalType::Boolean => {
            Box::new(BooleanArray::try_new(dtype, load_bits(loader, rows)?, validity).map_err(odd)?)
        }
        PhysicalType::Primitive(kind) => load_primitive(loader, dtype, kind, rows, validity)?,
        PhysicalType::Utf8View => {
            let array: Utf8ViewArray = load_strings(loader, rows, |bytes| {
                std::str::from_utf8(bytes).map_err(odd)
            })?;
            Box::new(array.with_validity_typed(validity))
        }
        PhysicalType::BinaryView => {
            let array: BinaryViewArray = load_strings(loader, rows, |bytes| Ok(bytes))?;
            Box::new(array.with_validity_typed(validity))
        }
        PhysicalType::LargeList => {
            let lengths = load_numbers(loader, rows)?;
            // `try_from_lengths` looks at the sum only, which may have gone round.
            let whole = lengths.iter().try_fold(0_usize, |sum, &length| {
                sum.checked_add(length)
                    .filter(|&sum| i64::try_from(sum).is_ok())
            });
            whole.ok_or_else(|| corrupt("lists longer than memory"))?;
            let offsets = Offsets::<i64>::try_from_lengths(lengths.into_iter()).map_err(odd)?;
            let (inner, length) = (
                ListArray::<i64>::get_child_type(&dtype).clone(),
                loader.length()?,
            );
            let values = load_chunk(loader, &inner, length)?;
            Box::new(
                ListArray::try_new(dtype, OffsetsBuffer::from(offsets), values, validity)
                    .map_err(odd)?,
            )
        }
        PhysicalType::FixedSizeList => {
            let ArrowDataType::FixedSizeList(inner, _) = &dtype else {
                return Err(corrupt("an array of no width"));
            };
            let (inner, length) = (inner.dtype.clone(), loader.length()?);
            let values = load_chunk(loader, &inner, length)?;
            Box::new(FixedSizeListArray::try_new(dtype, rows, values, validity).map_err(odd)?)
        }
        PhysicalType::Struct => {
            let inner: Vec<ArrowDataType> = StructArray::get_fields(&dtype)
                .iter()
                .map(|field| field.dtype.clone())
                .collect();
            let fields = inner
                .iter()
                .map(|inner| load_chunk(loader, inner, rows))
                .collect::<PyResult<_>>()?;
            Box::new(StructArray::try_new(dtype, rows, fields, validity).map_err(odd)?)
        }
        _ => return Err(corrupt("a chunk of an unknown kind")),
    })
}

fn has_buffer(dtype: &ArrowDataType) -> bool {
    !matches!(
        dtype.to_physical_type(),
        PhysicalType::Null | PhysicalType::FixedSizeList | PhysicalType::Struct
    )
}

fn load_bits(loader: &mut Loader<'_, '_>, rows: usize) -> PyResult<Bitmap> {
    let (pointer, length) = loader.leaf()?;
    // SAFETY: the leaf lies within the payload, which `loader` holds.
    let bytes = unsafe { std::slice::from_raw_parts(pointer, length) };
    Bitmap::try_new(bytes.to_vec(), rows).map_err(odd)
}

fn load_primitive(
    loader: &mut Loader<'_, '_>,
    dtype: ArrowDataType,
    kind: PrimitiveType,
    rows: usize,
    validity: Option<Bitmap>,
) -> PyResult<Box<dyn Array>> {
    macro_rules! by_kind {
        ($($kind:ident = $native:ty),*) => {
            match kind {
                $(PrimitiveType::$kind => {
                    let values = load_native::<$native>(loader, rows)?;
                    Box::new(PrimitiveArray::try_new(dtype, values, validity).map_err(odd)?)
                })*
                _ => return Err(corrupt("numbers of an unknown kind")),
            }
        };
    }
    Ok(by_kind!(
        Int8 = i8,
        Int16 = i16,
        Int32 = i32,
        Int64 = i64,
        Int128 = i128,
        UInt8 = u8,
        UInt16 = u16,
        UInt32 = u32,
        UInt64 = u64,
        UInt128 = u128,
        Float16 = pf16,
        Float32 = f32,
        Float64 = f64
    ))
}

/// Numbers where they lie in the payload; nothing is copied.
fn load_native<T: NativeType>(loader: &mut Loader<'_, '_>, rows: usize) -> PyResult<Buffer<T>> {
    let (pointer, length) = loader.leaf()?;
    if Some(length) != rows.checked_mul(size_of::<T>()) {
        return Err(corrupt("a column that does not fit its leaf"));
    }
    let owner: Arc<Bytes> = loader.owner();
    // SAFETY: the leaf holds `rows` numbers, is aligned to 64, and `owner` keeps it; every bit
    // pattern is a number. Polars does not write into memory that it shares.
    unsafe {
        let slice = std::slice::from_raw_parts(pointer.cast::<T>(), rows);
        Ok(Buffer::from_storage(SharedStorage::from_slice_with_owner(
            slice, owner,
        )))
    }
}

fn load_numbers(loader: &mut Loader<'_, '_>, rows: usize) -> PyResult<Vec<usize>> {
    load_native::<u64>(loader, rows)?
        .iter()
        .map(|&number| usize::try_from(number).map_err(odd))
        .collect()
}

fn load_strings<V: ViewType + ?Sized>(
    loader: &mut Loader<'_, '_>,
    rows: usize,
    read: impl Fn(&[u8]) -> PyResult<&V>,
) -> PyResult<polars_arrow::array::BinaryViewArrayGeneric<V>> {
    let lengths = load_numbers(loader, rows)?;
    let (pointer, length) = loader.leaf()?;
    // SAFETY: the leaf lies within the payload, which `loader` holds.
    let mut text = unsafe { std::slice::from_raw_parts(pointer.cast_const(), length) };
    let mut array = MutableBinaryViewArray::<V>::with_capacity(rows);
    for length in lengths {
        let (bytes, rest) = text
            .split_at_checked(length)
            .ok_or_else(|| corrupt("strings that do not fit their leaf"))?;
        array.push_value_ignore_validity(read(bytes)?);
        text = rest;
    }
    Ok(array.into())
}
