//! The digests that a key is made of.

use super::bind::Role;
use super::identity::Met;
use super::value::{DigestSink, Packages, Walk, digest_scalar, refused};
use crate::digest::{Digest, Encoder};
use pyo3::prelude::*;
use std::sync::Arc;

/// Digests the parts of one key; a sink is made for the first that needs one.
pub struct KeyDigests<'a, 'py> {
    own: &'a Arc<str>,
    sink: Option<DigestSink<'py>>,
}

impl<'a, 'py> KeyDigests<'a, 'py> {
    /// Those of a function of this package.
    pub fn of(own: &'a Arc<str>) -> Self {
        Self { own, sink: None }
    }

    /// For what is not plain.
    pub fn sink(&mut self) -> &mut DigestSink<'py> {
        self.sink
            .get_or_insert_with(|| DigestSink::for_package(self.own.clone()))
    }

    /// The digest of an argument.
    pub fn argument(
        &mut self,
        encoder: &mut Encoder,
        role: Role,
        value: &Bound<'py, PyAny>,
    ) -> Walk<Digest> {
        match role {
            Role::Unordered => self.sink().digest_unordered(value),
            Role::File => {
                let py = value.py();
                let files = py
                    .import("afml_cache.files")?
                    .call_method1("file_key", (value,))
                    .map_err(|error| refused(py, error))?;
                self.sink().digest(&files)
            }
            Role::Content | Role::Ignored => match digest_scalar(encoder, value) {
                Some(digest) => Ok(digest),
                None => self.sink().digest(value),
            },
        }
    }

    /// Packages whose objects were met.
    pub fn packages(&self) -> Packages {
        self.sink
            .as_ref()
            .map(DigestSink::packages)
            .unwrap_or_default()
    }

    /// What was met, other than packages.
    pub fn met(&self) -> Option<Box<Met>> {
        let sink = self.sink.as_ref()?;
        let timed = sink.timed().iter().map(|value| value.clone().unbind());
        let met = Met {
            codes: sink.codes().into(),
            timed: timed.collect(),
        };
        let is_nothing = met.codes.is_empty() && met.timed.is_empty();
        (!is_nothing).then(|| Box::new(met))
    }
}
