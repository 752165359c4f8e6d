//! NumPy arrays, scalars and dtypes.

use super::cells::walk_objects;
use super::library::Class;
use super::load::Loader;
use super::sink::{Failure, Sink, Walk};
use super::{tag, walk};
use crate::digest::Strided;
use crate::py::error::corrupt;
use numpy::npyffi::{
    NPY_ARRAY_F_CONTIGUOUS, NPY_ARRAY_WRITEABLE, NpyTypes, PY_ARRAY_API, get_type_object,
};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use std::ffi::c_int;

/// Dtypes nested deeper than this come from a damaged payload.
const DEEPEST: usize = 32;

/// Walks an array, a scalar or a dtype.
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
        _ => walk_array(sink, value),
    }
}

/// Walks an array: its dtype, shape and content.
pub fn walk_array<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    let array = value.cast::<PyUntypedArray>()?;
    let dtype = array.dtype();
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

/// Extended precision: ten bytes of value in sixteen, on the processors that have it.
fn is_padded(dtype: &Bound<'_, PyArrayDescr>) -> bool {
    cfg!(any(target_arch = "x86", target_arch = "x86_64"))
        && matches!((dtype.kind(), dtype.itemsize()), (b'f', 16) | (b'c', 32))
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

/// Whether the items are plain memory that is hashed as it lies.
pub fn is_plain(dtype: &Bound<'_, PyArrayDescr>) -> bool {
    !dtype.has_object() && !dtype.has_fields() && dtype.kind() != b'T' && !is_padded(dtype)
}

/// What a string dtype takes for missing, and whether it turns other values into strings.
fn walk_string_dtype<'py, S: Sink<'py>>(
    sink: &mut S,
    dtype: &Bound<'py, PyArrayDescr>,
) -> Walk<()> {
    let py = dtype.py();
    let missing = dtype.getattr_opt(intern!(py, "na_object"))?;
    sink.flag(dtype.getattr(intern!(py, "coerce"))?.extract()?);
    sink.flag(missing.is_some());
    missing.map_or(Ok(()), |missing| walk(sink, &missing))
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

/// A dtype whose items are their bytes and nothing else.
pub fn walk_plain_dtype<'py, S: Sink<'py>>(
    sink: &mut S,
    dtype: &Bound<'py, PyArrayDescr>,
) -> Walk<()> {
    let plain = matches!(
        dtype.kind(),
        b'b' | b'i' | b'u' | b'f' | b'c' | b'm' | b'M' | b'S' | b'U' | b'V'
    );
    let plain = plain || (dtype.kind() == b'O' && S::CANONICAL);
    if !plain || dtype.has_fields() || dtype.has_subarray() {
        return Err(Failure::unhandled(format!("an array of dtype `{dtype}`")));
    }
    let name = dtype.getattr(intern!(dtype.py(), "str"))?;
    sink.text(name.cast::<PyString>()?.to_str()?);
    Ok(())
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

/// How the dtype of a field is put together.
mod form {
    pub const PLAIN: u8 = 0;
    pub const RECORD: u8 = 1;
    pub const SUBARRAY: u8 = 2;
    pub const STRINGS: u8 = 3;
}

fn walk_dtype<'py, S: Sink<'py>>(sink: &mut S, dtype: &Bound<'py, PyArrayDescr>) -> Walk<()> {
    if dtype.has_subarray() {
        sink.tag(form::SUBARRAY);
        let shape = dtype.shape();
        sink.u64(shape.len() as u64);
        shape.iter().for_each(|&length| sink.u64(length as u64));
        return walk_dtype(sink, &dtype.base());
    }
    if dtype.kind() == b'T' {
        sink.tag(form::STRINGS);
        return walk_string_dtype(sink, dtype);
    }
    let Some(names) = dtype.names() else {
        sink.tag(form::PLAIN);
        return walk_plain_dtype(sink, dtype);
    };
    sink.tag(form::RECORD);
    sink.u64(names.len() as u64);
    sink.u64(dtype.itemsize() as u64);
    for name in &names {
        let (field, offset) = dtype.get_field(name)?;
        sink.text(name);
        sink.u64(offset as u64);
        walk_dtype(sink, &field)?;
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

/// Loads what this file walks.
pub fn load<'py>(loader: &mut Loader<'_, 'py>, tag: u8) -> PyResult<Bound<'py, PyAny>> {
    match tag {
        tag::NDARRAY => {
            let dtype = load_dtype(loader)?;
            let shape = load_shape(loader)?;
            load_leaf(loader, dtype, &shape)
        }
        tag::NDARRAY_OBJECT => load_objects(loader),
        tag::NDARRAY_STRINGS => load_strings(loader),
        tag::NDARRAY_RECORD => load_record(loader),
        tag::NUMPY_SCALAR => {
            let tag = loader.u8()?;
            let array = load(loader, tag)?;
            array.get_item(PyTuple::empty(loader.py))
        }
        tag::NUMPY_DTYPE => Ok(load_dtype(loader)?.into_any()),
        _ => Err(corrupt("an unknown type tag")),
    }
}

fn load_dtype<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
    let dtype = PyArrayDescr::new(loader.py, loader.text()?)?;
    // Pointers that were read from a file would be followed.
    if dtype.has_object() || dtype.kind() == b'T' {
        Err(corrupt("a dtype that holds pointers"))
    } else {
        Ok(dtype)
    }
}

fn load_shape(loader: &mut Loader<'_, '_>) -> PyResult<Vec<isize>> {
    let length = |loader: &mut Loader<'_, '_>| {
        isize::try_from(loader.u64()?).map_err(|_| corrupt("a shape too large"))
    };
    (0..loader.count()?).map(|_| length(loader)).collect()
}

fn load_objects<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let shape = load_shape(loader)?;
    let cells = shape.iter().try_fold(1_usize, |all, &length| {
        all.checked_mul(length.unsigned_abs())
    });
    let cells = cells.ok_or_else(|| corrupt("a shape too large"))?;
    let flat = objects(loader, cells)?;
    flat.call_method1("reshape", (PyTuple::new(loader.py, shape)?,))
}

fn load_strings<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let options = PyDict::new(loader.py);
    options.set_item("coerce", loader.flag()?)?;
    if loader.flag()? {
        options.set_item("na_object", loader.value()?)?;
    }
    let dtypes = loader.py.import("numpy")?.getattr("dtypes")?;
    let dtype = dtypes.getattr("StringDType")?.call((), Some(&options))?;
    load_objects(loader)?.call_method1("astype", (dtype,))
}

/// So many values, as an object array of one dimension.
pub fn objects<'py>(loader: &mut Loader<'_, 'py>, cells: usize) -> PyResult<Bound<'py, PyAny>> {
    let items = PyList::empty(loader.py);
    for _ in 0..cells {
        items.append(loader.value()?)?;
    }
    // Filled rather than converted: a cell that is a list must stay one cell.
    let array = loader
        .py
        .import("numpy")?
        .call_method1("empty", (cells, "O"))?;
    for (place, item) in items.iter().enumerate() {
        array.set_item(place, item)?;
    }
    Ok(array)
}

fn load_record<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let shape = load_shape(loader)?;
    let dtype = load_field(loader, 0)?;
    load_leaf(loader, PyArrayDescr::new(loader.py, dtype)?, &shape)
}

fn load_field<'py>(loader: &mut Loader<'_, 'py>, depth: usize) -> PyResult<Bound<'py, PyAny>> {
    let py = loader.py;
    match loader.u8()? {
        _ if depth > DEEPEST => Err(corrupt("a dtype nested too deep")),
        form::PLAIN => Ok(load_dtype(loader)?.into_any()),
        form::SUBARRAY => {
            let shape = PyTuple::new(py, load_shape(loader)?)?;
            let base = load_field(loader, depth + 1)?;
            Ok((base, shape).into_pyobject(py)?.into_any())
        }
        form::RECORD => {
            let (fields, width) = (loader.count()?, loader.u64()?);
            let (names, formats, offsets) =
                (PyList::empty(py), PyList::empty(py), PyList::empty(py));
            for _ in 0..fields {
                names.append(loader.text()?)?;
                offsets.append(loader.u64()?)?;
                formats.append(load_field(loader, depth + 1)?)?;
            }
            let parts = PyDict::new(py);
            parts.set_item("names", names)?;
            parts.set_item("formats", formats)?;
            parts.set_item("offsets", offsets)?;
            parts.set_item("itemsize", width)?;
            Ok(PyArrayDescr::new(py, parts)?.into_any())
        }
        _ => Err(corrupt("a dtype of an unknown form")),
    }
}

/// An array over the next leaf: nothing is copied, and writing to it reaches nobody else.
fn load_leaf<'py>(
    loader: &mut Loader<'_, 'py>,
    dtype: Bound<'py, PyArrayDescr>,
    shape: &[isize],
) -> PyResult<Bound<'py, PyAny>> {
    let columns_first = loader.flag()?;
    let (data, length) = loader.leaf()?;
    let items = shape.iter().try_fold(dtype.itemsize(), |all, &length| {
        all.checked_mul(length.unsigned_abs())
    });
    if items != Some(length) || shape.len() > 32 {
        return Err(corrupt("an array that does not fit its leaf"));
    }
    let order = if columns_first {
        NPY_ARRAY_F_CONTIGUOUS
    } else {
        0
    };
    over_leaf(loader, dtype, shape, data, order)
}

