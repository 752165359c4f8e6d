//! Nullable columns of pandas: values, and a mask of those that are missing.

use crate::digest::{View, digest_views};
use crate::py::value::numpy::{data, in_rows, walk_memory, walk_plain_dtype};
use crate::py::value::sink::{Failure, Sink, Walk};
use crate::py::value::tag;
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use std::ops::Range;

/// Values and mask; what lies under the mask is an accident and is written as zeroes.
pub fn walk_masked<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    let py = value.py();
    let values = value.getattr(intern!(py, "_data"))?;
    let mask = value.getattr(intern!(py, "_mask"))?;
    sink.tag(tag::MASKED_ARRAY);
    sink.text(value.get_type().name()?.to_str()?);
    if S::CANONICAL {
        return digest_masked(sink, values.cast()?, mask.cast()?);
    }
    let values = if mask.call_method0("any")?.is_truthy()? {
        let values = values.call_method0("copy")?;
        let zero = values.getattr("dtype")?.getattr("type")?.call1((0,))?;
        values.set_item(&mask, zero)?;
        values
    } else {
        values
    };
    walk_memory(sink, &values)?;
    walk_memory(sink, &mask)
}

fn digest_masked<'py, S: Sink<'py>>(
    sink: &mut S,
    values: &Bound<'py, PyUntypedArray>,
    mask: &Bound<'py, PyUntypedArray>,
) -> Walk<()> {
    let (values, mask) = (in_rows(values)?, in_rows(mask)?);
    let width = values.dtype().itemsize();
    let fits = values.len() == mask.len() && mask.dtype().itemsize() == 1;
    if !fits || !matches!(width, 1 | 2 | 4 | 8) {
        return Err(Failure::unhandled("a column with a mask of another length"));
    }
    walk_plain_dtype(sink, &values.dtype())?;
    sink.u64(values.len() as u64);
    let length = values.len() * width;
    // SAFETY: the items of a C-ordered array lie side by side, and both arrays outlive the views.
    let (bytes, hidden) = unsafe {
        (
            std::slice::from_raw_parts(data(&values), length),
            std::slice::from_raw_parts(data(&mask), values.len()),
        )
    };
    let write = |range: Range<usize>, out: &mut Vec<u8>| match width {
        1 => shown::<1>(bytes, hidden, range, out),
        2 => shown::<2>(bytes, hidden, range, out),
        4 => shown::<4>(bytes, hidden, range, out),
        _ => shown::<8>(bytes, hidden, range, out),
    };
    // SAFETY: as above.
    let whole = unsafe { View::contiguous(hidden) };
    let views = [View::Written(length, Box::new(write)), whole];
    let digests = values.py().detach(|| digest_views(&views));
    digests.iter().for_each(|digest| sink.bytes(&digest.0));
    Ok(())
}

/// Items with zeroes for those that are hidden.
fn shown<const WIDTH: usize>(items: &[u8], hidden: &[u8], range: Range<usize>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&items[range.clone()]);
    let items = out[start..].as_chunks_mut::<WIDTH>().0.iter_mut();
    for (item, hidden) in items.zip(&hidden[range.start / WIDTH..range.end / WIDTH]) {
        let mask = u8::from(*hidden != 0).wrapping_sub(1);
        *item = item.map(|byte| byte & mask);
    }
}
