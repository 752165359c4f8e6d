//! The memory of a polars column, from a payload.

use super::load::odd;
use crate::py::error::corrupt;
use crate::py::value::load::Loader;
use crate::store::Bytes;
use polars::prelude::IdxSize;
use polars_arrow::array::{
    Array, BinaryViewArray, BinaryViewArrayGeneric, BooleanArray, FixedSizeListArray, ListArray,
    MutableBinaryViewArray, NullArray, PrimitiveArray, StaticArray, StructArray, Utf8ViewArray,
    View, ViewType,
};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::{ArrowDataType, PhysicalType};
use polars_arrow::offset::{Offsets, OffsetsBuffer};
use polars_arrow::types::{NativeType, PrimitiveType};
use polars_buffer::{Buffer, SharedStorage};
use polars_utils::float16::pf16;
use pyo3::prelude::*;
use std::sync::Arc;

/// How the columns of a payload lie in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As polars has them: nothing is copied.
    InMemory,
    /// With lengths of strings and lists, and text end to end, as they were written before.
    EndToEnd,
}

/// The one chunk of a column.
pub fn load_chunk(
    loader: &mut Loader<'_, '_>,
    dtype: &ArrowDataType,
    rows: usize,
    layout: Layout,
) -> PyResult<Box<dyn Array>> {
    // Such chunks have no buffer of their own that would bound them.
    if !has_buffer(dtype) && IdxSize::try_from(rows).is_err() {
        return Err(corrupt("more items than polars can hold"));
    }
    let validity = if loader.flag()? {
        Some(load_validity(loader, rows, layout)?)
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
            let array: Utf8ViewArray = load_strings(loader, rows, layout)?;
            Box::new(array.with_validity_typed(validity))
        }
        PhysicalType::BinaryView => {
            let array: BinaryViewArray = load_strings(loader, rows, layout)?;
            Box::new(array.with_validity_typed(validity))
        }
        PhysicalType::LargeList => {
            let offsets = match layout {
                Layout::InMemory => load_offsets(loader, rows)?,
                Layout::EndToEnd => load_lengths(loader, rows)?,
            };
            let inner = ListArray::<i64>::get_child_type(&dtype).clone();
            let length = loader.length()?;
            let values = load_chunk(loader, &inner, length, layout)?;
            Box::new(ListArray::try_new(dtype, offsets, values, validity).map_err(odd)?)
        }
        PhysicalType::FixedSizeList => {
            let ArrowDataType::FixedSizeList(inner, _) = &dtype else {
                return Err(corrupt("an array of no width"));
            };
            let (inner, length) = (inner.dtype.clone(), loader.length()?);
            let values = load_chunk(loader, &inner, length, layout)?;
            Box::new(FixedSizeListArray::try_new(dtype, rows, values, validity).map_err(odd)?)
        }
        PhysicalType::Struct => {
            let inner: Vec<ArrowDataType> = StructArray::get_fields(&dtype)
                .iter()
                .map(|field| field.dtype.clone())
                .collect();
            let fields = inner
                .iter()
                .map(|inner| load_chunk(loader, inner, rows, layout))
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
    load_counted_bits(loader, rows, None)
}

/// Bits where they lie in the payload, so many of which are not set.
fn load_counted_bits(
    loader: &mut Loader<'_, '_>,
    rows: usize,
    unset: Option<usize>,
) -> PyResult<Bitmap> {
    let bytes = load_buffer::<u8>(loader)?;
    if bytes.len() < rows.div_ceil(8) {
        return Err(corrupt("bits that do not fit their leaf"));
    }
    // SAFETY: there are bits for all rows.
    Ok(unsafe { Bitmap::from_inner_unchecked(bytes.into_storage(), 0, rows, unset) })
}

/// Which rows are not null; how many are is taken for known where the payload is, else compared.
fn load_validity(loader: &mut Loader<'_, '_>, rows: usize, layout: Layout) -> PyResult<Bitmap> {
    let nulls = match layout {
        Layout::InMemory => Some(loader.length()?),
        Layout::EndToEnd => None,
    };
    let validity = load_counted_bits(loader, rows, nulls.filter(|_| loader.sound))?;
    if nulls.is_some_and(|nulls| nulls != validity.unset_bits()) {
        return Err(corrupt("another number of nulls than it says"));
    }
    Ok(validity)
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

/// So many numbers where they lie in the payload; nothing is copied.
fn load_native<T: NativeType>(loader: &mut Loader<'_, '_>, rows: usize) -> PyResult<Buffer<T>> {
    let numbers = load_buffer(loader)?;
    if numbers.len() == rows {
        Ok(numbers)
    } else {
        Err(corrupt("a column that does not fit its leaf"))
    }
}

/// The numbers in the next leaf, where they lie.
fn load_buffer<T: NativeType>(loader: &mut Loader<'_, '_>) -> PyResult<Buffer<T>> {
    let (pointer, length) = loader.leaf()?;
    if length % size_of::<T>() != 0 {
        return Err(corrupt("a column that does not fit its leaf"));
    }
    let owner: Arc<Bytes> = loader.owner();
    // SAFETY: the leaf holds so many numbers, is aligned to 64, and `owner` keeps it; every bit
    // pattern is a number. Polars does not write into memory that it shares.
    unsafe {
        let slice = std::slice::from_raw_parts(pointer.cast::<T>(), length / size_of::<T>());
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

fn load_lengths(loader: &mut Loader<'_, '_>, rows: usize) -> PyResult<OffsetsBuffer<i64>> {
    let lengths = load_numbers(loader, rows)?;
    // `try_from_lengths` looks at the sum only, which may have gone round.
    let whole = lengths.iter().try_fold(0_usize, |sum, &length| {
        sum.checked_add(length)
            .filter(|&sum| i64::try_from(sum).is_ok())
    });
    whole.ok_or_else(|| corrupt("lists longer than memory"))?;
    let offsets = Offsets::<i64>::try_from_lengths(lengths.into_iter()).map_err(odd)?;
    Ok(OffsetsBuffer::from(offsets))
}

fn load_offsets(loader: &mut Loader<'_, '_>, rows: usize) -> PyResult<OffsetsBuffer<i64>> {
    let offsets = load_native::<i64>(loader, rows.saturating_add(1))?;
    if loader.sound {
        // SAFETY: these were looked at before, and found to begin at zero and never to go back.
        return Ok(unsafe { OffsetsBuffer::new_unchecked(offsets) });
    }
    OffsetsBuffer::try_from(offsets).map_err(odd)
}

fn load_strings<V: ViewType + ?Sized>(
    loader: &mut Loader<'_, '_>,
    rows: usize,
    layout: Layout,
) -> PyResult<BinaryViewArrayGeneric<V>> {
    match layout {
        Layout::InMemory => load_views(loader, rows),
        Layout::EndToEnd => load_text(loader, rows),
    }
}

fn load_views<V: ViewType + ?Sized>(
    loader: &mut Loader<'_, '_>,
    rows: usize,
) -> PyResult<BinaryViewArrayGeneric<V>> {
    let views = load_native::<View>(loader, rows)?;
    let buffers = (0..loader.count()?)
        .map(|_| load_buffer::<u8>(loader))
        .collect::<PyResult<Vec<_>>>()?;
    let buffers = Buffer::from(buffers);
    if loader.sound {
        // SAFETY: these were looked at before: every view lies within its buffer, and text is text.
        return Ok(unsafe {
            BinaryViewArrayGeneric::new_unchecked_unknown_md(
                V::DATA_TYPE,
                views,
                buffers,
                None,
                None,
            )
        });
    }
    BinaryViewArrayGeneric::try_new(V::DATA_TYPE, views, buffers, None).map_err(odd)
}

fn load_text<V: ViewType + ?Sized>(
    loader: &mut Loader<'_, '_>,
    rows: usize,
) -> PyResult<BinaryViewArrayGeneric<V>> {
    let lengths = load_numbers(loader, rows)?;
    let (pointer, length) = loader.leaf()?;
    // SAFETY: the leaf lies within the payload, which `loader` holds.
    let mut text = unsafe { std::slice::from_raw_parts(pointer.cast_const(), length) };
    let mut array = MutableBinaryViewArray::<V>::with_capacity(rows);
    for length in lengths {
        let (bytes, rest) = text
            .split_at_checked(length)
            .ok_or_else(|| corrupt("strings that do not fit their leaf"))?;
        let value = V::from_bytes(bytes).ok_or_else(|| corrupt("text that is none"))?;
        array.push_value_ignore_validity(value);
        text = rest;
    }
    Ok(array.into())
}
