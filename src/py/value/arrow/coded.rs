//! Arrow types whose slots stand for values that lie elsewhere: dictionaries, unions, runs.

use super::canonical::{Buffer, Canonical, Window, length, validity};
use super::ffi::{Schema, malformed};
use super::kind::{Kind, unknown};
use super::spans::Span;
use crate::digest::{Bits, Digest};
use crate::py::value::sink::Walk;
use std::collections::HashMap;

/// `ARROW_FLAG_DICTIONARY_ORDERED` of the interface.
const ORDERED: u64 = 1;

/// Distinct values, numbered as they come.
struct Values<'a> {
    schema: Schema<'a>,
    numbers: HashMap<Digest, u32>,
    rows: Vec<Window<'a>>,
}

/// What a code stands for: a number, or one of these.
const UNSEEN: u32 = u32::MAX;
const NULL: u32 = u32::MAX - 1;

impl<'a> Values<'a> {
    fn new(schema: Schema<'a>) -> Self {
        Self {
            schema,
            numbers: HashMap::new(),
            rows: Vec::new(),
        }
    }

    /// The number of a value, or `NULL`.
    fn number(&mut self, to: &Canonical<'a>, row: Window<'a>) -> Walk<u32> {
        let slots = std::slice::from_ref(&row);
        if Kind::of(self.schema.format()?)?.has_validity() && validity(slots)?.is_some() {
            return Ok(NULL);
        }
        let mut single = to.single();
        single.column(self.schema, slots)?;
        let next = u32::try_from(self.rows.len())
            .ok()
            .filter(|&next| next < NULL)
            .ok_or_else(|| malformed("too many values"))?;
        let number = *self.numbers.entry(single.digest()).or_insert(next);
        if number == next {
            self.rows.push(row);
        }
        Ok(number)
    }
}

/// Codes by the first appearance of their values; by the dictionary's order where that counts.
pub fn dictionary<'a>(
    to: &mut Canonical<'a>,
    schema: Schema<'a>,
    windows: &[Window<'a>],
) -> Walk<()> {
    let inner = schema
        .dictionary()
        .ok_or_else(|| malformed("no dictionary"))?;
    let mut values = Values::new(inner);
    let mut valid = validity(windows)?;
    let mut codes = Vec::with_capacity(length(windows));
    // What the codes of each dictionary stand for, by where it lies.
    let mut tables: HashMap<usize, Vec<u32>> = HashMap::new();
    for window in windows {
        let dictionary = window.array.dictionary()?;
        let count = dictionary.length()?;
        let table = tables.entry(dictionary.address());
        let table = table.or_insert_with(|| vec![UNSEEN; count]);
        let mut number = |code: usize| {
            let known = table
                .get_mut(code)
                .ok_or_else(|| malformed("a code without a value"))?;
            if *known == UNSEEN {
                *known = values.number(to, Window::inside(dictionary, code..code + 1)?)?;
            }
            Walk::Ok(*known)
        };
        if schema.flags() & ORDERED != 0 {
            (0..count).try_for_each(|code| number(code).map(|_| ()))?;
        }
        let numbers = Codes::of(schema.format()?, window)?;
        numbers.each(|code| {
            let shown = valid.as_ref().is_none_or(|valid| valid.get(codes.len()));
            codes.push(if shown { number(code)? } else { NULL });
            Ok(())
        })?;
    }
    hide(&mut codes, &mut valid);
    to.validity(valid.as_ref());
    to.buffer(Buffer::Made(
        codes.into_iter().flat_map(u32::to_le_bytes).collect(),
    ));
    to.u64(values.rows.len() as u64);
    to.column(inner, &values.rows)
}

/// Nulls of the dictionary are nulls of the column, and a null has no code.
fn hide(codes: &mut [u32], valid: &mut Option<Bits>) {
    let slots = codes.len();
    for (place, code) in codes
        .iter_mut()
        .enumerate()
        .filter(|(_, code)| **code == NULL)
    {
        *code = 0;
        valid.get_or_insert_with(|| Bits::ones(slots)).clear(place);
    }
}

/// Integers of any width.
struct Codes<'a> {
    bytes: &'a [u8],
    width: usize,
}

impl<'a> Codes<'a> {
    fn of(format: &str, window: &Window<'a>) -> Walk<Self> {
        let width = match format {
            "c" | "C" => 1,
            "s" | "S" => 2,
            "i" | "I" => 4,
            "l" | "L" => 8,
            _ => return Err(unknown(format)),
        };
        Self::in_buffer(1, width, window)
    }

