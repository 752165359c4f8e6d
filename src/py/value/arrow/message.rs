//! The messages of a stream of Arrow's, as far as it must be known what pyarrow will make of them.
//!
//! pyarrow calls Python for extension types that somebody registered, and makes room for as much as
//! a packed buffer says it holds. Neither is ever written here.

use crate::py::error::corrupt;
use pyo3::PyResult;

/// What the metadata of a column of an extension type begins with.
pub const EXTENSION: &[u8] = b"ARROW:extension";

const CONTINUED: u32 = u32::MAX;
const SCHEMA: u8 = 1;
const DICTIONARY: u8 = 2;
const BATCH: u8 = 3;

/// Refuses a stream that no `write` wrote: extension types, packed buffers, swapped bytes.
pub fn check(mut stream: &[u8]) -> PyResult<()> {
    loop {
        let (message, rest) = next(stream).ok_or_else(unreadable)?;
        if message.is_empty() {
            return Ok(());
        }
        if !is_plain(message).ok_or_else(unreadable)? {
            return Err(corrupt("a stream of Arrow's that was not written here"));
        }
        let body = Table::root(message).and_then(|message| message.long(3));
        stream = body
            .and_then(|length| rest.get(length..))
            .ok_or_else(unreadable)?;
    }
}

fn unreadable() -> pyo3::PyErr {
    corrupt("a stream of Arrow's that can't be read")
}

/// The description of the next message, which is empty at the end, and what follows it.
fn next(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    if stream.is_empty() {
        return Some((stream, stream));
    }
    let (at, length) = match number(stream, 0)? {
        CONTINUED => (8, number(stream, 4)?),
        length => (4, length),
    };
    let length = usize::try_from(length).ok()?;
    stream.get(at..)?.split_at_checked(length)
}

fn is_plain(message: &[u8]) -> Option<bool> {
    let root = Table::root(message)?;
    let header = root.table(2)?;
    Some(match root.byte(1)? {
        SCHEMA => {
            let native = header.short(0).unwrap_or(0) == 0;
            native && memchr::memmem::find(message, EXTENSION).is_none()
        }
        DICTIONARY => header.table(1)?.place(3).is_none(),
        BATCH => header.place(3).is_none(),
        _ => false,
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*four))
}

/// A table of the FlatBuffers format.
#[derive(Clone, Copy)]
struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Table<'a> {
    fn root(bytes: &'a [u8]) -> Option<Self> {
        let at = usize::try_from(number(bytes, 0)?).ok()?;
        Some(Self { bytes, at })
    }

    /// Where a field lies; none where it is left out.
    fn place(self, field: usize) -> Option<usize> {
        let back = number(self.bytes, self.at)?.cast_signed();
        let slots = i64::try_from(self.at).ok()? - i64::from(back);
        let slots = self.bytes.get(usize::try_from(slots).ok()?..)?;
        let slot = |at: usize| Some(u16::from_le_bytes(*slots.get(at..)?.first_chunk()?));
        let at = 4 + 2 * field;
        if at + 2 > usize::from(slot(0)?) {
            return None;
        }
        match slot(at)? {
            0 => None,
            offset => self.at.checked_add(offset.into()),
        }
    }

    fn field<const N: usize>(self, field: usize) -> Option<[u8; N]> {
        self.bytes.get(self.place(field)?..)?.first_chunk().copied()
    }

    fn byte(self, field: usize) -> Option<u8> {
        self.field(field).map(u8::from_le_bytes)
    }

    fn short(self, field: usize) -> Option<u16> {
        self.field(field).map(u16::from_le_bytes)
    }

    /// A length; one that is left out is zero.
    fn long(self, field: usize) -> Option<usize> {
        match self.place(field) {
            None => Some(0),
            Some(_) => self
                .field(field)
                .and_then(|long| usize::try_from(u64::from_le_bytes(long)).ok()),
        }
    }

    fn table(self, field: usize) -> Option<Self> {
        let place = self.place(field)?;
        let offset = usize::try_from(number(self.bytes, place)?).ok()?;
        let at = place.checked_add(offset)?;
        Some(Self {
            bytes: self.bytes,
            at,
        })
    }
}
