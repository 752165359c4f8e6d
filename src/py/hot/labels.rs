//! The axes of frames of pandas that are copied when they are written, and what copies of an index
//! would share.

use super::is_unchangeable;
use super::pandas::{has_objects, is_sealed};
use crate::py::value::{Class, Pandas, class_of};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

type Value<'py> = Bound<'py, PyAny>;

/// Labels are looked at one by one where they are objects; more of them are decoded anew.
const LABELS: usize = 100_000;

/// What copies of an index would share, and each gets anew.
pub(super) enum Shared {
    /// Nothing but buffers that can't be written.
    Nothing,
    /// Its array, by this method.
    Array(&'static str),
    /// What is found through its levels: for each what it would share.
    Levels(Vec<Shared>),
}

impl Shared {
    /// Gives a copy of an index what the other copies do not have.
    pub(super) fn renew(&self, index: &Value<'_>) -> PyResult<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Array(method) => own_array(index, method),
            Self::Levels(levels) => own_levels(index, levels),
        }
    }
}

/// What copies of an index would share, if anything; `None` where they can't be kept apart.
pub(super) fn shared(index: &Value<'_>) -> PyResult<Option<Shared>> {
    if class_of(index) == Some(Class::Pandas(Pandas::MultiIndex)) {
        return Ok(shared_of_levels(index)?.map(Shared::Levels));
    }
    Ok(match labels(index)? {
        Labels::Open => None,
        Labels::None => Some(Shared::Nothing),
        Labels::Sealed => Some(Shared::Array("view")),
        Labels::Objects => Some(Shared::Array("copy")),
    })
}

fn shared_of_levels(index: &Value<'_>) -> PyResult<Option<Vec<Shared>>> {
    let py = index.py();
    for codes in index.getattr(intern!(py, "_codes"))?.try_iter()? {
        let codes = codes?;
        if !is_sealed(&codes)? || owns_memory(&codes)? {
            return Ok(None);
        }
    }
    let levels = index.getattr(intern!(py, "_levels"))?;
    levels
        .try_iter()?
        .map(|level| {
            let level = level?;
            // Only an index of one level is looked at: there are no levels within levels.
            if class_of(&level) == Some(Class::Pandas(Pandas::MultiIndex)) {
                return Ok(None);
            }
            shared(&level)
        })
        .collect()
}

/// Whether an array, or one that it is a view of, could be made one that can be written.
fn owns_memory(array: &Value<'_>) -> PyResult<bool> {
    let py = array.py();
    let mut array = array.clone();
    while class_of(&array) == Some(Class::NumpyArray) {
        let flags = array.getattr(intern!(py, "flags"))?;
        if flags.getattr(intern!(py, "owndata"))?.extract()? {
            return Ok(true);
        }
        array = array.getattr(intern!(py, "base"))?;
    }
    Ok(false)
}

/// Gives a copy of an index its own array objects of codes, and levels that share nothing but
/// buffers; a copy has level objects of its own already.
fn own_levels(index: &Value<'_>, levels: &[Shared]) -> PyResult<()> {
    let py = index.py();
    let codes = index.getattr(intern!(py, "_codes"))?;
    let own = codes
        .try_iter()?
        .map(|codes| codes?.call_method0(intern!(py, "view")))
        .collect::<PyResult<Vec<_>>>()?;
    let own = codes.get_type().call1((PyList::new(py, own)?,))?;
    index.setattr(intern!(py, "_codes"), own)?;
    let own = index.getattr(intern!(py, "_levels"))?;
    for (level, shared) in own.try_iter()?.zip(levels) {
        let level = level?;
        level.setattr(intern!(py, "_cache"), PyDict::new(py))?;
        shared.renew(&level)?;
    }
    Ok(())
}

/// Gives an index an array that nobody else has, made by this method of its present one.
fn own_array(index: &Value<'_>, method: &str) -> PyResult<()> {
    let py = index.py();
    let array = index.getattr(intern!(py, "_data"))?;
    let own = match array.getattr_opt(intern!(py, "_ndarray"))? {
        // A view of such an array has the very array of NumPy that is below it.
        Some(below) => array.call_method1(
            intern!(py, "_from_backing_data"),
            (below.call_method0(method)?,),
        )?,
        None => array.call_method0(method)?,
    };
    // Before pandas 3.1 it stands in the array, and a view has none.
    if let Some(frequency) = array.getattr_opt(intern!(py, "_freq"))? {
        own.setattr(intern!(py, "_freq"), frequency)?;
    }
    index.setattr(intern!(py, "_data"), own)
}

/// What of an index could be written.
pub(super) enum Labels {
    /// Something that copies would share.
    Open,
    /// Nothing: it has no array.
    None,
    /// Not its buffers, but what the array says of itself: its dtype, its shape.
    Sealed,
    /// An array of objects, none of which can be changed.
    Objects,
}

pub(super) fn labels(index: &Value<'_>) -> PyResult<Labels> {
    let py = index.py();
    let data = match class_of(index) {
        Some(Class::Pandas(Pandas::RangeIndex)) => return Ok(Labels::None),
        Some(Class::Pandas(
            Pandas::Index | Pandas::DatetimeIndex | Pandas::TimedeltaIndex | Pandas::PeriodIndex,
        )) => index.getattr(intern!(py, "_data"))?,
        _ => return Ok(Labels::Open),
    };
    let is_array = class_of(&data) == Some(Class::NumpyArray);
    let has_objects = if is_array {
        has_objects(&data)?
    } else {
        is_text_of_python(&data)?
    };
    Ok(if has_objects {
        if are_unchangeable(&data)? {
            Labels::Objects
        } else {
            Labels::Open
        }
    } else if !is_sealed(&data)? {
        Labels::Open
    } else {
        Labels::Sealed
    })
}

/// Text in an array of objects, where it is not pyarrow's.
fn is_text_of_python(values: &Value<'_>) -> PyResult<bool> {
    Ok(class_of(values) == Some(Class::Pandas(Pandas::StringArray))
        && !values.hasattr(intern!(values.py(), "_pa_array"))?)
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
