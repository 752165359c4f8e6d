//! A value to its digest.
//!
//! Containers, instances and code are walked on a stack of our own, so that depth costs memory and
//! never the thread's stack. A value with parts is digested once in a walk, and stands in its holder
//! by that digest, so that sharing does not show.

mod cycle;
mod frame;
mod stack;

use super::python::digest_scalar;
use super::sink::{Container, Failure, Packages, Sink, Walk};
use super::{apart, numpy, pandas, step, tag};
use crate::digest::{Digest, Encoder, Strided, digest_all};
use crate::py::code::{Code, is_code};
use ::numpy::{PyUntypedArray, PyUntypedArrayMethods};
use cycle::{Hanging, Numbering};
use frame::{Frame, Parts};
use pyo3::prelude::*;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// From this many bytes on, other Python threads run while we hash.
const DETACH: usize = 256 * 1024;
/// Frames and arrays inside each other, which are walked on the thread's stack.
const DEEPEST_NATIVE: usize = 100;
/// Objects inside each other that Python takes apart. One that makes new parts whenever it is asked
/// would never end; a list of objects that know the next one may be long.
const DEEPEST_APART: usize = 250_000;

enum Met {
    /// It is on the stack, entered as this number.
    Open(u64),
    /// It leads back to a value that is on the stack; the lowest number that it reaches.
    Hanging(u64),
    Done(Digest),
}

/// Takes a value's canonical bytes and gives their digest.
#[derive(Default)]
pub struct DigestSink<'py> {
    encoder: Encoder,
    /// By address; the object is held, so that no address is used twice within one walk.
    met: FxHashMap<usize, (Met, Bound<'py, PyAny>)>,
    frames: Vec<Frame<'py>>,
    /// Writers that are free.
    spare: Vec<Encoder>,
    entered: u64,
    hanging: Hanging,
    numbering: Option<Numbering<'py>>,
    gathering: usize,
    native: usize,
    taken_apart: usize,
    steps: u32,
    unordered: bool,
    packages: Packages,
    codes: Vec<Arc<Code>>,
    /// What may say when something was, and lies in nothing else that may.
    timed: Vec<Bound<'py, PyAny>>,
    /// A package whose code counts wherever it is installed.
    own: Option<Arc<str>>,
}

impl<'py> DigestSink<'py> {
    /// A sink for which the code of this package counts wherever it is installed.
    pub fn for_package(own: Arc<str>) -> Self {
        Self {
            own: Some(own).filter(|own| !own.is_empty()),
            ..Self::default()
        }
    }

    /// The digest of one value. Values met before in the same sink are not hashed again.
    pub fn digest(&mut self, value: &Bound<'py, PyAny>) -> Walk<Digest> {
        if let Some(digest) = digest_scalar(&mut self.encoder, value) {
            return Ok(digest);
        }
        let walked = self.value(value);
        let digest = self.encoder.finish();
        walked.map(|()| digest)
    }

    /// The same, without the order of the dictionaries that it is made of.
    pub fn digest_unordered(&mut self, value: &Bound<'py, PyAny>) -> Walk<Digest> {
        self.unordered = true;
        let digest = self.digest(value);
        self.unordered = false;
        digest
    }

    /// Packages whose objects were met so far.
    pub fn packages(&self) -> Packages {
        self.packages
    }

    /// The code behind the values met so far.
    pub fn codes(&self) -> &[Arc<Code>] {
        &self.codes
    }

    /// The frames, series, indexes and tables met so far.
    pub fn timed(&self) -> &[Bound<'py, PyAny>] {
        &self.timed
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

    fn value(&mut self, value: &Bound<'py, PyAny>) -> Walk<()> {
        let floor = self.frames.len();
        step(self, value)
            .and_then(|()| self.finish(value.py(), floor))
            .map_err(|failure| self.unwind(floor, failure))
    }

    fn composite(
        &mut self,
        value: &Bound<'py, PyAny>,
        body: impl FnOnce(&mut Self) -> Walk<()>,
    ) -> Walk<()> {
        if self.seen(value)? {
            return Ok(());
        }
        if self.native >= DEEPEST_NATIVE {
            return Err(Failure::unhandled(format!(
                "more than {DEEPEST_NATIVE} frames and arrays inside each other"
            )));
        }
        self.open(value, Parts::Native, None);
        self.native += 1;
        let walked = body(self);
        self.native -= 1;
        walked?;
        self.close()
    }

    fn container(&mut self, value: &Bound<'py, PyAny>, container: Container<'_, 'py>) -> Walk<()> {
        if self.seen(value)? {
            return Ok(());
        }
        let (tag, length, parts) = match container {
            Container::Tuple(items) => (tag::TUPLE, items.len(), Parts::Tuple(items.clone(), 0)),
            Container::List(items) => (tag::LIST, items.len(), Parts::of_list(items)),
            Container::Dict(items) if self.unordered => {
                self.open(value, Parts::of_dict(items), Some(tag::UNORDERED_DICT));
                return Ok(());
            }
            Container::Dict(items) => (tag::DICT, items.len(), Parts::of_dict(items)),
            Container::Set(tag) => {
                self.open(value, Parts::Members(value.try_iter()?), Some(tag));
                return Ok(());
            }
        };
        self.open(value, parts, None);
        self.encoder.tag(tag);
        self.encoder.u64(length as u64);
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

    /// Code by its identity, anything else by what `take_apart` makes of it.
    fn other(&mut self, value: &Bound<'py, PyAny>) -> Walk<()> {
        if is_code(value) {
            return self.code(value);
        }
        if self.seen(value)? {
            return Ok(());
        }
        if self.taken_apart >= DEEPEST_APART {
            return Err(Failure::unhandled(format!(
                "more than {DEEPEST_APART} objects inside each other, as if it made new ones without end"
            )));
        }
        let (kind, parts) = apart::take_apart(value)?;
        if kind == "code" {
            let (_, code): (Bound<'py, PyAny>, Bound<'py, PyAny>) = parts.get_item(0)?.extract()?;
            return self.code(&code);
        }
        let count = parts.len();
        self.open(value, Parts::Apart(parts, 0), None);
        self.encoder.tag(tag::OBJECT);
        self.encoder.bytes(kind.to_str()?.as_bytes());
        self.encoder.u64(count as u64);
        Ok(())
    }

    fn met(&mut self, package: Packages) {
        self.packages.add(package);
    }

    fn met_times(&mut self, value: &Bound<'py, PyAny>) {
        if self.native == 0 && !self.met.contains_key(&self.address(value)) {
            self.timed.push(value.clone());
        }
    }
}
