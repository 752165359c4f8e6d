//! What memory holds of a result, and what is handed out of it.

use super::value::load;
use crate::format::Head;
use crate::store::{Bytes, Weighed};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyComplex, PyFloat, PyInt, PyString, PyTuple};
use std::sync::Arc;

/// What the memory tier holds of a result.
#[derive(Clone)]
pub enum Hot {
    /// A value that nobody can change: handed out as it is.
    Value(Arc<Py<PyAny>>, f64, u64),
    /// A payload: decoded anew for everybody.
    Payload(Arc<[u8]>),
}

impl Weighed for Hot {
    fn weight(&self) -> u64 {
        const OVERHEAD: u64 = 128;
        match self {
            Self::Value(_, _, bytes) => OVERHEAD + bytes,
            Self::Payload(bytes) => OVERHEAD + bytes.len() as u64,
        }
    }
}

/// A result from memory or disk, with the seconds that it once took.
pub struct Hit<'py> {
    pub value: Bound<'py, PyAny>,
    pub seconds: f64,
    pub in_memory: bool,
}

/// A payload that memory holds, decoded anew.
pub fn decoded<'py>(py: Python<'py>, payload: &[u8]) -> Option<Hit<'py>> {
    let bytes = Bytes::copy(payload);
    let head = Head::read(bytes.slice()).ok()?;
    let seconds = head.seconds;
    Some(Hit {
        value: load(py, &head, bytes).ok()?,
        seconds,
        in_memory: true,
    })
}

/// Scalars, text, bytes, and tuples of them.
pub fn is_unchangeable(value: &Bound<'_, PyAny>) -> bool {
    if let Ok(items) = value.cast_exact::<PyTuple>() {
        return items.iter().all(|item| is_unchangeable(&item));
    }
    value.is_none()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyBytes>()
        || value.is_exact_instance_of::<PyComplex>()
}
