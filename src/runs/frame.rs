//! Frames of the log of runs, and what stands between them.
//!
//! ```text
//! 0   magic "AFMLRUN1"
//! 8   length of the event
//! 16  its digest, XXH3-128
//! 32  the event: a tag, and its fields
//! …   a byte that is not zero: it is written last
//! ```

use super::event::Event;
use crate::digest::Digest;
use crate::error::Result;
use crate::format::{Reader, Writer};
use crate::store::{Bytes, LockedLog, RunLog};

const MAGIC: [u8; 8] = *b"AFMLRUN1";
const HEAD: usize = MAGIC.len() + size_of::<u64>() + Digest::SIZE;
const END: u8 = b'\n';
/// What a frame has beside its event.
const AROUND: usize = HEAD + 1;
/// How much of the log is read at once.
const WINDOW: usize = 4 << 20;

/// Where a frame lies in the log: its first byte, and how many there are.
pub type Place = (u64, usize);

/// The frames of some events, one behind the other, and how long each is.
pub fn frames(events: &[Event]) -> (Vec<u8>, Vec<usize>) {
    let mut frames = Writer::new();
    let mut lengths = Vec::with_capacity(events.len());
    for event in events {
        let content = event.bytes();
        frames.raw(&MAGIC);
        frames.u64(content.len() as u64);
        frames.raw(&Digest::of(&content).0);
        frames.raw(&content);
        frames.u8(END);
        lengths.push(AROUND + content.len());
    }
    (frames.finish(), lengths)
}

/// How long the frame of a payload of so many bytes is.
pub fn length_of_payload(payload: usize) -> usize {
    AROUND + size_of::<u8>() + size_of::<u64>() + payload
}

/// What the head of a frame says of its event: how long it is, and its digest.
fn head(bytes: &[u8]) -> Option<(usize, Digest)> {
    let mut reader = Reader::new(bytes);
    if reader.array().ok()? != MAGIC {
        return None;
    }
    Some((reader.length().ok()?, reader.digest().ok()?))
}

/// The event of a frame that is what was written.
fn event_of(frame: &[u8]) -> Option<&[u8]> {
    let (found, rest) = frame.split_at_checked(HEAD)?;
    let (end, content) = rest.split_last()?;
    let (length, digest) = head(found)?;
    let is_whole = length == content.len() && *end == END && Digest::of(content) == digest;
    is_whole.then_some(content)
}

/// The bytes of the event whose frame lies there; `None` where there is no such frame.
///
/// # Errors
/// The log can't be read.
pub fn content(log: &RunLog, (place, length): Place) -> Result<Option<Bytes>> {
    if place.saturating_add(length as u64) > log.length()? {
        return Ok(None);
    }
    let frame = log.read(place, length)?;
    Ok(event_of(frame.slice()).map(Bytes::copy))
}

/// Gives the disk back what a frame takes that nobody needs; its head stays, so that it is no damage.
pub fn empty(log: &LockedLog, place: u64, length: u64) {
    log.empty(place + HEAD as u64, length.saturating_sub(AROUND as u64));
}

/// What is met in a log.
#[derive(Debug)]
pub enum Step {
    /// An event, and where its frame lies.
    Event(Place, Event),
    /// An event that is of no kind known here.
    Unknown,
    /// Something that is not what was written.
    Damage,
    /// What a process that was killed has left, from here to the end.
    Torn(u64),
    /// Zeroes from here to the end.
    Room(u64),
}

/// A walk over the frames of a log.
pub struct Walk<'a> {
    log: &'a RunLog,
    at: u64,
    end: u64,
    window: (u64, Option<Bytes>),
}

