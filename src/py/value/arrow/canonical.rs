//! Arrow arrays as canonical bytes: layout, offsets, chunks and hidden slots left out.
//!
//! What a type is made of is written as it is met; its buffers are collected, and hashed together
//! at the end. Slots inside of a null are left out, so that whatever they hold can't show.

use super::ffi::{Array, Schema, malformed};
use super::kind::Kind;
use super::{coded, spans};
use crate::digest::{Bits, Digest, View, Write, digest_views};
use crate::py::value::sink::{Sink, Walk};
use pyo3::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// From this many bytes on, other Python threads run while we hash.
const DETACH: usize = 256 * 1024;
/// Types nested deeper than this are refused.
const DEEPEST: usize = 100;
/// Pieces shorter than this on average are copied together.
const SHORT: usize = 1024;

/// Slots of an array side by side, counted from the start of its buffers.
#[derive(Clone)]
pub struct Window<'a> {
    pub array: Array<'a>,
    pub rows: Range<usize>,
}

/// Canonical bytes: in one piece where they lie, in several, or made.
pub enum Buffer<'a> {
    Whole(&'a [u8]),
    Pieces(Vec<&'a [u8]>),
    Made(Vec<u8>),
    /// So many bytes, written when they are hashed.
    Written(usize, Box<Write<'a>>),
}

/// Takes arrays and gives their canonical bytes.
#[derive(Default)]
pub struct Canonical<'a> {
    structure: Vec<u8>,
    buffers: Vec<Buffer<'a>>,
    depth: usize,
}

impl<'a> Window<'a> {
    /// All slots of an array.
    pub fn of(array: Array<'a>) -> Walk<Self> {
        let start = array.offset()?;
        let rows = start..start + array.length()?;
        Ok(Self { array, rows })
    }

    /// Slots of an array inside, counted from the first one that shows.
    pub fn inside(array: Array<'a>, rows: Range<usize>) -> Walk<Self> {
        let start = array.offset()?;
        let rows = start.saturating_add(rows.start)..start.saturating_add(rows.end);
        array.check(&rows)?;
        Ok(Self { array, rows })
    }
}

/// Slots of several windows.
pub fn length(windows: &[Window<'_>]) -> usize {
    windows.iter().map(|window| window.rows.len()).sum()
}

impl Buffer<'_> {
    fn view(&self) -> View<'_> {
        // SAFETY: the buffer outlives the view, which is used and dropped in `finish`.
        unsafe {
            match self {
                Self::Whole(bytes) => View::contiguous(bytes),
                Self::Made(bytes) => View::contiguous(bytes),
                Self::Pieces(pieces) => View::pieces(pieces),
                Self::Written(length, write) => View::Written(*length, Box::new(write)),
            }
        }
    }
}

impl<'a> Canonical<'a> {
    /// An empty one for a single value inside of this one.
    pub fn single(&self) -> Self {
        Self {
            depth: self.depth,
            ..Self::default()
        }
    }

    /// A small number that says what follows.
    pub fn tag(&mut self, tag: u8) {
        self.structure.push(tag);
    }

    /// A count or length.
    pub fn u64(&mut self, number: u64) {
        self.structure.extend(number.to_le_bytes());
    }

    /// A buffer.
    pub fn buffer(&mut self, buffer: Buffer<'a>) {
        self.buffers.push(buffer);
    }

    /// Bytes in pieces; copied together where they are many and short.
    pub fn pieces(&mut self, pieces: Vec<&'a [u8]>) {
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.buffers.push(match pieces.as_slice() {
            [] => Buffer::Whole(&[]),
            [only] => Buffer::Whole(only),
            _ if pieces.len() * SHORT > total => Buffer::Made(pieces.concat()),
            _ => Buffer::Pieces(pieces),
        });
    }

    /// Structure and buffers to a digest's sink.
    pub fn finish<'py, S: Sink<'py>>(self, py: Python<'py>, sink: &mut S) {
        let views: Vec<View> = self.buffers.iter().map(Buffer::view).collect();
        let total: usize = views.iter().map(View::byte_length).sum();
        let digests = if total >= DETACH {
            py.detach(|| digest_views(&views))
        } else {
            digest_views(&views)
        };
        sink.bytes(&self.structure);
        for (view, digest) in views.iter().zip(digests) {
            sink.u64(view.byte_length() as u64);
            sink.bytes(&digest.0);
        }
    }

    /// Everything so far as one digest: for single values.
    pub fn digest(self) -> Digest {
        let mut bytes = self.structure;
        for buffer in &self.buffers {
            let view = buffer.view();
            bytes.extend((view.byte_length() as u64).to_le_bytes());
            bytes.extend(digest_views(&[view])[0].0);
        }
        Digest::of(&bytes)
    }

