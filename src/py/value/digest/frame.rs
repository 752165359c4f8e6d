//! A value that is being digested, and how far we are with its parts.

use crate::digest::{Digest, Encoder};
use crate::py::code::Code;
use crate::py::value::sink::{Failure, Walk};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyList, PyString, PyTuple};
use std::sync::Arc;

/// The parts of a value, in the order in which they are digested.
pub enum Parts<'py> {
    Tuple(Bound<'py, PyTuple>, usize),
    List {
        items: Bound<'py, PyList>,
        length: usize,
        next: usize,
    },
    Dict(Pairs<'py>),
    /// The members of a set, in no order.
    Members(Bound<'py, PyIterator>),
    /// What `take_apart` made of a value: pairs of a segment of the path and a part.
    Apart(Bound<'py, PyTuple>, usize),
    /// What a piece of code reads and that can change in place; last a function's own attributes.
    Code(Arc<Code>, usize, Option<Bound<'py, PyAny>>),
    /// Parts that are walked by a function of their own, on the stack of the thread.
    Native,
}

/// A dictionary's keys and values, one after the other.
pub struct Pairs<'py> {
    items: Bound<'py, PyDict>,
    length: usize,
    position: ffi::Py_ssize_t,
    key: Option<Bound<'py, PyAny>>,
    value: Option<Bound<'py, PyAny>>,
}

/// One value on the stack of a walk.
pub struct Frame<'py> {
    pub value: Bound<'py, PyAny>,
    /// What the walk knows it by.
    pub address: usize,
    /// Whether the order of dictionaries counted not where the value was entered.
    pub unordered: bool,
    pub parts: Parts<'py>,
    /// What the value's holder has written so far.
    pub outer: Encoder,
    /// Values are numbered as they are entered.
    pub number: u64,
    /// The number of the first open value that this one leads back to.
    pub low: u64,
    /// The tag of a value whose parts are in no order, and their digests.
    pub gathered: Option<(u8, Vec<Digest>)>,
    /// How many values were hanging when this one was entered.
    pub hanging: usize,
    /// Whether a part was entered.
    pub begun: bool,
}

impl Frame<'_> {
    /// Whether the next part begins one whose order does not count.
    pub fn at_boundary(&self) -> bool {
        match &self.parts {
            Parts::Dict(pairs) => pairs.value.is_none(),
            _ => true,
        }
    }
}

impl<'py> Parts<'py> {
    /// Whether they are those of a container of the language, and no further object's.
    pub fn are_plain(&self) -> bool {
        !matches!(self, Self::Apart(..) | Self::Code(..) | Self::Native)
    }

    /// All of a list, as long as it is now.
    pub fn of_list(items: &Bound<'py, PyList>) -> Self {
        Self::List {
            items: items.clone(),
            length: items.len(),
            next: 0,
        }
    }

    /// All of a dictionary, as long as it is now.
    pub fn of_dict(items: &Bound<'py, PyDict>) -> Self {
        Self::Dict(Pairs {
            items: items.clone(),
            length: items.len(),
            position: 0,
            key: None,
            value: None,
        })
    }

    /// The next part; what stands before it is written.
    pub fn next(
        &mut self,
        py: Python<'py>,
        encoder: &mut Encoder,
    ) -> Walk<Option<Bound<'py, PyAny>>> {
        match self {
            Self::Tuple(items, next) if *next < items.len() => {
                *next += 1;
                Ok(Some(items.get_item(*next - 1)?))
            }
            Self::List {
                items,
                length,
                next,
            } => {
                if items.len() != *length {
                    return Err(changed("list"));
                }
                if next == length {
                    return Ok(None);
                }
                *next += 1;
                Ok(Some(items.get_item(*next - 1)?))
            }
            Self::Dict(pairs) => pairs.next(),
            Self::Members(members) => Ok(members.next().transpose()?),
            Self::Apart(pairs, next) if *next < pairs.len() => {
                *next += 1;
                let (segment, part): (Bound<'py, PyString>, Bound<'py, PyAny>) =
                    pairs.get_item(*next - 1)?.extract()?;
                encoder.bytes(segment.to_str()?.as_bytes());
                Ok(Some(part))
            }
            Self::Code(code, next, _) if *next < code.mutables.len() => {
                *next += 1;
                Ok(Some(code.mutables[*next - 1].value.bind(py).clone()))
            }
            Self::Code(_, _, attributes) => Ok(attributes.take()),
            Self::Tuple(..) | Self::Apart(..) | Self::Native => Ok(None),
        }
    }

    /// Where the part that was given last stands in its holder.
    pub fn segment(&self) -> String {
        match self {
            Self::Tuple(_, next) | Self::List { next, .. } => {
                format!("[{}]", next.saturating_sub(1))
            }
            Self::Dict(pairs) => pairs.segment(),
            Self::Members(_) => "{...}".into(),
            Self::Apart(pairs, next) => pairs
                .get_item(next.saturating_sub(1))
                .and_then(|pair| pair.get_item(0)?.extract())
                .unwrap_or_default(),
            Self::Code(code, next, _) => code
                .mutables
                .get(next.saturating_sub(1))
                .map(|mutable| format!(" > {}", mutable.label))
                .unwrap_or_default(),
            Self::Native => String::new(),
        }
    }
}

impl<'py> Pairs<'py> {
    fn next(&mut self) -> Walk<Option<Bound<'py, PyAny>>> {
        if let Some(value) = self.value.take() {
            return Ok(Some(value));
        }
        if self.items.len() != self.length {
            return Err(changed("dictionary"));
        }
        let py = self.items.py();
        let (mut key, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the dictionary is alive, and what it lends is made ours before anything else runs.
        unsafe {
            if ffi::PyDict_Next(
                self.items.as_ptr(),
                &raw mut self.position,
                &raw mut key,
                &raw mut value,
            ) == 0
            {
                return Ok(None);
            }
            self.key = Some(Bound::from_borrowed_ptr(py, key));
            self.value = Some(Bound::from_borrowed_ptr(py, value));
        }
        Ok(self.key.clone())
    }

    fn segment(&self) -> String {
        let key = self.key.as_ref().map(PyAnyMethods::repr);
        match key {
            Some(Ok(key)) => format!("[{key}]"),
            _ => "[?]".into(),
        }
    }
}

fn changed(what: &str) -> Failure {
    Failure::unhandled(format!(
        "a {what} that another thread changed while it was read"
    ))
}