impl<'a> Walk<'a> {
    /// From some place on, where a frame begins, to the end as it is now.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn of(log: &'a RunLog, from: u64) -> Result<Self> {
        Ok(Self {
            log,
            at: from,
            end: log.length()?,
            window: (0, None),
        })
    }

    /// The place up to which it has come.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether nothing is left.
    pub fn is_over(&self) -> bool {
        self.at >= self.end
    }

    /// Where the last frame ends: what lies behind it is torn, or zeroes.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn end(mut self) -> Result<u64> {
        loop {
            match self.step()? {
                Some(Step::Torn(from) | Step::Room(from)) => return Ok(from),
                None => return Ok(self.at),
                Some(_) => {}
            }
        }
    }

    /// What comes next; `None` at the end.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn step(&mut self) -> Result<Option<Step>> {
        while !self.is_over() {
            let place = self.at;
            let Some(length) = self.length_at(place)? else {
                return self.pass_over(place, place + 1).map(Some);
            };
            let after = place + length as u64;
            match self.event_at(place, length)? {
                At::Emptied => self.at = after,
                At::Damage if after == self.end || self.length_at(after)?.is_some() => {
                    self.at = after;
                    return Ok(Some(Step::Damage));
                }
                At::Damage => return self.pass_over(place, place + 1).map(Some),
                At::Unknown => {
                    self.at = after;
                    return Ok(Some(Step::Unknown));
                }
                At::Event(event) => {
                    self.at = after;
                    return Ok(Some(Step::Event((place, length), event)));
                }
            }
        }
        Ok(None)
    }

    /// Goes to the next frame that is whole. Where there is none, the rest is what was begun there.
    fn pass_over(&mut self, from: u64, mut next: u64) -> Result<Step> {
        while let Some(place) = self.find(next)? {
            if let Some(length) = self.length_at(place)?
                && !matches!(self.event_at(place, length)?, At::Damage)
            {
                self.at = place;
                return Ok(Step::Damage);
            }
            next = place + 1;
        }
        self.at = self.end;
        Ok(match self.last_byte(from)? {
            None => Step::Room(from),
            Some(last) if self.is_begun(from, last)? => Step::Torn(from),
            Some(last) => {
                self.at = last + 1;
                Step::Damage
            }
        })
    }

    /// Whether what lies at a place, up to its last byte that is not zero, is what a process leaves
    /// that is killed while it writes a frame.
    fn is_begun(&mut self, from: u64, last: u64) -> Result<bool> {
        let bytes = self.bytes(from, HEAD)?;
        if bytes.starts_with(&[0]) {
            // Nobody was told that it is there.
            return Ok(true);
        }
        let Some((length, _)) = head(bytes).filter(|_| last >= from + HEAD as u64) else {
            let written = usize::try_from(last - from).unwrap_or(usize::MAX) + 1;
            return Ok(bytes.starts_with(&MAGIC[..written.min(MAGIC.len())]));
        };
        let end = (from + AROUND as u64).saturating_add(length as u64);
        Ok(last + 1 < end)
    }

    /// The place of the last byte that is not zero.
    fn last_byte(&mut self, from: u64) -> Result<Option<u64>> {
        let (mut place, mut last) = (from, None);
        while place < self.end {
            let bytes = self.bytes(place, 1)?;
            let found = bytes.iter().rposition(|&byte| byte != 0);
            let length = bytes.len() as u64;
            last = found.map(|found| place + found as u64).or(last);
            place += length;
        }
        Ok(last)
    }

    /// How long the frame is that begins at a place; `None` where none does that is all there.
    fn length_at(&mut self, place: u64) -> Result<Option<usize>> {
        let Some((length, _)) = head(self.bytes(place, HEAD)?) else {
            return Ok(None);
        };
        let length = length.saturating_add(AROUND);
        Ok(Some(length).filter(|&length| place.saturating_add(length as u64) <= self.end))
    }

    fn event_at(&mut self, place: u64, length: usize) -> Result<At> {
        let frame = &self.bytes(place, length)?[..length];
        Ok(if let Some(content) = event_of(frame) {
            Event::read(content).map_or(At::Unknown, At::Event)
        } else if frame[HEAD..length - 1].iter().all(|&byte| byte == 0) && frame.ends_with(&[END]) {
            At::Emptied
        } else {
            At::Damage
        })
    }

    /// Where a frame may begin, from some place on.
    fn find(&mut self, mut from: u64) -> Result<Option<u64>> {
        while from < self.end {
            let bytes = self.bytes(from, HEAD)?;
            let mut places = bytes.windows(MAGIC.len());
            if let Some(found) = places.position(|window| window == MAGIC) {
                return Ok(Some(from + found as u64));
            }
            from += (bytes.len() + 1).saturating_sub(MAGIC.len()).max(1) as u64;
        }
        Ok(None)
    }

    /// What lies at a place, at least so many bytes unless the log ends before.
    fn bytes(&mut self, place: u64, length: usize) -> Result<&[u8]> {
        let left = usize::try_from(self.end - place).unwrap_or(usize::MAX);
        let needed = length.min(left);
        let (base, window) = &mut self.window;
        let held = window.as_ref().map_or(0, |window| window.slice().len());
        let is_in = place >= *base && place - *base + needed as u64 <= held as u64;
        if !is_in || window.is_none() {
            *window = Some(self.log.read(place, left.min(WINDOW).max(needed))?);
            *base = place;
        }
        let offset = usize::try_from(place - *base).unwrap_or(usize::MAX);
        Ok(&window.as_ref().map_or(&[][..], Bytes::slice)[offset..])
    }
}

/// What lies in the place of an event.
enum At {
    Event(Event),
    Unknown,
    Damage,
    /// Zeroes: it was of no use any longer.
    Emptied,
}
