//! Text and lists: where each slot's bytes or items lie.

use super::canonical::{Buffer, Canonical, Window, length};
use super::ffi::{Array, malformed};
use crate::digest::Bits;
use crate::py::value::sink::Walk;
use std::ops::Range;

/// Bytes or items side by side, in the array of one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub window: usize,
    pub rows: Range<usize>,
}

/// Appends a span, joined to the last one where they touch.
pub fn join(spans: &mut Vec<Span>, window: usize, rows: Range<usize>) {
    if rows.is_empty() {
        return;
    }
    match spans.last_mut() {
        Some(last) if last.window == window && last.rows.end == rows.start => {
            last.rows.end = rows.end;
        }
        _ => spans.push(Span { window, rows }),
    }
}

/// The slots that are not null, `width` items each.
pub fn shown(windows: &[Window<'_>], valid: Option<&Bits>, width: usize) -> Vec<Span> {
    let (mut spans, mut place) = (Vec::new(), 0);
    for (number, window) in windows.iter().enumerate() {
        let rows = window.rows.clone();
        match valid {
            None => join(&mut spans, number, rows.start * width..rows.end * width),
            Some(valid) => rows
                .enumerate()
                .filter(|(row, _)| valid.get(place + row))
                .for_each(|(_, row)| join(&mut spans, number, row * width..(row + 1) * width)),
        }
        place += window.rows.len();
    }
    spans
}

/// Offsets of one of two widths.
#[derive(Clone, Copy)]
struct Offsets<'a> {
    bytes: &'a [u8],
    width: usize,
}

impl Offsets<'_> {
    fn get(&self, place: usize) -> i64 {
        let bytes = &self.bytes[place * self.width..];
        match self.width {
            4 => i32::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default()).into(),
            _ => i64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default()),
        }
    }

    fn range(&self, from: usize, to: usize) -> Walk<Range<usize>> {
        let end = |place| usize::try_from(self.get(place));
        match (end(from), end(to)) {
            (Ok(start), Ok(end)) if start <= end => Ok(start..end),
            _ => Err(malformed("offsets out of order")),
        }
    }
}

/// The offsets of one window.
struct Part<'a> {
    window: usize,
    offsets: Offsets<'a>,
    rows: usize,
    /// Slots of the windows before.
    place: usize,
    all: Range<usize>,
}

/// The offsets of the slots in canonical form, `wide` bytes each, and what lies between them.
///
/// Offsets count from zero, modulo their width; a null is as long as nothing.
pub fn by_offsets<'a>(
    width: usize,
    wide: usize,
    windows: &[Window<'a>],
    valid: Option<&Bits>,
) -> Walk<(Buffer<'a>, Vec<Span>)> {
    let (mut parts, mut place) = (Vec::new(), 0);
    for (number, window) in windows.iter().enumerate() {
        let rows = window.rows.len();
        let bytes = window.array.offsets(width, window.rows.clone())?;
        if rows > 0 {
            let offsets = Offsets { bytes, width };
            parts.push(Part {
                window: number,
                offsets,
                rows,
                place,
                all: offsets.range(0, rows)?,
            });
        }
        place += rows;
    }
    let tight = valid.is_none_or(|valid| parts.iter().all(|part| part.nulls_are_empty(valid)));
    match valid {
        Some(valid) if !tight => row_by_row(&parts, wide, valid),
        _ => Ok(shifted(parts, wide)),
    }
}

impl Part<'_> {
    fn nulls_are_empty(&self, valid: &Bits) -> bool {
        fn check<const WIDTH: usize>(bytes: &[u8], flags: impl Iterator<Item = u8>) -> bool {
            let (offsets, _) = bytes.as_chunks::<WIDTH>();
            let groups = (0..offsets.len() - 1).step_by(8).zip(flags);
            groups.into_iter().all(|(first, flags)| {
                let group = &offsets[first..offsets.len().min(first + 9)];
                let pairs = group.windows(2).enumerate();
                let there = u8::MAX >> (9 - group.len());
                let fine = pairs.fold(flags, |fine, (bit, pair)| {
                    fine | u8::from(pair[0] == pair[1]) << bit
                });
                fine & there == there
            })
        }
        let flags = (self.place..).step_by(8).map(|row| valid.eight(row));
        match self.offsets.width {
            4 => check::<4>(self.offsets.bytes, flags),
            _ => check::<8>(self.offsets.bytes, flags),
        }
    }
}

