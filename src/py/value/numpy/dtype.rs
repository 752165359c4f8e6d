//! Dtypes of NumPy.

use crate::py::value::sink::{Failure, Sink, Walk};
use crate::py::value::walk;
use numpy::{PyArrayDescr, PyArrayDescrMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

/// How the dtype of a field is put together.
pub mod form {
    pub const PLAIN: u8 = 0;
    pub const RECORD: u8 = 1;
    pub const SUBARRAY: u8 = 2;
    pub const STRINGS: u8 = 3;
    /// As a record, with the padding that a C compiler would have.
    pub const ALIGNED: u8 = 4;
}

/// Any dtype, with fields, subarrays and objects.
pub fn walk_dtype<'py, S: Sink<'py>>(sink: &mut S, dtype: &Bound<'py, PyArrayDescr>) -> Walk<()> {
    if !S::CANONICAL {
        refuse_metadata(dtype)?;
    }
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
    let aligned = dtype.getattr(intern!(dtype.py(), "isalignedstruct"))?;
    let aligned = !S::CANONICAL && aligned.is_truthy()?;
    sink.tag(if aligned { form::ALIGNED } else { form::RECORD });
    walk_manners(sink, dtype, &names)?;
    sink.u64(names.len() as u64);
    sink.u64(dtype.itemsize() as u64);
    for name in &names {
        let (field, offset) = dtype.get_field(name)?;
        if aligned && field.alignment() == 0 {
            // Only a pickle puts such a one together again.
            return Err(Failure::unhandled(format!("an array of dtype `{dtype}`")));
        }
        sink.text(name);
        sink.u64(offset as u64);
        walk_dtype(sink, &field)?;
    }
    Ok(())
}

/// A payload has no place for what somebody hung on a dtype.
pub fn refuse_metadata(dtype: &Bound<'_, PyArrayDescr>) -> Walk<()> {
    if dtype.getattr(intern!(dtype.py(), "metadata"))?.is_none() {
        Ok(())
    } else {
        Err(Failure::unhandled(format!(
            "an array of dtype `{dtype}` with metadata"
        )))
    }
}

/// What a structured dtype has beside its fields: the class of its scalars (`np.record` has fields as
/// attributes), and titles for fields. A payload has none of these, and is pickled instead.
fn walk_manners<'py, S: Sink<'py>>(
    sink: &mut S,
    dtype: &Bound<'py, PyArrayDescr>,
    names: &[String],
) -> Walk<()> {
    let py = dtype.py();
    let class = dtype
        .getattr(intern!(py, "type"))?
        .getattr(intern!(py, "__name__"))?;
    let fields = dtype.getattr(intern!(py, "fields"))?;
    let titles = PyList::empty(py);
    for name in names {
        let field = fields.get_item(name)?;
        titles.append(if field.len()? > 2 {
            field.get_item(2)?
        } else {
            py.None().into_bound(py)
        })?;
    }
    if S::CANONICAL {
        walk(sink, &class)?;
        return walk(sink, titles.as_any());
    }
    let plain = class.extract::<String>()? == "void" && titles.iter().all(|title| title.is_none());
    if plain {
        Ok(())
    } else {
        Err(Failure::unhandled(format!("an array of dtype `{dtype}`")))
    }
}

/// A dtype whose items are their bytes and nothing else.
pub fn walk_plain_dtype<'py, S: Sink<'py>>(
    sink: &mut S,
    dtype: &Bound<'py, PyArrayDescr>,
) -> Walk<()> {
    let plain = if S::CANONICAL {
        is_single(dtype) || dtype.kind() == b'O'
    } else {
        is_plain_memory(dtype)
    };
    if !plain || dtype.has_fields() || dtype.has_subarray() {
        return Err(Failure::unhandled(format!("an array of dtype `{dtype}`")));
    }
    let name = dtype.getattr(intern!(dtype.py(), "str"))?;
    sink.text(name.cast::<PyString>()?.to_str()?);
    Ok(())
}

fn is_single(dtype: &Bound<'_, PyArrayDescr>) -> bool {
    matches!(
        dtype.kind(),
        b'b' | b'i' | b'u' | b'f' | b'c' | b'm' | b'M' | b'S' | b'U' | b'V'
    )
}

/// A dtype of which an array can be made over memory. Text without a width is not: NumPy makes it
/// one character wide, and would read what lies behind.
pub fn is_plain_memory(dtype: &Bound<'_, PyArrayDescr>) -> bool {
    let no_width = matches!(dtype.kind(), b'S' | b'U') && dtype.itemsize() == 0;
    let composed = dtype.has_object() || dtype.has_fields() || dtype.has_subarray();
    is_single(dtype) && !no_width && !composed
}

/// What a string dtype takes for missing, and whether it turns other values into strings.
pub fn walk_string_dtype<'py, S: Sink<'py>>(
    sink: &mut S,
    dtype: &Bound<'py, PyArrayDescr>,
) -> Walk<()> {
    let py = dtype.py();
    let missing = dtype.getattr_opt(intern!(py, "na_object"))?;
    sink.flag(dtype.getattr(intern!(py, "coerce"))?.extract()?);
    sink.flag(missing.is_some());
    missing.map_or(Ok(()), |missing| walk(sink, &missing))
}

/// Whether the items are plain memory that is hashed as it lies.
pub fn is_plain(dtype: &Bound<'_, PyArrayDescr>) -> bool {
    !dtype.has_object() && !dtype.has_fields() && dtype.kind() != b'T' && !is_padded(dtype)
}

/// Extended precision: ten bytes of value in sixteen, on the processors that have it.
pub fn is_padded(dtype: &Bound<'_, PyArrayDescr>) -> bool {
    cfg!(any(target_arch = "x86", target_arch = "x86_64"))
        && matches!((dtype.kind(), dtype.itemsize()), (b'f', 16) | (b'c', 32))
}
