//! What backtests returned, and rows of splits, as payloads and back.

use super::PyRuns;
use crate::clock;
use crate::digest::Digest;
use crate::error::{Error, Kind};
use crate::format::{Draft, Meta};
use crate::py::error::raise;
use crate::py::value::{DraftSink, Failure, load};
use crate::store::{Bytes, Store};
use pyo3::prelude::*;

impl PyRuns {
    pub(super) fn payload(
        &self,
        py: Python<'_>,
        store: &Store,
        (key, function): (Digest, &str),
        value: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<u8>> {
        let forbidden = self.0.bind(py).get().no_pickle();
        let drafted = DraftSink::draft(value, forbidden).map_err(|failure| match failure {
            Failure::Python(error) => error,
            Failure::Unhandled(unhandled) => {
                let (path, reason) = (unhandled.path(), &unhandled.reason);
                raise(Error::new(
                    Kind::Io,
                    format!("the answer{path} can't be stored: {reason}"),
                ))
            }
        })?;
        let draft = Draft {
            key,
            created_ns: clock::wall_ns(),
            seconds: 0.0,
            meta: Meta {
                function: function.to_owned(),
                ..Meta::default()
            },
            tree: drafted.tree,
            leaves: drafted.leaves,
            code_bearing: drafted.code_bearing,
            pickled: drafted.pickled,
            compression: None,
        };
        let payload = py.detach(|| store.payload(&draft, 0)).map_err(raise);
        drop((draft, drafted.keep));
        payload
    }

    pub(super) fn value<'py>(
        &self,
        py: Python<'py>,
        store: &Store,
        key: Digest,
        bytes: Bytes,
    ) -> PyResult<Bound<'py, PyAny>> {
        let found = py
            .detach(|| store.open_payload(key, bytes))
            .map_err(raise)?;
        if found.head.pickled && !self.0.bind(py).get().allows_pickle() {
            let what = "it is a pickle, and `allow_pickle` is false for this store";
            return Err(raise(Error::new(Kind::Corrupt, what)));
        }
        load(py, &found.head, found.bytes, found.sound)
    }
}
