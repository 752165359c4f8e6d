//! What is asked about a call, or done to its result, without calling the function.

use super::PyFunction;
use super::call::Asked;
use super::compute::Computed;
use super::ready::Ready;
use crate::clock;
use crate::digest::Digest;
use crate::format::{Meta, Part, Seen};
use crate::py::bind::Arguments;
use crate::py::error::raise;
use crate::py::identity::Call;
use crate::py::mode::Mode;
use crate::py::store::PyStore;
use crate::store::Selection;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// With how many earlier calls `explain` compares.
const NEIGHBOURS: usize = 200;

/// Label, digest and text of a part.
type Row = (String, String, String);

impl PyFunction {
    /// A call with its key and the open store, whatever it is asked for.
    fn ready_or_raise<'a, 'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
        store: &'a PyStore,
    ) -> PyResult<(Ready<'a, 'py>, Arguments<'py>)> {
        let (identity, arguments, keyed) = self.keyed_or_raise(py, call)?;
        let opened = store.open(py).map_err(raise)?;
        let ready = Ready {
            identity,
            keyed,
            store,
            opened,
            around: self.around(py)?,
        };
        Ok((ready, arguments))
    }

    /// Whether a call would be answered without computing it.
    pub(super) fn is_stored(&self, py: Python<'_>, call: &Call<'_, '_>) -> PyResult<bool> {
        let place = self.place(py)?;
        let (ready, _) = self.ready_or_raise(py, call, place.get())?;
        Ok(self.seen_by_stored(py, &ready)?.is_some())
    }

    /// What the result has seen that answers a call, if one does.
    fn seen_by_stored(&self, py: Python<'_>, ready: &Ready) -> PyResult<Option<Seen>> {
        let key = ready.keyed.key;
        let own = ready.simulated_key();
        if let Some(own) = own
            && let Some(seen) = self.seen_by_entry(py, ready, own)?
        {
            return Ok(Some(seen));
        }
        let found = self.seen_by_entry(py, ready, key)?;
        Ok(found.filter(|seen| own.is_none() || !seen.open_ended))
    }

    fn seen_by_entry(&self, py: Python<'_>, ready: &Ready, key: Digest) -> PyResult<Option<Seen>> {
        let described = py.detach(|| ready.opened.described(key)).map_err(raise)?;
        let fresh = described.filter(|(made_ns, _)| self.policy.is_fresh(*made_ns));
        if let Some((_, meta)) = fresh {
            return Ok(Some(meta.seen));
        }
        let timing = self.timing.as_ref();
        Ok(timing.and_then(|_| ready.store.seen_by_volatile(py, ready.opened, key)))
    }

    /// Removes the result of a call; says whether there was one.
    pub(super) fn drop_stored(&self, py: Python<'_>, call: &Call<'_, '_>) -> PyResult<bool> {
        let place = self.place(py)?;
        let (ready, _) = self.ready_or_raise(py, call, place.get())?;
        let keys = ready.simulated_key().into_iter().chain([ready.keyed.key]);
        let mut dropped = false;
        for key in keys {
            let selection = Selection {
                function: Some(&self.name),
                key: Some(key),
                ..Selection::default()
            };
            let gone = place.get().drop_selected(py, selection).map_err(raise)?;
            dropped |= !gone.is_empty();
        }
        Ok(dropped)
    }

    /// An `Explanation` of a call.
    pub(super) fn explained<'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let place = self.place(py)?;
        let (ready, arguments) = self.ready_or_raise(py, call, place.get())?;
        let latest = py.detach(|| ready.opened.latest(&self.name, NEIGHBOURS));
        let earlier: Vec<Meta> = latest.map_err(raise)?;
        let depends: Vec<bool> = earlier.iter().map(|meta| meta.seen.open_ended).collect();
        let earlier: Vec<_> = earlier.iter().map(|meta| rows(&meta.parts)).collect();
        let ours = rows(&ready.identity.get().parts(py, &ready.keyed, &arguments));
        let stored = self.seen_by_stored(py, &ready)?;
        let told = stored.filter(|seen| !seen.is_nothing());
        let asked = Asked {
            ready: &ready,
            arguments: &arguments,
            call,
        };
        let inputs = || self.seen_by_inputs(py, &asked, clock::wall_ns());
        let seen = told.map_or_else(inputs, Ok)?;
        let compare = py.import("afml_cache.explanation")?.getattr("compare")?;
        let key = ready.keyed.key.to_string();
        let told = PyDict::new(py);
        told.set_item("depends", depends)?;
        told.set_item("seen", seen.until())?;
        compare.call(
            (&self.name, key, stored.is_some(), ours, earlier),
            Some(&told),
        )
    }

    /// Stores a value as the result of a call.
    pub(super) fn put_value<'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<bool> {
        let (identity, arguments, keyed) = self.keyed_or_raise(py, call)?;
        if !Mode::now(py)?.writes() {
            return Ok(false);
        }
        let place = self.place(py)?;
        let opened = self.opened(py, place.get()).map_err(raise)?;
        let (epoch, seconds) =
            py.detach(|| (opened.epoch(&self.name), opened.mean_seconds(&self.name)));
        let ready = Ready {
            identity,
            keyed,
            store: place.get(),
            opened,
            around: self.around(py)?,
        };
        let asked = Asked {
            ready: &ready,
            arguments: &arguments,
            call,
        };
        let computed = Computed {
            value,
            seconds: seconds.unwrap_or(0.0),
            epoch: epoch.map_err(raise)?,
            // Nobody knows whether it would be the same at another time than that of a simulation.
            read: ready
                .around
                .as_ref()
                .map_or_else(Seen::default, |_| Seen::open_ended()),
        };
        Ok(self.store(py, &asked, &computed)?.is_some())
    }
}

pub(super) fn rows(parts: &[Part]) -> Vec<Row> {
    let row = |part: &Part| {
        let digest = part.digest.to_string();
        (part.label.clone(), digest, part.text.clone())
    };
    parts.iter().map(row).collect()
}
