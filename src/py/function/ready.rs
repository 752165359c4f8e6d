//! From a call to its key and store.

use super::PyFunction;
use crate::digest::Digest;
use crate::error::Error;
use crate::py::bind::Arguments;
use crate::py::digest::uncacheable;
use crate::py::error::is_interrupt;
use crate::py::identity::{Call, Identity, Keyed, Refused};
use crate::py::look_ahead::{PySimulation, is_watching, simulation};
use crate::py::store::{PyStore, default_store, misused};
use crate::py::value::Failure;
use crate::store::{Count, Store};
use pyo3::prelude::*;
use std::sync::Arc;

/// One call that can be answered from the cache.
pub(super) struct Ready<'a, 'py> {
    pub(super) identity: Bound<'py, Identity>,
    pub(super) keyed: Keyed,
    pub(super) store: &'a PyStore,
    pub(super) opened: &'a Arc<Store>,
    /// The simulation that the call is made in.
    pub(super) around: Option<Box<Around<'py>>>,
}

/// A simulation around a call.
pub(super) struct Around<'py> {
    pub(super) simulation: Bound<'py, PySimulation>,
    /// Whether calls in simulations of other times do not wait for this one: the function is known
    /// to give them something else.
    is_apart: bool,
}

/// The code of a call, its arguments, and its key.
type Key<'py> = (Bound<'py, Identity>, Arguments<'py>, Keyed);

/// Why a call goes past the cache.
pub(super) enum Past {
    /// The arguments do not fit the signature: the function itself says so best.
    Misfit,
    /// Something can't be keyed.
    Refused(Refused),
    /// The store can't be opened.
    Closed,
}

impl Ready<'_, '_> {
    /// The key of what depends on the time of the simulation around.
    pub(super) fn simulated_key(&self) -> Option<Digest> {
        let around = self.around.as_ref();
        around.map(|around| around.simulation.get().key(self.keyed.key))
    }

    /// The key by which others wait for the call while it is computed.
    pub(super) fn flight(&self) -> Digest {
        let apart = self.around.as_ref().filter(|around| around.is_apart);
        apart
            .and_then(|_| self.simulated_key())
            .unwrap_or(self.keyed.key)
    }
}

impl PyFunction {
    pub(super) fn place(&self, py: Python<'_>) -> PyResult<Py<PyStore>> {
        match &self.store {
            Some(store) => Ok(store.clone_ref(py)),
            None => default_store(py),
        }
    }

    /// The open store, which takes the counts of the function from here on.
    pub(super) fn opened<'a>(
        &self,
        py: Python<'_>,
        store: &'a PyStore,
    ) -> Result<&'a Arc<Store>, Error> {
        let opened = store.open(py)?;
        opened.takes(self.counters.get().noted());
        Ok(opened)
    }

    /// The state of the code now: the one that we know, if nothing that it reached has changed.
    pub(super) fn identity<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Identity>> {
        let function = self.function.bind(py);
        if let Some(known) = self.identity.get(function)
            && known.get().holds(py)?
        {
            return Ok(known);
        }
        let options = self.options.bind(py);
        let fresh = Identity::of(function, &self.name, &self.version, options)?;
        let fresh = Bound::new(py, fresh)?;
        self.identity.replace(function, &fresh);
        Ok(fresh)
    }

    /// A call's arguments, and what `key=` makes of them behind the others.
    pub(super) fn bound<'py>(
        &self,
        py: Python<'py>,
        identity: &Identity,
        call: &Call<'_, 'py>,
    ) -> PyResult<Option<Arguments<'py>>> {
        let mut bound = identity.signature.bind(call.args, call.kwargs)?;
        if let (Some(key), Some(last)) = (
            &self.given.1,
            bound.as_mut().and_then(|arguments| arguments.last_mut()),
        ) {
            *last = key.bind(py).call(call.args, call.kwargs)?;
        }
        Ok(bound)
    }

    pub(super) fn keyed<'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
    ) -> PyResult<Result<Key<'py>, Past>> {
        let keying = self.counters.get().keying();
        let keyed = self.key_of(py, call);
        if let Some(keying) = keying {
            keying.end(self.tally(py));
        }
        keyed
    }

    fn key_of<'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
    ) -> PyResult<Result<Key<'py>, Past>> {
        let identity = self.identity(py)?;
        let Some(arguments) = self.bound(py, identity.get(), call)? else {
            return Ok(Err(Past::Misfit));
        };
        Ok(match identity.get().key(py, &arguments, call.common)? {
            Ok(keyed) => Ok((identity, arguments, keyed)),
            Err(refused) => Err(Past::Refused(refused)),
        })
    }

    pub(super) fn keyed_or_raise<'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
    ) -> PyResult<Key<'py>> {
        match self.keyed(py, call)? {
            Ok(keyed) => Ok(keyed),
            Err(Past::Refused(refused)) => Err(uncacheable(&refused.label, refused.failure)),
            Err(_) => {
                let signature = py
                    .import("inspect")?
                    .call_method1("signature", (&self.function,))?;
                signature.call_method("bind", call.args, call.kwargs)?;
                Err(misused("the arguments do not fit the signature"))
            }
        }
    }

    pub(super) fn ready<'a, 'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
        store: &'a PyStore,
    ) -> PyResult<Result<(Ready<'a, 'py>, Arguments<'py>), Past>> {
        let (identity, arguments, keyed) = match self.keyed(py, call)? {
            Ok(keyed) => keyed,
            Err(past) => return Ok(Err(past)),
        };
        Ok(match self.opened(py, store) {
            Ok(opened) => Ok((
                Ready {
                    identity,
                    keyed,
                    store,
                    opened,
                    around: self.around(py)?,
                },
                arguments,
            )),
            Err(error) => {
                self.count(py, Count::Errors);
                store.tell_error(py, "CacheWriteWarning", "opening", &error);
                Err(Past::Closed)
            }
        })
    }

    /// The simulation around a call that is made now.
    pub(super) fn around<'py>(&self, py: Python<'py>) -> PyResult<Option<Box<Around<'py>>>> {
        if is_watching() {
            self.found_around(py)
        } else {
            Ok(None)
        }
    }

    #[cold]
    fn found_around<'py>(&self, py: Python<'py>) -> PyResult<Option<Box<Around<'py>>>> {
        let is_apart = self.depends_on_now();
        let around = simulation(py)?.map(|simulation| Around {
            simulation,
            is_apart,
        });
        Ok(around.map(Box::new))
    }

    /// A call that can be answered, or `None` where it must be computed without the cache and
    /// whoever should know of that has been told.
    pub(super) fn ready_or_told<'a, 'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
        store: &'a PyStore,
    ) -> PyResult<Option<(Ready<'a, 'py>, Arguments<'py>)>> {
        let past = match self.ready(py, call, store) {
            Ok(Ok(ready)) => return Ok(Some(ready)),
            Ok(Err(past)) => past,
            Err(error) if is_interrupt(py, &error) => return Err(error),
            Err(error) => Past::Refused(Refused {
                label: "code".into(),
                failure: Failure::Python(error),
            }),
        };
        match past {
            Past::Misfit => return Ok(None),
            Past::Closed => {}
            Past::Refused(refused) => {
                self.tell_refused(py, refused)?;
                // A function that always goes past the cache is to be counted somewhere, too.
                let _ = self.opened(py, store);
            }
        }
        self.count(py, Count::Bypasses);
        Ok(None)
    }
}