    fn in_buffer(number: usize, width: usize, window: &Window<'a>) -> Walk<Self> {
        let bytes = window.array.items(number, width, window.rows.clone())?;
        Ok(Self { bytes, width })
    }

    fn get(&self, row: usize) -> Walk<usize> {
        let mut wide = [0; 8];
        let bytes = &self.bytes[row * self.width..(row + 1) * self.width];
        wide[..self.width].copy_from_slice(bytes);
        index(u64::from_le_bytes(wide))
    }

    /// Hands over one after the other.
    fn each(&self, mut take: impl FnMut(usize) -> Walk<()>) -> Walk<()> {
        match self.width {
            1 => self.bytes.iter().try_for_each(|&code| take(code.into())),
            4 => {
                let (codes, _) = self.bytes.as_chunks::<4>();
                codes
                    .iter()
                    .try_for_each(|&code| take(index(u32::from_le_bytes(code).into())?))
            }
            _ => (0..self.bytes.len() / self.width).try_for_each(|row| take(self.get(row)?)),
        }
    }
}

/// A negative code is beyond every dictionary, whatever its width.
fn index(code: u64) -> Walk<usize> {
    usize::try_from(code).map_err(|_| malformed("a code out of range"))
}

/// The type of each slot, then each type's slots in their order.
pub fn union<'a>(
    to: &mut Canonical<'a>,
    schema: Schema<'a>,
    windows: &[Window<'a>],
    dense: bool,
) -> Walk<()> {
    let format = schema.format()?;
    let (_, numbers) = format.split_once(':').ok_or_else(|| unknown(format))?;
    let mut children = [None; 256];
    for (child, number) in numbers
        .split(',')
        .filter(|text| !text.is_empty())
        .enumerate()
    {
        children[usize::from(number.parse::<u8>().map_err(|_| unknown(format))?)] = Some(child);
    }
    let mut types = Vec::with_capacity(length(windows));
    let mut spans: Vec<Vec<Span>> = vec![Vec::new(); schema.children()?];
    for (number, window) in windows.iter().enumerate() {
        let codes = window.array.items(0, 1, window.rows.clone())?;
        let places = dense.then(|| Codes::in_buffer(1, 4, window)).transpose()?;
        for (row, code) in codes.iter().enumerate() {
            let spans = children[usize::from(*code)]
                .and_then(|child| spans.get_mut(child))
                .ok_or_else(|| malformed("a slot of no type"))?;
            let place = match &places {
                Some(places) => places.get(row)?,
                None => window.rows.start + row,
            };
            super::spans::join(spans, number, place..place + 1);
        }
        types.extend_from_slice(codes);
    }
    to.buffer(Buffer::Made(types));
    for (child, spans) in spans.into_iter().enumerate() {
        to.u64(spans.iter().map(|span| span.rows.len() as u64).sum());
        to.inside(schema, child, windows, spans)?;
    }
    Ok(())
}

/// The lengths of the runs, and a value for each; runs of one value side by side are one.
pub fn runs<'a>(to: &mut Canonical<'a>, schema: Schema<'a>, windows: &[Window<'a>]) -> Walk<()> {
    let mut lengths: Vec<u64> = Vec::new();
    let mut values: Vec<Window<'a>> = Vec::new();
    let mut last = None;
    for window in windows {
        window.array.check(&window.rows)?;
        let ends = Window::of(window.array.child(0)?)?;
        let numbers = Codes::of(schema.child(0)?.format()?, &ends)?;
        let mut start = window.rows.start;
        for run in 0..ends.rows.len() {
            let end = numbers.get(run)?.min(window.rows.end);
            if end <= start {
                continue;
            }
            let row = Window::inside(window.array.child(1)?, run..run + 1)?;
            let mut single = to.single();
            single.column(schema.child(1)?, std::slice::from_ref(&row))?;
            let digest = Some(single.digest());
            match lengths.last_mut() {
                Some(length) if last == digest => *length += (end - start) as u64,
                _ => {
                    lengths.push((end - start) as u64);
                    values.push(row);
                }
            }
            (last, start) = (digest, end);
        }
        if start != window.rows.end && !window.rows.is_empty() {
            return Err(malformed("runs that end too early"));
        }
    }
    to.u64(lengths.len() as u64);
    let lengths = lengths.iter().flat_map(|length| length.to_le_bytes());
    to.buffer(Buffer::Made(lengths.collect()));
    to.column(schema.child(1)?, &values)
}
