//! Frames and series of pandas that are copied when they are written.
//!
//! Since pandas 3, a shallow copy is one for whoever uses it: the first write to a column copies
//! its block, because another frame refers to it. Here the arrays beneath can't be written at all,
//! so that no view of them leads back, and every block counts one reference that never goes.

use super::labels::{Labels, Shared, labels, shared};
use crate::py::value::{Class, Memory, Pandas, class_of};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};

type Value<'py> = Bound<'py, PyAny>;

/// A frame or series that can't be written, and what else each copy must have of its own.
pub struct Columns {
    value: Py<PyAny>,
    /// Numbers of the blocks of categories: their index can be renamed.
    categories: Vec<usize>,
    /// Axes of which more can be reached than their buffers, by number.
    axes: Vec<(usize, Shared)>,
}

impl Columns {
    /// Takes a frame or series whose arrays lie in a payload; `None` where a copy could be written
    /// through, or pandas does not copy on write.
    pub fn of(value: &Value<'_>) -> PyResult<Option<Self>> {
        let py = value.py();
        if version(py)? < (3, 0) {
            return Ok(None);
        }
        let manager = value.getattr(intern!(py, "_mgr"))?;
        let mut axes = Vec::new();
        for (number, axis) in manager
            .getattr(intern!(py, "axes"))?
            .try_iter()?
            .enumerate()
        {
            match shared(&axis?)? {
                None => return Ok(None),
                Some(Shared::Nothing) => {}
                Some(shared) => axes.push((number, shared)),
            }
        }
        let mut categories = Vec::new();
        for (number, block) in manager
            .getattr(intern!(py, "blocks"))?
            .try_iter()?
            .enumerate()
        {
            let block = block?;
            let values = block.getattr(intern!(py, "values"))?;
            if class_of(&values) == Some(Class::Pandas(Pandas::Categorical)) {
                categories.push(number);
            }
            if !is_sealed(&values)? {
                return Ok(None);
            }
            block.getattr(intern!(py, "refs"))?.call_method1(
                intern!(py, "add_index_reference"),
                (py.get_type::<Memory>(),),
            )?;
        }
        Ok(Some(Self {
            value: value.clone().unbind(),
            categories,
            axes,
        }))
    }

    /// A copy that shares the arrays, until it is written, and nothing else.
    pub fn copy<'py>(&self, py: Python<'py>) -> PyResult<Value<'py>> {
        static SHALLOW: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
        let shallow = SHALLOW.get_or_try_init(py, || {
            let options = PyDict::new(py);
            options.set_item("deep", false)?;
            PyResult::Ok(options.unbind())
        })?;
        let copy =
            self.value
                .bind(py)
                .call_method(intern!(py, "copy"), (), Some(shallow.bind(py)))?;
        let manager = copy.getattr(intern!(py, "_mgr"))?;
        let axes = manager.getattr(intern!(py, "axes"))?;
        for axis in axes.cast::<PyList>()? {
            // What pandas computed for one caller may be an array that can be written.
            axis.setattr(intern!(py, "_cache"), PyDict::new(py))?;
        }
        for (number, shared) in &self.axes {
            shared.renew(&axes.get_item(number)?)?;
        }
        if !self.categories.is_empty() {
            let blocks = manager.getattr(intern!(py, "blocks"))?;
            for &number in &self.categories {
                own_categories(&blocks.get_item(number)?)?;
            }
        }
        Ok(copy)
    }
}

/// Gives a block of categories an index of them that nobody else has.
fn own_categories(block: &Value<'_>) -> PyResult<()> {
    let py = block.py();
    let values = block.getattr(intern!(py, "values"))?;
    let dtype = values.getattr(intern!(py, "dtype"))?;
    let categories = dtype
        .getattr(intern!(py, "categories"))?
        .call_method0(intern!(py, "view"))?;
    categories.setattr(intern!(py, "_cache"), PyDict::new(py))?;
    if class_of(&categories) == Some(Class::Pandas(Pandas::Index)) {
        let array = categories.getattr(intern!(py, "_data"))?;
        categories.setattr(
            intern!(py, "_data"),
            array.call_method0(intern!(py, "view"))?,
        )?;
    }
    let own = dtype.get_type().call_method1(
        intern!(py, "_from_fastpath"),
        (categories, dtype.getattr(intern!(py, "ordered"))?),
    )?;
    let codes = values.getattr(intern!(py, "_ndarray"))?;
    let values = values
        .get_type()
        .call_method1(intern!(py, "_simple_new"), (codes, own))?;
    block.setattr(intern!(py, "values"), values)
}

/// Major and minor version of pandas.
fn version(py: Python<'_>) -> PyResult<(u32, u32)> {
    static KNOWN: PyOnceLock<(u32, u32)> = PyOnceLock::new();
    KNOWN
        .get_or_try_init(py, || {
            let version: String = py.import("pandas")?.getattr("__version__")?.extract()?;
            let mut numbers = version.split('.').map_while(|number| number.parse().ok());
            Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
        })
        .copied()
}

/// Whether the buffers of an array can't be written from now on.
pub(super) fn is_sealed(values: &Value<'_>) -> PyResult<bool> {
    let py = values.py();
    let below = |name| values.getattr(name).and_then(|array| seal(&array));
    match class_of(values) {
        Some(Class::NumpyArray) => Ok(!has_objects(values)? && seal(values)?),
        Some(Class::Pandas(
            Pandas::DatetimeArray | Pandas::TimedeltaArray | Pandas::PeriodArray,
        )) => below(intern!(py, "_ndarray")),
        Some(Class::Pandas(Pandas::MaskedArray)) => {
            Ok(below(intern!(py, "_data"))? && below(intern!(py, "_mask"))?)
        }
        Some(Class::Pandas(Pandas::StringArray | Pandas::ArrowArray)) => {
            values.hasattr(intern!(py, "_pa_array"))
        }
        Some(Class::Pandas(Pandas::Categorical)) => {
            let categories = values.getattr(intern!(py, "categories"))?;
            let plain = class_of(&categories) == Some(Class::Pandas(Pandas::Index));
            let sealed = matches!(labels(&categories)?, Labels::Sealed | Labels::None);
            Ok(plain && sealed && below(intern!(py, "_ndarray"))?)
        }
        _ => Ok(false),
    }
}

pub(super) fn has_objects(array: &Value<'_>) -> PyResult<bool> {
    let py = array.py();
    array
        .getattr(intern!(py, "dtype"))?
        .getattr(intern!(py, "hasobject"))?
        .extract()
}

/// Makes an array one that can't be written; views of it that are made from now on can't be either.
fn seal(array: &Value<'_>) -> PyResult<bool> {
    let py = array.py();
    array
        .getattr(intern!(py, "flags"))?
        .setattr(intern!(py, "writeable"), false)?;
    Ok(true)
}
