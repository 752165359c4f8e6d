//! What memory holds of a result, and what is handed out of it.
//!
//! The payloads that it holds are copies of its own, made by this process or decoded by it before:
//! they are known to be sound.

mod labels;
mod original;
mod pandas;

use super::counters::nanoseconds;
use super::value::{Class, class_of, load, load_from};
use crate::format::{Head, Seen};
use crate::store::{Bytes, Found, Mark, Weighed};
use original::Original;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyComplex, PyFloat, PyInt, PyString, PyTuple};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Payloads up to this size are kept as they are, where nothing better can be kept of them.
const KEEP: usize = 1024 * 1024;

/// Up to this size, copying a payload costs less than decoding it for all to come.
const COPY: usize = 64 * 1024;

/// What the memory tier holds of a result.
pub struct Hot {
    /// The counts of changes from before it was read: once they have moved on it is not used.
    pub mark: Mark,
    made: Made,
    weight: u64,
    form: Form,
    uses: AtomicU32,
}

enum Form {
    /// A value that nobody can change: handed out as it is.
    Same(Py<PyAny>),
    /// A value that nobody but memory has: copied for everybody.
    Original(Original),
    /// A payload that nobody has decoded yet.
    Unread(Head, Arc<Bytes>),
    /// A payload: decoded anew for everybody.
    Payload(Head, Arc<Bytes>),
}

impl Weighed for Hot {
    fn weight(&self) -> u64 {
        self.weight
    }
}

/// When a result was computed, how long that took, and up to when its inputs have seen.
#[derive(Clone, Copy)]
pub struct Made {
    pub at_ns: i64,
    /// Nanoseconds.
    pub taken: u64,
    pub seen: Seen,
}

impl Made {
    /// What a payload says of itself.
    pub fn of(head: &Head) -> Self {
        Self {
            at_ns: head.created_ns,
            taken: nanoseconds(Duration::try_from_secs_f64(head.seconds).unwrap_or_default()),
            seen: head.seen,
        }
    }
}

/// A result from memory or disk.
pub struct Hit<'py> {
    pub value: Bound<'py, PyAny>,
    pub made: Made,
    pub in_memory: bool,
    /// Whether it is of the simulation around alone.
    pub is_simulated: bool,
    /// How many uses the store is to be told of.
    pub uses: u32,
}

impl Hot {
    fn new(mark: Mark, made: Made, weight: u64, form: Form) -> Self {
        let weight = weight + size_of::<Self>() as u64;
        Self {
            mark,
            made,
            weight,
            form,
            uses: AtomicU32::new(0),
        }
    }

    fn same(mark: Mark, made: Made, value: &Bound<'_, PyAny>, payload: usize) -> Self {
        let value = value.clone().unbind();
        Self::new(mark, made, payload as u64, Form::Same(value))
    }

    /// What can be held after a miss: the value itself only where nobody can change it.
    pub fn of_stored(mark: Mark, value: &Bound<'_, PyAny>, payload: &[u8]) -> Option<Self> {
        let head = Head::read(payload).ok()?;
        if is_unchangeable(value) {
            return Some(Self::same(mark, Made::of(&head), value, payload.len()));
        }
        let bytes = Arc::new(Bytes::copy(payload));
        Some(Self::new(
            mark,
            Made::of(&head),
            payload.len() as u64,
            Form::Unread(head, bytes),
        ))
    }

    /// The value of a payload from disk, and what can be held of it.
    pub fn of_found(
        py: Python<'_>,
        found: Found,
        mark: Mark,
    ) -> PyResult<(Bound<'_, PyAny>, Option<Self>)> {
        let (head, bytes, sound) = (found.head, Arc::new(found.bytes), found.sound);
        let (made, length) = (Made::of(&head), bytes.slice().len());
        if length > COPY
            && let Some((original, weight)) = Original::load(py, &head, &bytes, sound)?
        {
            let hot = Self::new(mark, made, weight, Form::Original(original));
            return Ok((hot.value(py)?, Some(hot)));
        }
        // Before the value is handed out: what its owner writes lands in `bytes`.
        let kept = (length <= KEEP).then(|| Arc::new(Bytes::copy(bytes.slice())));
        let value = load_from(py, &head, &bytes, sound)?;
        if is_unchangeable(&value) {
            let hot = Self::same(mark, made, &value, length);
            return Ok((value, Some(hot)));
        }
        let hot = kept.map(|kept| Self::new(mark, made, length as u64, Form::Unread(head, kept)));
        Ok((value, hot))
    }

