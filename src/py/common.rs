//! What many calls share: objects whose digests are made once, and the values that code can change.
//!
//! An object is known by its address, and held here, so that an address means one object. That its
//! content is still the same is looked at by `is_unchanged`, before anything is stored.

use super::bind::Role;
use super::code::Code;
use super::key::KeyDigests;
use super::value::{Packages, Walk};
use crate::digest::{Digest, Encoder};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyCommon>()
}

/// What the calls of a sweep share.
#[pyclass(frozen, name = "Common", module = "afml_cache._native")]
pub struct PyCommon {
    objects: Vec<Py<PyAny>>,
    known: Mutex<Vec<Known>>,
}

/// A part of keys whose digest is known.
pub struct Known {
    object: Py<PyAny>,
    role: Role,
    own: Arc<str>,
    pub digest: Digest,
    pub packages: Packages,
    pub codes: Box<[Arc<Code>]>,
    pub timed: Box<[Py<PyAny>]>,
}

impl Known {
    fn of(own: &Arc<str>, role: Role, value: &Bound<'_, PyAny>) -> Walk<Self> {
        let mut made = KeyDigests::of(own);
        let digest = made.argument(&mut Encoder::new(), role, value)?;
        let packages = made.packages();
        let met = made.met();
        let (codes, timed) = met.map_or_else(Default::default, |met| (met.codes, met.timed));
        Ok(Self {
            object: value.clone().unbind(),
            role,
            own: own.clone(),
            digest,
            packages,
            codes,
            timed,
        })
    }

    fn is_of(&self, value: &Bound<'_, PyAny>, role: Role) -> bool {
        self.role == role && self.object.is(value)
    }
}

impl PyCommon {
    /// Whether calls share an object.
    pub fn has(&self, value: &Bound<'_, PyAny>) -> bool {
        self.objects.iter().any(|object| object.is(value))
    }

    /// What is known of a part that calls share, which is found out where it is asked for first.
    pub fn with_part<T>(
        &self,
        own: &Arc<str>,
        role: Role,
        value: &Bound<'_, PyAny>,
        take: impl FnOnce(&Known) -> T,
    ) -> Walk<T> {
        {
            let known = self.known();
            if let Some(found) = known.iter().find(|one| one.is_of(value, role)) {
                return Ok(take(found));
            }
        }
        // Python code may run: nothing is locked meanwhile.
        let made = Known::of(own, role, value)?;
        let taken = take(&made);
        self.known().push(made);
        Ok(taken)
    }

    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyCommon {
    #[new]
    fn new(objects: Vec<Py<PyAny>>) -> Self {
        Self {
            objects,
            known: Mutex::default(),
        }
    }

    /// Whether all that was digested still has the content that it had; where it has not, it is
    /// digested anew from here on.
    fn is_unchanged(&self, py: Python<'_>) -> bool {
        let known = std::mem::take(&mut *self.known());
        let same = known.iter().all(|one| {
            Known::of(&one.own, one.role, one.object.bind(py))
                .is_ok_and(|again| again.digest == one.digest)
        });
        if same {
            *self.known() = known;
        }
        same
    }
}
