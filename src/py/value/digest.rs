//! A value to its digest.
//!
//! Containers, instances and code are walked on a stack of our own, so that depth costs memory and
//! never the thread's stack. A value with parts is digested once in a walk, and stands in its holder
//! by that digest, so that sharing does not show.

use super::cycle::{Hanging, Numbering};
use super::frame::{Frame, Parts};
use super::sink::{Container, Failure, Packages, Sink, Walk};
use super::{apart, numpy, pandas, step, tag};
use crate::digest::{Digest, Encoder, Strided, digest_all};
use crate::py::code::{Code, code_of, is_code};
use ::numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// From this many bytes on, other Python threads run while we hash.
const DETACH: usize = 256 * 1024;
/// Frames and arrays inside each other, which are walked on the thread's stack.
const DEEPEST_NATIVE: usize = 100;
/// A value that makes new parts whenever it is asked would never end.
const DEEPEST: usize = 5_000_000;
/// How many parts are walked between two looks for Ctrl-C.
const PATIENCE: u32 = 1 << 16;

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
    steps: u32,
    unordered: bool,
    packages: Packages,
    codes: Vec<Arc<Code>>,
}

impl<'py> DigestSink<'py> {
    /// The digest of one value. Values met before in the same sink are not hashed again.
    pub fn digest(&mut self, value: &Bound<'py, PyAny>) -> Walk<Digest> {
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

    /// What tells a value apart from all others, as long as it is held: objects lie at even
    /// addresses, and the lowest bit says whether the order of dictionaries counts.
    fn address(&self, value: &Bound<'py, PyAny>) -> usize {
        value.as_ptr().addr() | usize::from(self.unordered)
    }

    /// Whether a value with parts was met before; if so, it is written.
    fn seen(&mut self, value: &Bound<'py, PyAny>) -> Walk<bool> {
        let address = self.address(value);
        let met = self.met.get(&address).map(|(met, _)| met);
        if let Some(Met::Done(digest)) = met {
            self.encoder.tag(tag::COMPOSITE);
            self.encoder.digest(*digest);
            return Ok(true);
        }
        if let Some(numbering) = &mut self.numbering {
            let Some(number) = numbering.number(address, value)? else {
                return Ok(false);
            };
            self.encoder.tag(tag::REFERENCE);
            self.encoder.u64(number);
            return Ok(true);
        }
        let Some(Met::Open(number) | Met::Hanging(number)) = met else {
            return Ok(false);
        };
        // What is written here is not used: a value in a cycle is digested by `cycle`.
        if let Some(frame) = self.frames.last_mut() {
            frame.low = frame.low.min(*number);
        }
        Ok(true)
    }

    /// Enters a value that was not seen.
    fn open(
        &mut self,
        value: &Bound<'py, PyAny>,
        parts: Parts<'py>,
        gathered: Option<u8>,
    ) -> Walk<()> {
        if self.frames.len() >= DEEPEST {
            return Err(Failure::unhandled(format!(
                "more than {DEEPEST} levels deep, as if it made new parts without end"
            )));
        }
        let (address, number) = (self.address(value), self.entered);
        self.entered += 1;
        let unordered = self.unordered;
        self.unordered &= parts.are_plain();
        if self.numbering.is_none() {
            self.met.insert(address, (Met::Open(number), value.clone()));
        }
        let encoder = self.spare.pop().unwrap_or_default();
        self.gathering += usize::from(gathered.is_some());
        self.frames.push(Frame {
            value: value.clone(),
            address,
            unordered,
            parts,
            outer: std::mem::replace(&mut self.encoder, encoder),
            number,
            low: u64::MAX,
            gathered: gathered.map(|tag| (tag, Vec::new())),
            hanging: self.hanging.len(),
            begun: false,
        });
        Ok(())
    }

    /// Walks what lies on the stack above `floor`.
    fn finish(&mut self, py: Python<'py>, floor: usize) -> Walk<()> {
        while self.frames.len() > floor {
            self.steps = self.steps.wrapping_add(1);
            if self.steps.is_multiple_of(PATIENCE) {
                py.check_signals()?;
            }
            let Some(frame) = self.frames.last_mut() else {
                return Ok(());
            };
            if frame.gathered.is_some() && frame.at_boundary() {
                self.gather();
            }
            let Some(frame) = self.frames.last_mut() else {
                return Ok(());
            };
            match frame.parts.next(py, &mut self.encoder)? {
                Some(part) => {
                    frame.begun = true;
                    step(self, &part)?;
                }
                None => self.close()?,
            }
        }
        Ok(())
    }

    /// Takes the digest of a part whose order does not count.
    fn gather(&mut self) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        if frame.begun
            && let Some((_, gathered)) = &mut frame.gathered
        {
            gathered.push(self.encoder.finish());
        }
        if let Some(numbering) = &mut self.numbering {
            numbering.next_member(frame.begun);
        }
    }

