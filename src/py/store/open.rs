//! From a folder to an open store, with the secret that it seals with.

use super::{PyStore, at_exit};
use crate::clock;
use crate::error::Error;
use crate::format::Secret;
use crate::py::error::raise;
use crate::py::value::Forbidden;
use crate::store::{Options, Store};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// A folder that could not be opened is tried again after this long.
const RETRY: Duration = Duration::from_secs(30);

impl PyStore {
    /// The store, opened; a failure is remembered for a while.
    pub fn open(&self, py: Python<'_>) -> Result<&Arc<Store>, Error> {
        match self.own.get().opened.get() {
            Some(store) => Ok(store),
            None => self.open_now(py),
        }
    }

    #[cold]
    fn open_now(&self, py: Python<'_>) -> Result<&Arc<Store>, Error> {
        let own = self.own.get();
        let failed = || own.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((kind, reason, since)) = &*failed()
            && clock::monotonic() - *since < RETRY
        {
            return Err(Error::new(*kind, reason.clone()));
        }
        let options = Options {
            secret: self.secret(py),
            max_size: self.max_size,
            network: self.network,
        };
        // Two threads may both open; the first one's store is kept, and both are sound.
        match py.detach(|| Store::open(&self.path, options)) {
            Ok(store) => {
                let ours = Arc::new(store);
                let kept = own.opened.get_or_init(|| ours.clone());
                if Arc::ptr_eq(kept, &ours) {
                    // Without it, only what was used is forgotten.
                    let _ = at_exit::remember(py, kept);
                }
                Ok(kept)
            }
            Err(error) => own.opened.get().ok_or_else(|| {
                *failed() = Some((error.kind(), error.to_string(), clock::monotonic()));
                error
            }),
        }
    }

    fn secret(&self, py: Python<'_>) -> Option<Secret> {
        let read = py
            .import("afml_cache.config")
            .and_then(|config| config.call_method0("secret_source"))
            .and_then(|source| {
                let (key, path): (Option<String>, PathBuf) = source.extract()?;
                let bytes = match key {
                    Some(key) => crate::store::hex_bytes(&key),
                    None => crate::store::secret(&path).map_err(raise)?,
                };
                Secret::new(&bytes).map_err(raise)
            });
        read.map_err(|error| {
            let reason = error.value(py);
            let advice = "set AFML_CACHE_KEY to 64 hexadecimal digits, or make that file usable";
            *self
                .own
                .get()
                .unsealed
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(format!(
                "there is no secret to seal it with ({reason}; {advice})"
            ));
        })
        .ok()
    }

    /// What can't be stored: pickles where they are not allowed, and nothing that can run code where
    /// there is no secret.
    pub fn no_pickle(&self) -> Forbidden {
        let unsealed = self.own.get().unsealed.lock();
        let unsealed = unsealed.unwrap_or_else(PoisonError::into_inner).clone();
        let path = self.path.display();
        let refused = format!("`allow_pickle` is false for `{path}`");
        Forbidden {
            pickles: (!self.allow_pickle).then_some(refused).or(unsealed.clone()),
            classes: unsealed,
        }
    }
}
