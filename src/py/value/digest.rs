//! A value to its digest.

use super::sink::{DEEPEST, Failure, Packages, Sink, Walk, not_handled};
use super::{numpy, pandas, tag, walk};
use crate::digest::{Digest, Encoder, Strided, digest_all};
use ::numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::collections::HashMap;

/// From this many bytes on, other Python threads run while we hash.
const DETACH: usize = 256 * 1024;

enum Met {
    Open,
    Done(Digest),
}

/// Takes a value's canonical bytes and gives their digest.
#[derive(Default)]
pub struct DigestSink<'py> {
    encoder: Encoder,
    /// By address; the object is held, so that no address is used twice within one walk.
    met: HashMap<usize, (Met, Bound<'py, PyAny>)>,
    depth: usize,
    packages: Packages,
}

impl<'py> DigestSink<'py> {
    /// The digest of one value. Values met before in the same sink are not hashed again.
    pub fn digest(&mut self, value: &Bound<'py, PyAny>) -> Walk<Digest> {
        let walked = walk(self, value);
        let digest = self.encoder.finish();
        walked.map(|()| digest)
    }

    /// Packages whose objects were met so far.
    pub fn packages(&self) -> Packages {
        self.packages
    }

    /// The digests of several buffers, hashed together.
    pub fn views(&self, py: Python<'py>, views: &[Strided]) -> Vec<Digest> {
        if views.iter().map(Strided::byte_length).sum::<usize>() >= DETACH {
            py.detach(|| digest_all(views))
        } else {
            digest_all(views)
        }
    }

    /// A buffer's length and digest.
    pub fn buffer(&mut self, view: Strided, digest: Digest) {
        self.encoder.u64(view.byte_length() as u64);
        self.encoder.digest(digest);
    }

    fn apart(&mut self, body: impl FnOnce(&mut Self) -> Walk<()>) -> Walk<Digest> {
        let outer = std::mem::take(&mut self.encoder);
        let walked = body(self);
        let digest = std::mem::replace(&mut self.encoder, outer).finish();
        walked.map(|()| digest)
    }
}

impl<'py> Sink<'py> for DigestSink<'py> {
    const CANONICAL: bool = true;

    fn tag(&mut self, tag: u8) {
        self.encoder.tag(tag);
    }

    fn u64(&mut self, value: u64) {
        self.encoder.u64(value);
    }

    fn i64(&mut self, value: i64) {
        self.encoder.i64(value);
    }

    fn f64(&mut self, value: f64) {
        self.encoder.f64(value);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.encoder.bytes(bytes);
    }

    fn composite(
        &mut self,
        value: &Bound<'py, PyAny>,
        body: impl FnOnce(&mut Self) -> Walk<()>,
    ) -> Walk<()> {
        let address = value.as_ptr().addr();
        let digest = match self.met.get(&address) {
            Some((Met::Done(digest), _)) => *digest,
            Some((Met::Open, _)) => {
                return Err(Failure::unhandled("a container that holds itself"));
            }
            None if self.depth >= DEEPEST => {
                return Err(Failure::unhandled(format!(
                    "a container more than {DEEPEST} levels deep"
                )));
            }
            None => {
                self.met.insert(address, (Met::Open, value.clone()));
                self.depth += 1;
                let digest = self.apart(body);
                self.depth -= 1;
                let digest = digest?;
                self.met.insert(address, (Met::Done(digest), value.clone()));
                digest
            }
        };
        self.encoder.tag(tag::COMPOSITE);
        self.encoder.digest(digest);
        Ok(())
    }

    fn members(&mut self, set: &Bound<'py, PyAny>) -> Walk<()> {
        let mut digests = Vec::new();
        for member in set.try_iter()? {
            let member = member?;
            digests.push(
                self.apart(|sink| walk(sink, &member))
                    .map_err(|failure| failure.within(|| "{...}".into()))?,
            );
        }
        digests.sort_unstable();
        self.encoder.u64(digests.len() as u64);
        for digest in digests {
            self.encoder.digest(digest);
        }
        Ok(())
    }

    fn array(&mut self, array: &Bound<'py, PyUntypedArray>) -> Walk<()> {
        let laid_out = if array.ndim() == 1 {
            array.clone()
        } else {
            numpy::in_rows(array)?
        };
        let view = numpy::view(&laid_out);
        let digest = self.views(array.py(), &[view])[0];
        self.buffer(view, digest);
        Ok(())
    }

    fn cells(&mut self, frame: &Bound<'py, PyAny>) -> Walk<()> {
        pandas::digest_columns(self, frame)
    }

    fn borrowed<O: Send + Sync + 'static>(
        &mut self,
        py: Python<'py>,
        owner: O,
        bytes: impl FnOnce(&O) -> &[u8],
    ) {
        // SAFETY: the view is used within this call, and `owner` lives to its end.
        let view = unsafe { Strided::contiguous(bytes(&owner)) };
        let digest = self.views(py, &[view])[0];
        self.buffer(view, digest);
    }

    fn unhandled(&mut self, value: &Bound<'py, PyAny>) -> Walk<()> {
        Err(not_handled(value))
    }

    fn met(&mut self, package: Packages) {
        self.packages.add(package);
    }
}