    /// Leaves the value on top of the stack, and writes its digest into its holder.
    fn close(&mut self) -> Walk<()> {
        let Some(mut frame) = self.frames.pop() else {
            return Ok(());
        };
        if let Some((tag, mut gathered)) = frame.gathered.take() {
            self.gathering -= 1;
            gathered.sort_unstable();
            self.encoder.tag(tag);
            self.encoder.u64(gathered.len() as u64);
            gathered
                .iter()
                .for_each(|digest| self.encoder.digest(*digest));
            if let Some(numbering) = &mut self.numbering {
                numbering.end_members();
            }
        }
        let digest = self.encoder.finish();
        self.unordered = frame.unordered;
        std::mem::swap(&mut self.encoder, &mut frame.outer);
        let digest = match self.numbering {
            None => self.settle(&frame, digest)?,
            Some(_) => digest,
        };
        self.spare.push(frame.outer);
        self.encoder.tag(tag::COMPOSITE);
        self.encoder.digest(digest);
        Ok(())
    }

    /// Says what a value that was just left is, from here on.
    fn settle(&mut self, frame: &Frame<'py>, digest: Digest) -> Walk<Digest> {
        let address = frame.address;
        if frame.low < frame.number {
            self.met
                .insert(address, (Met::Hanging(frame.low), frame.value.clone()));
            self.hanging.push(address);
            if let Some(holder) = self.frames.last_mut() {
                holder.low = holder.low.min(frame.low);
            }
            return Ok(digest);
        }
        let digest = match frame.low {
            u64::MAX => digest,
            low if low == frame.number => self.number_cycle(frame)?,
            _ => {
                return Err(Failure::unhandled(
                    "a value whose parts changed while it was read",
                ));
            }
        };
        self.met
            .insert(address, (Met::Done(digest), frame.value.clone()));
        Ok(digest)
    }

    /// Digests a value that holds itself, together with all that lead back to it: by numbers in the
    /// order in which they are met from here.
    fn number_cycle(&mut self, frame: &Frame<'py>) -> Walk<Digest> {
        let outer = std::mem::take(&mut self.encoder);
        self.numbering = Some(Numbering::default());
        self.encoder.tag(tag::CYCLE);
        let walked = self.value(&frame.value);
        let digest = self.encoder.finish();
        self.encoder = outer;
        let numbering = self.numbering.take().unwrap_or_default();
        walked?;
        for address in self.hanging.split_off(frame.hanging) {
            let member = numbering.member(address, digest);
            match (member, self.met.get_mut(&address)) {
                (Some(member), Some((met, _))) if self.gathering == 0 => *met = Met::Done(member),
                _ => {
                    self.met.remove(&address);
                }
            }
        }
        Ok(digest)
    }

    /// Leaves everything above `floor` after a failure, and gives it the path to where it was.
    fn unwind(&mut self, floor: usize, mut failure: Failure) -> Failure {
        while self.frames.len() > floor {
            if let Some(frame) = self.frames.pop() {
                self.encoder = frame.outer;
                self.unordered = frame.unordered;
                self.gathering -= usize::from(frame.gathered.is_some());
                failure = failure.within(|| frame.parts.segment());
            }
        }
        failure
    }

    fn code(&mut self, value: &Bound<'py, PyAny>) -> Walk<()> {
        if self.seen(value)? {
            return Ok(());
        }
        let code = code_of(value)?;
        self.open(value, Parts::Code(code.clone(), 0), None)?;
        self.encoder.tag(tag::CODE);
        self.encoder.digest(code.digest);
        self.encoder.u64(code.mutables.len() as u64);
        self.codes.push(code);
        Ok(())
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
        self.open(value, Parts::Native, None)?;
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
                return self.open(value, Parts::of_dict(items), Some(tag::UNORDERED_DICT));
            }
            Container::Dict(items) => (tag::DICT, items.len(), Parts::of_dict(items)),
            Container::Set(tag) => {
                return self.open(value, Parts::Members(value.try_iter()?), Some(tag));
            }
        };
        self.open(value, parts, None)?;
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
        let (kind, parts) = apart::take_apart(value)?;
        if kind == "code" {
            let (_, code): (Bound<'py, PyAny>, Bound<'py, PyAny>) = parts.get_item(0)?.extract()?;
            return self.code(&code);
        }
        let count = parts.len();
        self.open(value, Parts::Apart(parts, 0), None)?;
        self.encoder.tag(tag::OBJECT);
        self.encoder.bytes(kind.to_str()?.as_bytes());
        self.encoder.u64(count as u64);
        Ok(())
    }

    fn met(&mut self, package: Packages) {
        self.packages.add(package);
    }
}
