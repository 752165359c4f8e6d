//! Arrays of `numpy.ma`: content, mask, and how the mask behaves.

use crate::py::error::corrupt;
use crate::py::value::load::Loader;
use crate::py::value::sink::{Failure, Sink, Walk};
use crate::py::value::{tag, walk};
use numpy::PyUntypedArray;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Attributes whose values are written: a mask or none, a fill value or none, hard, shared.
const PARTS: [&str; 4] = ["_mask", "_fill_value", "_hardmask", "_sharedmask"];
/// What else such an array may have.
const OTHERS: [&str; 4] = ["_isfield", "_baseclass", "_optinfo", "_basedict"];

/// Walks a masked array; one with attributes of the user's own is not handled.
pub fn walk_masked<'py, S: Sink<'py>>(sink: &mut S, value: &Bound<'py, PyAny>) -> Walk<()> {
    let py = value.py();
    let numpy = py.import(intern!(py, "numpy"))?;
    let attributes = value.getattr(intern!(py, "__dict__"))?;
    let attributes = attributes.cast::<PyDict>()?;
    let known = |name: String| PARTS.contains(&&*name) || OTHERS.contains(&&*name);
    let plain = attributes
        .keys()
        .iter()
        .all(|name| name.extract().is_ok_and(known))
        && value
            .getattr(intern!(py, "_baseclass"))?
            .is(numpy.getattr("ndarray")?)
        && value.getattr(intern!(py, "_optinfo"))?.is_empty()?;
    if !plain {
        return Err(Failure::unhandled("a masked array with attributes"));
    }
    sink.tag(tag::NDARRAY_MASKED);
    walk(sink, &value.getattr(intern!(py, "data"))?)?;
    let no_mask = numpy.getattr("ma")?.getattr("nomask")?;
    for part in PARTS {
        let part = value.getattr(part)?;
        if part.is(&no_mask) {
            sink.tag(tag::NONE);
        } else {
            walk(sink, &part)?;
        }
    }
    Ok(())
}

/// Loads what `walk_masked` wrote.
pub fn load<'py>(loader: &mut Loader<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let py = loader.py;
    let masks = py.import("numpy")?.getattr("ma")?;
    let data = loader.value()?.cast_into::<PyUntypedArray>()?;
    let array = data.call_method1("view", (masks.getattr("MaskedArray")?,))?;
    for part in PARTS {
        let mut value = loader.value()?;
        let fits = match part {
            "_mask" if value.is_none() => {
                value = masks.getattr("nomask")?;
                true
            }
            "_mask" => value.getattr("shape")?.eq(data.getattr("shape")?)?,
            "_fill_value" if value.is_none() => true,
            "_fill_value" => value.getattr("shape")?.eq(PyTuple::empty(py))?,
            _ => value.is_instance_of::<pyo3::types::PyBool>(),
        };
        if !fits {
            return Err(corrupt("a mask that does not fit its array"));
        }
        array.setattr(part, value)?;
    }
    Ok(array)
}
