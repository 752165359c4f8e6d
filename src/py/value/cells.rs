//! Arrays of Python objects, cell by cell.

use super::numpy::{data, in_rows};
use super::sink::{Sink, Walk};
use super::walk;
use crate::digest::{BLOCK, Block, Text, digest_cells};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::ffi;
use pyo3::prelude::*;

/// What a cell is, in a digest.
mod kind {
    pub const TEXT: u8 = 0;
    pub const NONE: u8 = 1;
    pub const FLOAT: u8 = 2;
    pub const INT: u8 = 3;
    /// Digested by itself, behind the others.
    pub const OTHER: u8 = 4;
}

/// How many cells ahead an object is asked for.
const AHEAD: usize = 24;
/// How many texts are remembered by the address of their object.
const SEEN: usize = 256;

/// The objects of an array side by side.
struct Cells<'a, 'py> {
    rows: &'a Bound<'py, PyUntypedArray>,
    first: *const *mut ffi::PyObject,
    dimensions: usize,
}

/// Each cell of an object array, in row order.
pub fn walk_objects<'py, S: Sink<'py>>(
    sink: &mut S,
    array: &Bound<'py, PyUntypedArray>,
) -> Walk<()> {
    let rows = in_rows(array)?;
    let cells = Cells {
        first: data(&rows).cast(),
        rows: &rows,
        dimensions: array.ndim(),
    };
    if !S::CANONICAL {
        return (0..cells.rows.len()).try_for_each(|place| cells.walk(sink, place));
    }
    let mut others = Vec::new();
    let (mut next, mut texts) = (0, Texts::new());
    let digest = digest_cells(cells.rows.len(), |block| {
        cells.take_down(block, &mut next, &mut texts, &mut others);
    });
    sink.bytes(&digest.0);
    sink.u64(others.len() as u64);
    others.iter().try_for_each(|&place| cells.walk(sink, place))
}

impl<'py> Cells<'_, 'py> {
    fn pointer(&self, place: usize) -> *mut ffi::PyObject {
        assert!(place < self.rows.len(), "a cell behind the last one");
        // SAFETY: a C-ordered object array is pointers side by side.
        unsafe { self.first.add(place).read_unaligned() }
    }

    fn walk<S: Sink<'py>>(&self, sink: &mut S, place: usize) -> Walk<()> {
        let py = self.rows.py();
        // SAFETY: a cell is an object that the array holds; a null pointer stands for None.
        let cell = unsafe { Bound::from_borrowed_ptr_or_opt(py, self.pointer(place)) };
        let cell = cell.unwrap_or_else(|| py.None().into_bound(py));
        walk(sink, &cell).map_err(|failure| {
            failure.within(|| {
                if self.dimensions == 1 {
                    format!("[{place}]")
                } else {
                    format!(".flat[{place}]")
                }
            })
        })
    }

    /// Takes down one block. No Python code runs meanwhile, so the objects stay as they are until
    /// the last block is hashed.
    fn take_down(
        &self,
        block: &mut Block,
        next: &mut usize,
        texts: &mut Texts,
        others: &mut Vec<usize>,
    ) {
        let end = (*next + BLOCK).min(self.rows.len());
        let mut place = *next;
        while place < end {
            let cells = (place..end).map_while(|place| {
                if place + AHEAD < self.rows.len() {
                    prefetch(self.pointer(place + AHEAD));
                }
                // SAFETY: the GIL is held, and the array holds its cells.
                unsafe { texts.of(self.pointer(place)) }
            });
            place += block.texts(kind::TEXT, cells);
            if place == end {
                break;
            }
            // SAFETY: as above.
            if !unsafe { take_down(block, self.pointer(place)) } {
                block.plain(kind::OTHER);
                others.push(place);
            }
            place += 1;
        }
        *next = end;
    }
}

/// Texts seen last, by the address of their object: most columns have few.
struct Texts(Box<[(*mut ffi::PyObject, Option<Text>); SEEN]>);

impl Texts {
    fn new() -> Self {
        Self(Box::new([(std::ptr::null_mut(), None); SEEN]))
    }

    /// The text of an object; `None` where it is of another type, or not to be had as UTF-8.
    ///
    /// # Safety
    /// The GIL must be held until the text is hashed, `cell` must be an object or null, and what
    /// was seen before must not have gone.
    #[inline]
    unsafe fn of(&mut self, cell: *mut ffi::PyObject) -> Option<Text> {
        let seen = &mut self.0[(cell.addr() >> 4) % SEEN];
        if seen.0 != cell {
            // SAFETY: the caller's promise.
            *seen = (cell, unsafe { text_of(cell) });
        }
        seen.1
    }
}

/// # Safety
/// As `Texts::of`.
unsafe fn text_of(cell: *mut ffi::PyObject) -> Option<Text> {
    // SAFETY: the caller's promise.
    unsafe {
        if cell.is_null() || ffi::PyUnicode_CheckExact(cell) == 0 {
            return None;
        }
        let mut length = 0;
        let text = ffi::PyUnicode_AsUTF8AndSize(cell, &raw mut length);
        match u32::try_from(length) {
            Ok(length) if !text.is_null() => Some(Text::new(text.cast(), length)),
            _ => {
                ffi::PyErr_Clear();
                None
            }
        }
    }
}

/// Takes down a cell of a common type other than text; false for any other.
///
/// # Safety
/// The GIL must be held until the block is hashed, and `cell` must be an object or null.
#[inline]
unsafe fn take_down(block: &mut Block, cell: *mut ffi::PyObject) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        if cell.is_null() || ffi::Py_IsNone(cell) != 0 {
            block.plain(kind::NONE);
        } else if ffi::PyFloat_CheckExact(cell) != 0 {
            block.number(kind::FLOAT, ffi::PyFloat_AsDouble(cell).to_bits());
        } else if ffi::PyLong_CheckExact(cell) != 0 {
            let mut overflow = 0;
            let number = ffi::PyLong_AsLongLongAndOverflow(cell, &raw mut overflow);
            if overflow != 0 {
                return false;
            }
            block.number(kind::INT, number.cast_unsigned());
        } else {
            return false;
        }
    }
    true
}

/// Asks for the memory of an object that is looked at soon.
fn prefetch(cell: *mut ffi::PyObject) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that shows, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(cell.cast_const().cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = cell;
}
