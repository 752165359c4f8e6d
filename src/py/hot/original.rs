//! A decoded value that memory alone holds, and copies of it that share nothing which can be
//! written.

use super::is_unchangeable;
use super::pandas::Columns;
use crate::format::Head;
use crate::py::value::{Class, Pandas, class_of, load_unwritable};
use crate::store::Bytes;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use std::collections::HashSet;
use std::sync::Arc;

/// Bytes of arrays that a hit copies; more is mapped anew.
const COPY: usize = 1024 * 1024;
/// What a part takes beside its bytes: a small object, and its place here.
const PART: u64 = 96;
/// What a frame takes beside its bytes.
const FRAME: u64 = 8 * 1024;

/// A value that memory alone holds.
pub enum Original {
    /// Nobody can change it.
    Same(Py<PyAny>),
    /// An array: copied.
    Array(Py<PyAny>),
    /// Columns of pandas: copied when they are written.
    Pandas(Columns),
    /// A frame or series of polars: its columns can't be written.
    Polars(Py<PyAny>),
    /// A value of pyarrow: the same.
    Arrow(Py<PyAny>),
    /// Containers: made anew.
    Tuple(Vec<Self>),
    List(Vec<Self>),
    Dict(Vec<(Py<PyAny>, Self)>),
}

impl Original {
    /// Decodes a payload over bytes that are never written, and says what it weighs; `None` where
    /// each caller needs a value that is decoded for it.
    pub fn load(
        py: Python<'_>,
        head: &Head,
        bytes: &Arc<Bytes>,
        sound: bool,
    ) -> PyResult<Option<(Self, u64)>> {
        if head.code_bearing {
            return Ok(None);
        }
        let Some(value) = load_unwritable(py, head, bytes, sound)? else {
            return Ok(None);
        };
        let mut taking = Taking::default();
        let original = taking.take(&value)?;
        let arrays = bytes.slice().len() as u64;
        let buffers = if taking.in_buffers { arrays } else { 0 };
        Ok(original
            .filter(|_| taking.to_copy <= COPY)
            .map(|original| (original, taking.weight + buffers)))
    }

    /// A value of the caller's own.
    pub fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let copies = |parts: &[Self]| {
            let copies = parts.iter().map(|part| part.copy(py));
            copies.collect::<PyResult<Vec<_>>>()
        };
        match self {
            Self::Same(value) => Ok(value.bind(py).clone()),
            Self::Array(array) => array.bind(py).call_method1(intern!(py, "copy"), ("K",)),
            Self::Pandas(columns) => columns.copy(py),
            Self::Polars(columns) => columns.bind(py).call_method0(intern!(py, "clone")),
            Self::Arrow(columns) => columns.bind(py).call_method1(intern!(py, "slice"), (0,)),
            Self::Tuple(parts) => Ok(PyTuple::new(py, copies(parts)?)?.into_any()),
            Self::List(parts) => Ok(PyList::new(py, copies(parts)?)?.into_any()),
            Self::Dict(pairs) => {
                let copy = PyDict::new(py);
                for (name, part) in pairs {
                    copy.set_item(name, part.copy(py)?)?;
                }
                Ok(copy.into_any())
            }
        }
    }
}

/// What is known of a value while it is taken to be an original.
#[derive(Default)]
struct Taking {
    /// An object met twice must be one object in each copy: such values are decoded anew.
    met: HashSet<usize>,
    weight: u64,
    to_copy: usize,
    in_buffers: bool,
}

impl Taking {
    fn take(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Option<Original>> {
        self.weight += PART;
        if is_unchangeable(value) {
            return Ok(Some(Original::Same(value.clone().unbind())));
        }
        if !self.met.insert(value.as_ptr().addr()) {
            return Ok(None);
        }
        if let Ok(items) = value.cast_exact::<PyTuple>() {
            return Ok(self.take_all(items.iter())?.map(Original::Tuple));
        }
        if let Ok(items) = value.cast_exact::<PyList>() {
            return Ok(self.take_all(items.iter())?.map(Original::List));
        }
        if let Ok(pairs) = value.cast_exact::<PyDict>() {
            return self.take_pairs(pairs);
        }
        self.take_columns(value)
    }

    fn take_all<'py>(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<Option<Vec<Original>>> {
        items.map(|item| self.take(&item)).collect()
    }

    fn take_pairs(&mut self, pairs: &Bound<'_, PyDict>) -> PyResult<Option<Original>> {
        let taken: PyResult<Option<Vec<_>>> = pairs
            .iter()
            .map(|(name, value)| {
                if !is_unchangeable(&name) {
                    return Ok(None);
                }
                self.weight += PART;
                Ok(self.take(&value)?.map(|value| (name.unbind(), value)))
            })
            .collect();
        Ok(taken?.map(Original::Dict))
    }

    fn take_columns(&mut self, value: &Bound<'_, PyAny>) -> PyResult<Option<Original>> {
        let py = value.py();
        self.in_buffers = true;
        self.weight += FRAME;
        Ok(match class_of(value) {
            Some(Class::NumpyArray) => {
                let dtype = value.getattr(intern!(py, "dtype"))?;
                self.to_copy += value.getattr(intern!(py, "nbytes"))?.extract::<usize>()?;
                let kind: char = dtype.getattr(intern!(py, "kind"))?.extract()?;
                // Copies of records leave out what lies between the fields.
                (!"OTV".contains(kind)).then(|| Original::Array(value.clone().unbind()))
            }
            Some(Class::Pandas(Pandas::Frame | Pandas::Series)) => {
                Columns::of(value)?.map(Original::Pandas)
            }
            Some(Class::PolarsFrame | Class::PolarsSeries) => {
                Some(Original::Polars(value.clone().unbind()))
            }
            Some(Class::Arrow(_)) if value.hasattr(intern!(py, "slice"))? => {
                Some(Original::Arrow(value.clone().unbind()))
            }
            _ => None,
        })
    }
}