/// Offsets where everything between the first and the last one shows.
fn shifted(parts: Vec<Part<'_>>, wide: usize) -> (Buffer<'_>, Vec<Span>) {
    let mut spans = Vec::new();
    parts
        .iter()
        .for_each(|part| join(&mut spans, part.window, part.all.clone()));
    let mut total = 0;
    let shifts = parts.iter().map(|part| {
        let shift = total - part.all.start.cast_signed() as i64;
        total += part.all.len().cast_signed() as i64;
        shift
    });
    let shifts: Vec<i64> = shifts.collect();
    let buffer = match parts.as_slice() {
        [] => Buffer::Made(vec![0; wide]),
        [only] if only.all.start == 0 && only.offsets.width == wide => {
            Buffer::Whole(only.offsets.bytes)
        }
        [.., last] => {
            let count = last.place + last.rows + 1;
            let write = move |range: Range<usize>, out: &mut Vec<u8>| {
                let mut row = range.start / wide;
                let first = parts.partition_point(|part| part.place <= row);
                for (part, shift) in parts.iter().zip(&shifts).skip(first.saturating_sub(1)) {
                    let end = (range.end / wide).min(part.place + part.rows + 1);
                    if row < end {
                        put(
                            part.offsets,
                            row - part.place..end - part.place,
                            *shift,
                            wide,
                            out,
                        );
                        row = end;
                    }
                }
            };
            Buffer::Written(count * wide, Box::new(write))
        }
    };
    (buffer, spans)
}

/// Appends some of the offsets, moved by `shift`, `wide` bytes each.
fn put(offsets: Offsets<'_>, rows: Range<usize>, shift: i64, wide: usize, out: &mut Vec<u8>) {
    let bytes = &offsets.bytes[rows.start * offsets.width..rows.end * offsets.width];
    match (offsets.width, wide) {
        (4, 4) => bytes.as_chunks::<4>().0.iter().for_each(|offset| {
            let moved = i64::from(i32::from_le_bytes(*offset)) + shift;
            out.extend_from_slice(&moved.to_le_bytes()[..4]);
        }),
        (4, _) => bytes.as_chunks::<4>().0.iter().for_each(|offset| {
            let moved = i64::from(i32::from_le_bytes(*offset)) + shift;
            out.extend_from_slice(&moved.to_le_bytes());
        }),
        _ => bytes.as_chunks::<8>().0.iter().for_each(|offset| {
            let moved = i64::from_le_bytes(*offset).wrapping_add(shift);
            out.extend_from_slice(&moved.to_le_bytes());
        }),
    }
}

/// Offsets where something lies under a null.
fn row_by_row<'a>(parts: &[Part<'a>], wide: usize, valid: &Bits) -> Walk<(Buffer<'a>, Vec<Span>)> {
    let mut made = vec![0; wide];
    let (mut spans, mut total) = (Vec::new(), 0_usize);
    for part in parts {
        for row in 0..part.rows {
            if valid.get(part.place + row) {
                let span = part.offsets.range(row, row + 1)?;
                if span.start < part.all.start || span.end > part.all.end {
                    return Err(malformed("offsets out of order"));
                }
                total += span.len();
                join(&mut spans, part.window, span);
            }
            made.extend_from_slice(&(total as u64).to_le_bytes()[..wide]);
        }
    }
    Ok((Buffer::Made(made), spans))
}

