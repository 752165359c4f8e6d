//! A payload back to NumPy.

use super::dtype::{form, is_plain_memory};
use super::{manner, masked};
use crate::py::error::corrupt;
use crate::py::value::load::Loader;
use crate::py::value::tag;
use numpy::npyffi::{
    NPY_ARRAY_F_CONTIGUOUS, NPY_ARRAY_WRITEABLE, NpyTypes, PY_ARRAY_API, get_type_object,
};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use std::ffi::c_int;

/// Dtypes nested deeper than this come from a damaged payload.
const DEEPEST: usize = 32;
/// No name of a plain dtype is longer.
const LONGEST: usize = 64;

/// Loads what `numpy` walks.
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
        tag::NDARRAY_MANNERS => load_manners(loader),
        tag::NDARRAY_MASKED => masked::load(loader),
        tag::NUMPY_SCALAR => {
            let tag @ (tag::NDARRAY | tag::NDARRAY_RECORD) = loader.u8()? else {
                return Err(corrupt("a scalar of an unknown kind"));
            };
            let array = load(loader, tag)?;
            array.get_item(PyTuple::empty(loader.py))
        }
        tag::NUMPY_DTYPE => Ok(load_dtype(loader)?.into_any()),
        _ => Err(corrupt("an unknown type tag")),
    }
}

fn load_manners<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let (manners, tag) = (loader.u8()?, loader.u8()?);
    loader.met_manners = true;
    let plain = matches!(
        tag,
        tag::NDARRAY | tag::NDARRAY_OBJECT | tag::NDARRAY_RECORD | tag::NDARRAY_STRINGS
    );
    if !plain {
        return Err(corrupt("manners of something that is no array"));
    }
    let mut array = load(loader, tag)?;
    let numpy = loader.py.import("numpy")?;
    if manners & manner::COLUMNS_FIRST != 0 {
        array = numpy.call_method1("asfortranarray", (array,))?;
    }
    if manners & manner::MEMMAP != 0 {
        array = array.call_method1("view", (numpy.getattr("memmap")?,))?;
    }
    if manners & manner::READ_ONLY != 0 {
        array.call_method1("setflags", (false,))?;
    }
    Ok(array)
}

/// A dtype by the name that `walk_plain_dtype` writes. NumPy knows many others: of pointers, which
/// would be followed, and of text without a width, which it takes for wider than it is.
fn load_dtype<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
    let name = loader.text()?;
    let spelled = match name.as_bytes() {
        [b'<' | b'>' | b'|', kind, rest @ ..] => {
            let letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'[' | b']');
            kind.is_ascii_alphabetic() && rest.len() < LONGEST && rest.iter().all(letter)
        }
        _ => false,
    };
    if !spelled {
        return Err(corrupt("a dtype of an unknown name"));
    }
    let dtype = PyArrayDescr::new(loader.py, name)?;
    let written = dtype.getattr(intern!(loader.py, "str"))?;
    if is_plain_memory(&dtype) && written.extract::<String>()? == name {
        Ok(dtype)
    } else {
        Err(corrupt("a dtype that is no plain memory"))
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
        form @ (form::RECORD | form::ALIGNED) => {
            let (fields, width) = (loader.count()?, loader.u64()?);
            let (names, formats, offsets) =
                (PyList::empty(py), PyList::empty(py), PyList::empty(py));
            for _ in 0..fields {
                names.append(loader.text()?)?;
                let offset = loader.u64()?;
                offsets.append(offset)?;
                let format = load_field(loader, depth + 1)?;
                let field = PyArrayDescr::new(py, &format)?;
                // NumPy adds these up in 32 bits.
                let end = offset.checked_add(field.itemsize() as u64);
                if end.is_none_or(|end| end > width) {
                    return Err(corrupt("a field that reaches beyond its record"));
                }
                if form == form::ALIGNED && field.alignment() == 0 {
                    // NumPy 1 gives a record without fields none, and divides by it.
                    return Err(corrupt("an aligned record of a field without an alignment"));
                }
                formats.append(format)?;
            }
            let parts = PyDict::new(py);
            parts.set_item("names", names)?;
            parts.set_item("formats", formats)?;
            parts.set_item("offsets", offsets)?;
            parts.set_item("itemsize", width)?;
            parts.set_item("aligned", form == form::ALIGNED)?;
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
    over_leaf(loader, dtype, shape, (data, length), order)
}

/// An array of this shape over a leaf of so many bytes, which must be what it takes.
fn over_leaf<'py>(
    loader: &mut Loader<'_, 'py>,
    dtype: Bound<'py, PyArrayDescr>,
    shape: &[isize],
    (data, length): (*mut u8, usize),
    order: c_int,
) -> PyResult<Bound<'py, PyAny>> {
    let memory = loader.memory()?;
    let writable = if loader.writable {
        NPY_ARRAY_WRITEABLE
    } else {
        0
    };
    let mut shape = shape.to_vec();
    // SAFETY: the leaf holds exactly the items of this shape, which is checked once more of what
    // NumPy made of it, and `memory` keeps it for the array.
    let array = unsafe {
        let api = &PY_ARRAY_API;
        let array = api.PyArray_NewFromDescr(
            loader.py,
            get_type_object(loader.py, NpyTypes::PyArray_Type),
            dtype.into_dtype_ptr(),
            c_int::try_from(shape.len()).unwrap_or(0),
            shape.as_mut_ptr(),
            std::ptr::null_mut(),
            data.cast(),
            writable | order,
            std::ptr::null_mut(),
        );
        let array = Bound::from_owned_ptr_or_err(loader.py, array)?;
        if api.PyArray_SetBaseObject(loader.py, array.as_ptr().cast(), memory.into_ptr()) < 0 {
            return Err(PyErr::fetch(loader.py));
        }
        array.cast_into::<PyUntypedArray>().map_err(PyErr::from)?
    };
    if array.len().checked_mul(array.dtype().itemsize()) == Some(length) {
        Ok(array.into_any())
    } else {
        Err(corrupt("an array that does not fit its leaf"))
    }
}

/// The next leaf as an array of bytes, and as it lies.
pub fn load_bytes<'a, 'py>(
    loader: &mut Loader<'a, 'py>,
) -> PyResult<(Bound<'py, PyAny>, &'a [u8])> {
    let (data, length) = loader.leaf()?;
    let dtype = PyArrayDescr::new(loader.py, "u1")?;
    let array = over_leaf(loader, dtype, &[length.cast_signed()], (data, length), 0)?;
    // SAFETY: the leaf lies within the payload, which the loader holds; nobody has the array yet.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast_const(), length) };
    Ok((array, bytes))
}