    /// The slots of a type.
    pub fn column(&mut self, schema: Schema<'a>, windows: &[Window<'a>]) -> Walk<()> {
        if self.depth > DEEPEST {
            return Err(malformed("a type nested too deep"));
        }
        self.depth += 1;
        let walked = if schema.dictionary().is_some() {
            coded::dictionary(self, schema, windows)
        } else {
            let kind = Kind::of(schema.format()?)?;
            self.by_kind(kind, schema, windows)
        };
        self.depth -= 1;
        walked
    }

    fn by_kind(&mut self, kind: Kind, schema: Schema<'a>, windows: &[Window<'a>]) -> Walk<()> {
        let valid = if kind.has_validity() {
            let valid = validity(windows)?;
            self.validity(valid.as_ref());
            valid
        } else {
            None
        };
        let shared = valid.map(Arc::new);
        let valid = shared.as_deref();
        match kind {
            Kind::Null => Ok(()),
            Kind::Bits => self.bits(windows, valid),
            Kind::Fixed(width) => self.fixed(width, windows, shared),
            Kind::Text(width) => spans::text(self, width, width, windows, valid),
            Kind::TextView => spans::text_view(self, windows, valid),
            Kind::List(width) => {
                let (offsets, spans) = spans::by_offsets(width, width, windows, valid)?;
                self.buffer(offsets);
                self.inside(schema, 0, windows, spans)
            }
            Kind::ListView(width) => {
                let (offsets, spans) = spans::by_sizes(width, windows, valid)?;
                self.buffer(offsets);
                self.inside(schema, 0, windows, spans)
            }
            Kind::FixedList(width) => {
                let spans = spans::shown(windows, valid, width);
                self.inside(schema, 0, windows, spans)
            }
            Kind::Struct => (0..schema.children()?).try_for_each(|child| {
                self.inside(schema, child, windows, spans::shown(windows, valid, 1))
            }),
            Kind::DenseUnion | Kind::SparseUnion => {
                coded::union(self, schema, windows, kind == Kind::DenseUnion)
            }
            Kind::Runs => coded::runs(self, schema, windows),
        }
    }

    /// Which slots are null, where any is.
    pub fn validity(&mut self, valid: Option<&Bits>) {
        self.tag(u8::from(valid.is_some()));
        if let Some(valid) = valid {
            self.buffer(Buffer::Made(valid.bytes().to_vec()));
        }
    }

    /// Spans of the slots of a type inside.
    pub fn inside(
        &mut self,
        schema: Schema<'a>,
        child: usize,
        windows: &[Window<'a>],
        spans: Vec<spans::Span>,
    ) -> Walk<()> {
        let inner = spans
            .into_iter()
            .map(|span| Window::inside(windows[span.window].array.child(child)?, span.rows))
            .collect::<Walk<Vec<_>>>()?;
        self.column(schema.child(child)?, &inner)
    }

    fn bits(&mut self, windows: &[Window<'a>], valid: Option<&Bits>) -> Walk<()> {
        let mut bits = Bits::default();
        for window in windows {
            let bytes = window.array.bits(1, window.rows.clone())?;
            bits.extend(bytes, window.rows.start % 8, window.rows.len());
        }
        if let Some(valid) = valid {
            bits.intersect(valid);
        }
        self.buffer(Buffer::Made(bits.into_bytes()));
        Ok(())
    }

    fn fixed(
        &mut self,
        width: usize,
        windows: &[Window<'a>],
        valid: Option<Arc<Bits>>,
    ) -> Walk<()> {
        let items = windows
            .iter()
            .map(|window| window.array.items(1, width, window.rows.clone()))
            .collect::<Walk<Vec<_>>>()?;
        match (valid, items.as_slice()) {
            (None, _) => self.pieces(items),
            (Some(valid), &[only]) if matches!(width, 1 | 2 | 4 | 8 | 16) => {
                let write =
                    move |range, out: &mut Vec<u8>| shown_items(only, width, &valid, range, out);
                self.buffer(Buffer::Written(only.len(), Box::new(write)));
            }
            (Some(valid), _) => {
                let mut made = items.concat();
                valid
                    .unset(0..made.len().checked_div(width).unwrap_or_default())
                    .for_each(|row| made[row * width..(row + 1) * width].fill(0));
                self.buffer(Buffer::Made(made));
            }
        }
        Ok(())
    }
}

/// Items with zeroes for those that are null.
fn shown_items(items: &[u8], width: usize, valid: &Bits, range: Range<usize>, out: &mut Vec<u8>) {
    fn masked<const WIDTH: usize>(items: &mut [u8], flags: u8) {
        for (bit, item) in items.as_chunks_mut::<WIDTH>().0.iter_mut().enumerate() {
            let mask = 0_u8.wrapping_sub(flags >> bit & 1);
            *item = item.map(|byte| byte & mask);
        }
    }
    let start = out.len();
    out.extend_from_slice(&items[range.clone()]);
    let rows = (range.start / width..).step_by(8);
    for (items, row) in out[start..].chunks_mut(8 * width).zip(rows) {
        match (width, valid.eight(row)) {
            (_, u8::MAX) => {}
            (1, flags) => masked::<1>(items, flags),
            (2, flags) => masked::<2>(items, flags),
            (4, flags) => masked::<4>(items, flags),
            (8, flags) => masked::<8>(items, flags),
            (_, flags) => masked::<16>(items, flags),
        }
    }
}

/// Which slots are not null; `None` where all are.
pub fn validity(windows: &[Window<'_>]) -> Walk<Option<Bits>> {
    if windows.iter().all(|window| window.array.is_full()) {
        return Ok(None);
    }
    let mut bits = Bits::default();
    for window in windows {
        let rows = window.rows.clone();
        if window.array.is_full() {
            window.array.check(&rows)?;
            bits.extend_set(rows.len());
        } else {
            let bytes = window.array.bits(0, rows.clone())?;
            bits.extend(bytes, rows.start % 8, rows.len());
        }
    }
    Ok(Some(bits).filter(|bits| !bits.all_set()))
}
