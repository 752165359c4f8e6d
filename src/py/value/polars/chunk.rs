//! The memory of a polars column.

use super::odd;
use crate::py::value::sink::{Sink, Walk};
use polars_arrow::array::builder::{ShareStrategy, make_builder};
use polars_arrow::array::{
    Array, BINVIEW_ARROW_BUFFER_LEN_LIMIT, BinaryViewArray, BooleanArray, FixedSizeListArray,
    ListArray, PrimitiveArray, StructArray, Utf8ViewArray, View,
};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::PhysicalType;
use polars_arrow::types::{NativeType, PrimitiveType};
use polars_buffer::Buffer;
use polars_utils::float16::pf16;
use pyo3::prelude::*;

macro_rules! of {
    ($array:expr, $kind:ty) => {
        $array
            .as_any()
            .downcast_ref::<$kind>()
            .ok_or_else(|| odd("an array of another kind than it says"))?
    };
}

/// Walks the one chunk of a column.
pub fn walk_chunk<'py, S: Sink<'py>>(sink: &mut S, py: Python<'py>, array: &dyn Array) -> Walk<()> {
    let validity = array.validity().filter(|bits| bits.unset_bits() > 0);
    sink.flag(validity.is_some());
    if let Some(bits) = validity {
        if !S::CANONICAL {
            sink.u64(bits.unset_bits() as u64);
        }
        walk_bits(sink, py, bits);
    }
    match array.dtype().to_physical_type() {
        PhysicalType::Null => {}
        PhysicalType::Boolean => {
            let array = of!(array, BooleanArray);
            let bits =
                validity.map_or_else(|| array.values().clone(), |valid| array.values() & valid);
            walk_bits(sink, py, &bits);
        }
        PhysicalType::Primitive(kind) => walk_primitive(sink, py, array, kind, validity)?,
        PhysicalType::Utf8View => {
            let array = of!(array, Utf8ViewArray);
            walk_strings(sink, py, array.len(), |row| {
                array.is_valid(row).then(|| array.value(row).as_bytes())
            });
        }
        PhysicalType::BinaryView => {
            let array = of!(array, BinaryViewArray);
            walk_strings(sink, py, array.len(), |row| {
                array.is_valid(row).then(|| array.value(row))
            });
        }
        PhysicalType::LargeList => {
            let array = of!(array, ListArray<i64>);
            let (lengths, items) = shown_items(array);
            let shape = if S::CANONICAL {
                lengths
            } else {
                offsets_of(&lengths)
            };
            sink.borrowed(py, shape, |bytes| bytes);
            sink.u64(items.len() as u64);
            walk_chunk(sink, py, &*items)?;
        }
        PhysicalType::FixedSizeList => {
            let array = of!(array, FixedSizeListArray);
            sink.u64(array.values().len() as u64);
            walk_chunk(sink, py, &**array.values())?;
        }
        PhysicalType::Struct => {
            let array = of!(array, StructArray);
            array
                .values()
                .iter()
                .try_for_each(|field| walk_chunk(sink, py, &**field))?;
        }
        other => return Err(odd(format!("a chunk of kind {other:?}"))),
    }
    Ok(())
}

/// The length of each list, and the items of those that are not null, end to end.
fn shown_items(array: &ListArray<i64>) -> (Vec<u8>, Box<dyn Array>) {
    let mut lengths = Vec::with_capacity(array.len() * 8);
    let mut items = make_builder(array.values().dtype());
    for row in 0..array.len() {
        let (start, end) = array.offsets().start_end(row);
        let length = if array.is_valid(row) { end - start } else { 0 };
        lengths.extend((length as u64).to_le_bytes());
        items.subslice_extend(&**array.values(), start, length, ShareStrategy::Always);
    }
    (lengths, items.freeze_reset())
}

/// Bits from the first one on, the last byte filled with zeroes.
fn walk_bits<'py, S: Sink<'py>>(sink: &mut S, py: Python<'py>, bits: &Bitmap) {
    let mut bytes = vec![0_u8; bits.len().div_ceil(8)];
    for (place, bit) in bits.iter().enumerate() {
        bytes[place / 8] |= u8::from(bit) << (place % 8);
    }
    sink.borrowed(py, bytes, |bytes| bytes);
}

