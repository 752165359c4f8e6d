//! NumPy arrays, scalars and dtypes.

mod dtype;
mod load;
mod masked;

pub use dtype::{is_plain, walk_plain_dtype};
pub use load::{load, load_bytes, objects};
pub use masked::walk_masked;

use super::cells::walk_objects;
use super::library::{Class, class_of};
use super::sink::{Packages, Sink, Walk, not_handled};
use super::{tag, walk};
use crate::digest::Strided;
use dtype::{is_padded, refuse_metadata, walk_dtype, walk_string_dtype};
use numpy::npyffi::NPY_ARRAY_WRITEABLE;
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;

/// What an array is beside its content, in a payload.
mod manner {
    pub const READ_ONLY: u8 = 1;
    pub const MEMMAP: u8 = 2;
    /// Objects or strings that lie column by column.
    pub const COLUMNS_FIRST: u8 = 4;
}

/// Writes what an array is beside its content, where that is out of the ordinary.
pub fn write_manners<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    let array = value.cast::<PyUntypedArray>()?;
    let objects = array.dtype().has_object() || array.dtype().kind() == b'T';
    let mut manners = 0;
    // SAFETY: the array is alive, and its struct holds the flags.
    if unsafe { (*array.as_array_ptr()).flags } & NPY_ARRAY_WRITEABLE == 0 {
        manners |= manner::READ_ONLY;
    }
    if value.get_type().name()? == "memmap" {
        manners |= manner::MEMMAP;
    }
    if objects && array.is_fortran_contiguous() && !array.is_c_contiguous() {
        manners |= manner::COLUMNS_FIRST;
    }
    if manners != 0 {
        sink.tag(tag::NDARRAY_MANNERS);
        sink.tag(manners);
    }
    Ok(())
}

/// The memory of something else, whose own manners do not matter: as an array that may be written.
pub fn walk_memory<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    match class_of(value) {
        Some(Class::NumpyArray) => {
            sink.met(Packages::NUMPY);
            sink.composite(value, |sink| walk_array(sink, value))
        }
        _ => walk(sink, value),
    }
}

/// Walks a scalar or a dtype.
pub fn walk_numpy<'py, S: Sink<'py>>(
    sink: &mut S,
    value: &Bound<'py, PyAny>,
    class: Class,
) -> Walk<()> {
    match class {
        Class::NumpyScalar => {
            sink.tag(tag::NUMPY_SCALAR);
            let array = value
                .py()
                .import("numpy")?
                .call_method1("asarray", (value,))?;
            walk_array(sink, &array)
        }
        Class::NumpyDtype => {
            let dtype = value.cast::<PyArrayDescr>()?;
            sink.tag(tag::NUMPY_DTYPE);
            if S::CANONICAL {
                walk_dtype(sink, dtype)
            } else {
                walk_plain_dtype(sink, dtype)
            }
        }
        _ => Err(not_handled(value)),
    }
}

/// Walks an array: its dtype, shape and content.
pub fn walk_array<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    let array = value.cast::<PyUntypedArray>()?;
    let dtype = array.dtype();
    if !S::CANONICAL {
        refuse_metadata(&dtype)?;
    }
    match dtype.kind() {
        b'O' => {
            sink.tag(tag::NDARRAY_OBJECT);
            walk_shape(sink, array);
            walk_objects(sink, array)
        }
        b'T' => {
            sink.tag(tag::NDARRAY_STRINGS);
            walk_string_dtype(sink, &dtype)?;
            walk_shape(sink, array);
            walk_objects(sink, &as_objects(array)?)
        }
        _ if dtype.has_fields() => walk_record(sink, array, &dtype),
        _ => {
            sink.tag(tag::NDARRAY);
            walk_plain_dtype(sink, &dtype)?;
            walk_shape(sink, array);
            walk_items(sink, array)
        }
    }
}

/// The items of an array that has neither fields nor a dtype of NumPy's strings.
fn walk_items<'py, S: Sink<'py>>(sink: &mut S, array: &Bound<'py, PyUntypedArray>) -> Walk<()> {
    if array.dtype().has_object() {
        return walk_objects(sink, array);
    }
    if !S::CANONICAL || !is_padded(&array.dtype()) {
        return sink.array(array);
    }
    let values = without_padding(&in_rows(array)?);
    sink.borrowed(array.py(), values, |values| values);
    Ok(())
}

fn without_padding(rows: &Bound<'_, PyUntypedArray>) -> Vec<u8> {
    let length = rows.len() * rows.dtype().itemsize();
    if length == 0 {
        return Vec::new();
    }
    // SAFETY: the items of a C-ordered array lie side by side.
    let bytes = unsafe { std::slice::from_raw_parts(data(rows), length) };
    let value = if rows.dtype().byteorder() == b'>' {
        6..16
    } else {
        0..10
    };
    bytes
        .as_chunks::<16>()
        .0
        .iter()
        .flat_map(|number| number[value.clone()].iter().copied())
        .collect()
}

fn as_objects<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let objects = array.call_method1(intern!(array.py(), "astype"), ("O",))?;
    Ok(objects.cast_into()?)
}

fn walk_shape<'py, S: Sink<'py>>(sink: &mut S, array: &Bound<'py, PyUntypedArray>) {
    sink.u64(array.ndim() as u64);
    array
        .shape()
        .iter()
        .for_each(|&length| sink.u64(length as u64));
}

/// A structured array: field by field in a digest, so that padding does not show; whole in a payload.
fn walk_record<'py, S: Sink<'py>>(
    sink: &mut S,
    array: &Bound<'py, PyUntypedArray>,
    dtype: &Bound<'py, PyArrayDescr>,
) -> Walk<()> {
    sink.tag(tag::NDARRAY_RECORD);
    walk_shape(sink, array);
    walk_dtype(sink, dtype)?;
    if S::CANONICAL {
        walk_fields(sink, array)
    } else {
        sink.array(array)
    }
}

fn walk_fields<'py, S: Sink<'py>>(sink: &mut S, array: &Bound<'py, PyUntypedArray>) -> Walk<()> {
    for name in array.dtype().names().unwrap_or_default() {
        let field = array
            .get_item(name)?
            .cast_into::<PyUntypedArray>()
            .map_err(PyErr::from)?;
        if field.dtype().has_fields() {
            walk_fields(sink, &field)?;
        } else {
            walk_items(sink, &field)?;
        }
    }
    Ok(())
}

/// The same array with its items side by side, row by row; itself where it is so already.
pub fn in_rows<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyUntypedArray>> {
    if array.is_c_contiguous() {
        return Ok(array.clone());
    }
    let py = array.py();
    let copy = py
        .import(intern!(py, "numpy"))?
        .call_method1(intern!(py, "ascontiguousarray"), (array,))?;
    Ok(copy.cast_into()?)
}

/// Where an array's first item lies.
pub fn data(array: &Bound<'_, PyUntypedArray>) -> *const u8 {
    // SAFETY: the array is alive, and its struct holds the pointer.
    unsafe { (*array.as_array_ptr()).data.cast::<u8>().cast_const() }
}

/// The items of an array of one dimension, or in rows; the array must outlive the view.
pub fn view(array: &Bound<'_, PyUntypedArray>) -> Strided {
    let item = array.dtype().itemsize();
    let stride = match array.strides() {
        [stride] if !array.is_c_contiguous() => *stride,
        _ => item.cast_signed(),
    };
    // SAFETY: NumPy keeps `len` items at this distance for as long as the array lives.
    unsafe { Strided::new(data(array), item, array.len(), stride) }
}
