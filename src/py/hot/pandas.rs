//! Frames and series of pandas that are copied when they are written.
//!
//! Since pandas 3, a shallow copy is one for whoever uses it: the first write to a column copies
//! its block, because another frame refers to it. Here the arrays beneath can't be written at all,
//! so that no view of them leads back, and every block counts one reference that never goes.

use super::is_unchangeable;
use crate::py::value::{Class, Memory, Pandas, class_of};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};

type Value<'py> = Bound<'py, PyAny>;

/// Labels are looked at one by one where they are objects; more of them are decoded anew.
const LABELS: usize = 100_000;

/// A frame or series that can't be written, and what else each copy must have of its own.
pub struct Columns {
    value: Py<PyAny>,
    /// Numbers of the blocks of categories: their index can be renamed.
    categories: Vec<usize>,
    /// Whether instants keep their frequency in an array that copies would share.
    frequency_below: bool,
}

impl Columns {
    /// Takes a frame or series whose arrays lie in a payload; `None` where a copy could be written
    /// through, or pandas does not copy on write.
    pub fn of(value: &Value<'_>) -> PyResult<Option<Self>> {
        let py = value.py();
        if !copies_on_write(py)? {
            return Ok(None);
        }
        let manager = value.getattr(intern!(py, "_mgr"))?;
        let mut frequency_below = false;
        for axis in manager.getattr(intern!(py, "axes"))?.try_iter()? {
            let axis = axis?;
            if !is_sealed_index(&axis)? {
                return Ok(None);
            }
            frequency_below |= keeps_frequency_below(&axis)?;
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
            frequency_below,
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
            if self.frequency_below && keeps_frequency_below(&axis)? {
                let array = axis.getattr(intern!(py, "_data"))?;
                axis.setattr(
                    intern!(py, "_data"),
                    array.call_method0(intern!(py, "view"))?,
                )?;
            }
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

fn copies_on_write(py: Python<'_>) -> PyResult<bool> {
    static KNOWN: PyOnceLock<bool> = PyOnceLock::new();
    KNOWN
        .get_or_try_init(py, || {
            let version: String = py.import("pandas")?.getattr("__version__")?.extract()?;
            let major = version
                .split('.')
                .next()
                .and_then(|major| major.parse::<u32>().ok());
            Ok(major.is_some_and(|major| major >= 3))
        })
        .copied()
}

/// Before pandas 3.1 an index of instants keeps its frequency in its array.
fn keeps_frequency_below(index: &Value<'_>) -> PyResult<bool> {
    let py = index.py();
    match class_of(index) {
        Some(Class::Pandas(Pandas::DatetimeIndex | Pandas::TimedeltaIndex)) => {
            Ok(!index.hasattr(intern!(py, "_freq"))?)
        }
        _ => Ok(false),
    }
}

/// Whether nothing that pandas hands out of an index can be written.
fn is_sealed_index(index: &Value<'_>) -> PyResult<bool> {
    let py = index.py();
    match class_of(index) {
        Some(Class::Pandas(Pandas::RangeIndex)) => Ok(true),
        Some(Class::Pandas(
            Pandas::Index | Pandas::DatetimeIndex | Pandas::TimedeltaIndex | Pandas::PeriodIndex,
        )) => {
            let data = index.getattr(intern!(py, "_data"))?;
            if class_of(&data) == Some(Class::NumpyArray) && has_objects(&data)? {
                return Ok(are_unchangeable(&data)? && seal(&data)?);
            }
            is_sealed(&data)
        }
        _ => Ok(false),
    }
}

/// Whether the buffers of an array can't be written from now on.
fn is_sealed(values: &Value<'_>) -> PyResult<bool> {
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
        // Text in an array of objects is text all the same.
        Some(Class::Pandas(Pandas::StringArray | Pandas::ArrowArray)) => {
            Ok(values.hasattr(intern!(py, "_pa_array"))? || below(intern!(py, "_ndarray"))?)
        }
        Some(Class::Pandas(Pandas::Categorical)) => {
            let categories = values.getattr(intern!(py, "categories"))?;
            Ok(is_sealed_index(&categories)? && below(intern!(py, "_ndarray"))?)
        }
        _ => Ok(false),
    }
}

fn has_objects(array: &Value<'_>) -> PyResult<bool> {
    let py = array.py();
    array
        .getattr(intern!(py, "dtype"))?
        .getattr(intern!(py, "hasobject"))?
        .extract()
}

fn are_unchangeable(labels: &Value<'_>) -> PyResult<bool> {
    if labels.len()? > LABELS {
        return Ok(false);
    }
    for label in labels.try_iter()? {
        if !is_unchangeable(&label?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes an array one that can't be written; views of it that are made from now on can't be either.
fn seal(array: &Value<'_>) -> PyResult<bool> {
    let py = array.py();
    array
        .getattr(intern!(py, "flags"))?
        .setattr(intern!(py, "writeable"), false)?;
    Ok(true)
}