/// As `by_offsets`, for lists that say where they begin and how long they are.
pub fn by_sizes<'a>(
    width: usize,
    windows: &[Window<'a>],
    valid: Option<&Bits>,
) -> Walk<(Buffer<'a>, Vec<Span>)> {
    let mut made = vec![0; 8];
    let (mut spans, mut total, mut place) = (Vec::new(), 0_usize, 0);
    for (number, window) in windows.iter().enumerate() {
        let read = |buffer| {
            let bytes = window.array.items(buffer, width, window.rows.clone())?;
            Walk::Ok(Offsets { bytes, width })
        };
        let (starts, sizes) = (read(1)?, read(2)?);
        for row in 0..window.rows.len() {
            if valid.is_none_or(|valid| valid.get(place + row)) {
                let bounds = (
                    usize::try_from(starts.get(row)),
                    usize::try_from(sizes.get(row)),
                );
                let (Ok(start), Ok(size)) = bounds else {
                    return Err(malformed("a list of negative length"));
                };
                total += size;
                join(&mut spans, number, start..start.saturating_add(size));
            }
            made.extend((total as u64).to_le_bytes());
        }
        place += window.rows.len();
    }
    Ok((Buffer::Made(made), spans))
}

/// Text or bytes behind offsets.
pub fn text<'a>(
    to: &mut Canonical<'a>,
    width: usize,
    wide: usize,
    windows: &[Window<'a>],
    valid: Option<&Bits>,
) -> Walk<()> {
    let (offsets, spans) = by_offsets(width, wide, windows, valid)?;
    to.buffer(offsets);
    let pieces = spans.into_iter().map(|span| {
        // SAFETY: the interface promises the bytes between the first offset and the last, and no
        // span leaves them.
        unsafe { windows[span.window].array.bytes(2, span.rows) }
    });
    to.pieces(pieces.collect::<Walk<_>>()?);
    Ok(())
}

/// Text or bytes in views of sixteen bytes.
pub fn text_view<'a>(
    to: &mut Canonical<'a>,
    windows: &[Window<'a>],
    valid: Option<&Bits>,
) -> Walk<()> {
    let rows = length(windows);
    let (mut offsets, mut text) = (Vec::with_capacity(rows * 8 + 8), Vec::new());
    offsets.resize(8, 0);
    let mut place = 0;
    for window in windows {
        let views = window.array.items(1, 16, window.rows.clone())?;
        let heaps = heaps(window.array)?;
        for (row, view) in views.chunks_exact(16).enumerate() {
            if valid.is_none_or(|valid| valid.get(place + row)) {
                text.extend_from_slice(viewed(view, &heaps)?);
            }
            offsets.extend((text.len() as u64).to_le_bytes());
        }
        place += window.rows.len();
    }
    to.buffer(Buffer::Made(offsets));
    to.buffer(Buffer::Made(text));
    Ok(())
}

/// The buffers that long views point into; the last buffer has their lengths.
fn heaps(array: Array<'_>) -> Walk<Vec<&[u8]>> {
    let last = array.buffers()?.saturating_sub(1);
    let count = last.saturating_sub(2);
    // SAFETY: the last buffer of such an array has a 64-bit length for each buffer behind the views.
    let lengths = unsafe { array.bytes(last, 0..count * 8)? };
    let lengths = Offsets {
        bytes: lengths,
        width: 8,
    };
    (0..count)
        .map(|heap| {
            let length = usize::try_from(lengths.get(heap))
                .map_err(|_| malformed("a buffer of negative length"))?;
            // SAFETY: as long as the interface says it is.
            unsafe { array.bytes(2 + heap, 0..length) }
        })
        .collect()
}

fn viewed<'a>(view: &'a [u8], heaps: &[&'a [u8]]) -> Walk<&'a [u8]> {
    let number = |place: usize| {
        let bytes = view[place..place + 4].try_into().unwrap_or_default();
        usize::try_from(i32::from_le_bytes(bytes)).map_err(|_| malformed("a negative view"))
    };
    let length = number(0)?;
    if length <= 12 {
        return Ok(&view[4..4 + length]);
    }
    let (heap, start) = (number(8)?, number(12)?);
    heaps
        .get(heap)
        .and_then(|heap| heap.get(start..start + length))
        .ok_or_else(|| malformed("a view of nothing"))
}