fn walk_primitive<'py, S: Sink<'py>>(
    sink: &mut S,
    py: Python<'py>,
    array: &dyn Array,
    kind: PrimitiveType,
    validity: Option<&Bitmap>,
) -> Walk<()> {
    macro_rules! by_kind {
        ($($kind:ident = $native:ty),*) => {
            match kind {
                $(PrimitiveType::$kind => walk_native(sink, py, of!(array, PrimitiveArray<$native>), validity),)*
                other => return Err(odd(format!("numbers of kind {other:?}"))),
            }
        };
    }
    by_kind!(
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
    );
    Ok(())
}

/// Numbers as they lie in memory; what lies under a null is an accident and is written as zero.
fn walk_native<'py, S: Sink<'py>, T: NativeType>(
    sink: &mut S,
    py: Python<'py>,
    array: &PrimitiveArray<T>,
    validity: Option<&Bitmap>,
) {
    let values = match validity {
        None => array.values().clone(),
        Some(valid) => {
            let shown = array.values().iter().zip(valid.iter());
            Buffer::from(
                shown
                    .map(|(value, valid)| if valid { *value } else { T::default() })
                    .collect::<Vec<T>>(),
            )
        }
    };
    sink.borrowed(py, values, |values| {
        // SAFETY: a native type is plain bytes without padding.
        unsafe {
            std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), values.len() * size_of::<T>())
        }
    });
}

/// Where each list begins, and where the last one ends, by the lengths of all.
fn offsets_of(lengths: &[u8]) -> Vec<u8> {
    let mut offsets = Vec::with_capacity(lengths.len() + 8);
    let mut end = 0_u64;
    offsets.extend(end.to_le_bytes());
    for length in lengths.as_chunks().0 {
        end += u64::from_le_bytes(*length);
        offsets.extend(end.to_le_bytes());
    }
    offsets
}

/// Strings as they lie in memory: a view of 16 bytes for each, and the text of those that do not fit
/// into their view.
fn walk_views<'py, 'a, S: Sink<'py>>(
    sink: &mut S,
    py: Python<'py>,
    rows: usize,
    row: impl Fn(usize) -> Option<&'a [u8]>,
) {
    let mut views = Vec::with_capacity(rows * size_of::<View>());
    let mut buffers = vec![Vec::new()];
    for place in 0..rows {
        let bytes = row(place).unwrap_or_default();
        // What can't be numbered in 32 bits polars can't hold.
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
        views.extend(number(bytes.len()));
        if bytes.len() <= View::MAX_INLINE_SIZE as usize {
            views.extend(bytes);
            views.resize(views.len().next_multiple_of(size_of::<View>()), 0);
            continue;
        }
        if buffers[buffers.len() - 1].len() + bytes.len() > BINVIEW_ARROW_BUFFER_LEN_LIMIT {
            buffers.push(Vec::new());
        }
        let last = buffers.len() - 1;
        views.extend(&bytes[..4]);
        views.extend(number(last));
        views.extend(number(buffers[last].len()));
        buffers[last].extend(bytes);
    }
    sink.borrowed(py, views, |bytes| bytes);
    sink.u64(buffers.len() as u64);
    for buffer in buffers {
        sink.borrowed(py, buffer, |bytes| bytes);
    }
}

/// The lengths of all strings, then the strings end to end; in a payload as they lie in memory.
fn walk_strings<'py, 'a, S: Sink<'py>>(
    sink: &mut S,
    py: Python<'py>,
    rows: usize,
    row: impl Fn(usize) -> Option<&'a [u8]>,
) {
    if !S::CANONICAL {
        return walk_views(sink, py, rows, row);
    }
    let (mut lengths, mut text) = (Vec::with_capacity(rows * 8), Vec::new());
    for place in 0..rows {
        let bytes = row(place).unwrap_or_default();
        lengths.extend((bytes.len() as u64).to_le_bytes());
        text.extend_from_slice(bytes);
    }
    sink.borrowed(py, lengths, |bytes| bytes);
    sink.borrowed(py, text, |bytes| bytes);
}