    /// The value for one more caller, where it is handed out as it is.
    pub fn hit_as_it_is<'py>(&self, py: Python<'py>) -> Option<Hit<'py>> {
        let Form::Same(value) = &self.form else {
            return None;
        };
        Some(self.hit_of(value.bind(py).clone()))
    }

    fn hit_of<'py>(&self, value: Bound<'py, PyAny>) -> Hit<'py> {
        Hit {
            value,
            made: self.made,
            in_memory: true,
            is_simulated: false,
            uses: self.used(),
        }
    }

    /// The value for one more caller, and what to hold instead from now on.
    pub fn hit<'py>(&self, py: Python<'py>) -> PyResult<(Hit<'py>, Option<Self>)> {
        let instead = match &self.form {
            Form::Unread(head, bytes) => Some(self.read(py, head, bytes)?),
            _ => None,
        };
        let value = instead.as_ref().unwrap_or(self).value(py)?;
        Ok((self.hit_of(value), instead))
    }

    /// One more use, and how many the store is to be told of now: each of the first, and then a batch
    /// at a time. Two threads may count as one, which is no loss.
    fn used(&self) -> u32 {
        const BATCH: u32 = 16;
        let uses = self.uses.load(Relaxed).wrapping_add(1);
        self.uses.store(uses, Relaxed);
        match uses {
            ..=BATCH => 1,
            _ if uses.is_multiple_of(BATCH) => BATCH,
            _ => 0,
        }
    }

    /// Decoded once, where copies of that are as good as decoding anew.
    fn read(&self, py: Python<'_>, head: &Head, bytes: &Arc<Bytes>) -> PyResult<Self> {
        let (form, weight) = match Original::load(py, head, bytes, true)? {
            Some((original, weight)) => (Form::Original(original), weight),
            None => (
                Form::Payload(head.clone(), bytes.clone()),
                bytes.slice().len() as u64,
            ),
        };
        Ok(Self::new(self.mark, self.made, weight, form))
    }

    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &self.form {
            Form::Same(value) => Ok(value.bind(py).clone()),
            Form::Original(original) => original.copy(py),
            Form::Unread(head, bytes) | Form::Payload(head, bytes) => {
                load(py, head, Bytes::copy(bytes.slice()), true)
            }
        }
    }
}

/// A payload that is held for a while, decoded anew.
pub fn decoded<'py>(py: Python<'py>, payload: &[u8]) -> Option<Hit<'py>> {
    let head = Head::read(payload).ok()?;
    Some(Hit {
        value: load(py, &head, Bytes::copy(payload), true).ok()?,
        made: Made::of(&head),
        in_memory: true,
        is_simulated: false,
        uses: 1,
    })
}

/// Scalars, text, bytes, and tuples of them.
pub fn is_unchangeable(value: &Bound<'_, PyAny>) -> bool {
    if let Ok(items) = value.cast_exact::<PyTuple>() {
        return items.iter().all(|item| is_unchangeable(&item));
    }
    value.is_none()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyBytes>()
        || value.is_exact_instance_of::<PyComplex>()
        || is_scalar_of_a_library(value)
}

fn is_scalar_of_a_library(value: &Bound<'_, PyAny>) -> bool {
    match class_of(value) {
        // A record is a scalar that can be written.
        Some(Class::NumpyScalar) => value
            .get_type()
            .name()
            .is_ok_and(|name| name != "void" && name != "record"),
        Some(Class::Date | Class::TimeDelta | Class::Decimal | Class::Uuid) => true,
        _ => false,
    }
}
