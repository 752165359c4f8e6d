//! A place for an object that every call reads, and that now and then gets another one.
//!
//! A mutex and a counted reference take four atomic steps, some 40 ns. The interpreter's lock guards
//! the place as well, since nothing in here gives it up; where there is none, a critical section of
//! the owner does.

use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;
use std::cell::UnsafeCell;

/// An object, or none yet.
pub struct Slot<T>(UnsafeCell<Option<Py<T>>>);

// SAFETY: one thread at a time touches the place, as said above; the object may go to any.
unsafe impl<T> Sync for Slot<T> {}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(UnsafeCell::default())
    }
}

impl<T> Slot<T> {
    /// What is there; `owner` is the same object at every use of the slot.
    pub fn get<'py>(&self, owner: &Bound<'py, PyAny>) -> Option<Bound<'py, T>> {
        with_critical_section(owner, || {
            // SAFETY: nobody else is here, and to count a reference lets nobody in.
            let held = unsafe { &*self.0.get() };
            held.as_ref().map(|held| held.bind(owner.py()).clone())
        })
    }

    /// Puts another object there.
    pub fn replace<'py>(&self, owner: &Bound<'py, PyAny>, new: &Bound<'py, T>) {
        let new = new.clone().unbind();
        // SAFETY: nobody else is here.
        let old = with_critical_section(owner, || unsafe { (*self.0.get()).replace(new) });
        // It may run code of the user's as it goes, which may come back here.
        drop(old);
    }
}
