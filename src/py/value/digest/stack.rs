//! The stack of a digest: values are entered, their parts walked, and left with a digest.

use super::cycle::Numbering;
use super::frame::{Frame, Parts};
use super::{DigestSink, Met};
use crate::digest::Digest;
use crate::py::code::{code_of, is_function};
use crate::py::value::sink::{Failure, Sink, Walk};
use crate::py::value::{step, tag};
use pyo3::intern;
use pyo3::prelude::*;

/// How many parts are walked between two looks for Ctrl-C.
const PATIENCE: u32 = 1 << 16;

impl<'py> DigestSink<'py> {
    /// What tells a value apart from all others, as long as it is held: objects lie at even
    /// addresses, and the lowest bit says whether the order of dictionaries counts.
    pub(super) fn address(&self, value: &Bound<'py, PyAny>) -> usize {
        value.as_ptr().addr() | usize::from(self.unordered)
    }

    /// Whether a value with parts was met before; if so, it is written.
    pub(super) fn seen(&mut self, value: &Bound<'py, PyAny>) -> Walk<bool> {
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
    pub(super) fn open(
        &mut self,
        value: &Bound<'py, PyAny>,
        parts: Parts<'py>,
        gathered: Option<u8>,
    ) {
        let (address, number) = (self.address(value), self.entered);
        self.entered += 1;
        let unordered = self.unordered;
        self.unordered &= parts.are_plain();
        if self.numbering.is_none() {
            self.met.insert(address, (Met::Open(number), value.clone()));
        }
        let encoder = self.spare.pop().unwrap_or_default();
        self.gathering += usize::from(gathered.is_some());
        self.taken_apart += usize::from(matches!(parts, Parts::Apart(..)));
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
    }

    /// Walks what lies on the stack above `floor`.
    pub(super) fn finish(&mut self, py: Python<'py>, floor: usize) -> Walk<()> {
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
    pub(super) fn close(&mut self) -> Walk<()> {
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
        self.taken_apart -= usize::from(matches!(frame.parts, Parts::Apart(..)));
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
            low if low == frame.number && self.gathering > 0 => {
                // The order in which a set gives its members must not say which of a cycle's values
                // is its first: each is digested from where it stands.
                let digest = self.number_cycle(frame)?;
                self.met.remove(&address);
                return Ok(digest);
            }
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
    pub(super) fn unwind(&mut self, floor: usize, mut failure: Failure) -> Failure {
        while self.frames.len() > floor {
            if let Some(frame) = self.frames.pop() {
                self.encoder = frame.outer;
                self.unordered = frame.unordered;
                self.gathering -= usize::from(frame.gathered.is_some());
                self.taken_apart -= usize::from(matches!(frame.parts, Parts::Apart(..)));
                failure = failure.within(|| frame.parts.segment());
            }
        }
        failure
    }

    pub(super) fn code(&mut self, value: &Bound<'py, PyAny>) -> Walk<()> {
        if self.seen(value)? {
            return Ok(());
        }
        let code = code_of(value, self.own.as_deref().unwrap_or_default())?;
        let attributes = attributes_of(value)?;
        let has_attributes = attributes.is_some();
        self.open(value, Parts::Code(code.clone(), 0, attributes), None);
        self.encoder.tag(tag::CODE);
        self.flag(has_attributes);
        self.encoder.digest(code.digest);
        self.encoder.u64(code.mutables.len() as u64);
        self.codes.push(code);
        Ok(())
    }
}

/// What hangs on a function, which whoever is given it may read.
fn attributes_of<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if !is_function(value) {
        return Ok(None);
    }
    let attributes = value.getattr(intern!(value.py(), "__dict__"))?;
    Ok(Some(attributes).filter(|attributes| !attributes.is_empty().unwrap_or(true)))
}