/// An array of this shape over `data`, which must hold it all.
fn over_leaf<'py>(
    loader: &mut Loader<'_, 'py>,
    dtype: Bound<'py, PyArrayDescr>,
    shape: &[isize],
    data: *mut u8,
    order: c_int,
) -> PyResult<Bound<'py, PyAny>> {
    let memory = loader.memory()?;
    let mut shape = shape.to_vec();
    // SAFETY: the leaf holds exactly the items of this shape, and `memory` keeps it for the array.
    unsafe {
        let api = &PY_ARRAY_API;
        let array = api.PyArray_NewFromDescr(
            loader.py,
            get_type_object(loader.py, NpyTypes::PyArray_Type),
            dtype.into_dtype_ptr(),
            c_int::try_from(shape.len()).unwrap_or(0),
            shape.as_mut_ptr(),
            std::ptr::null_mut(),
            data.cast(),
            NPY_ARRAY_WRITEABLE | order,
            std::ptr::null_mut(),
        );
        let array = Bound::from_owned_ptr_or_err(loader.py, array)?;
        if api.PyArray_SetBaseObject(loader.py, array.as_ptr().cast(), memory.into_ptr()) < 0 {
            return Err(PyErr::fetch(loader.py));
        }
        Ok(array)
    }
}

/// The next leaf as an array of bytes.
pub fn load_bytes<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let (data, length) = loader.leaf()?;
    let dtype = PyArrayDescr::new(loader.py, "u1")?;
    over_leaf(loader, dtype, &[length.cast_signed()], data, 0)
}
