//! The Arrow C data interface: arrays of any library, read where they lie.
//!
//! The capsules keep the structs, and the structs keep the buffers; nothing is moved out of them,
//! so nothing is released here.

use crate::py::value::sink::{Failure, Walk};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyCapsuleMethods, PyTuple};
use std::ffi::{CStr, c_char, c_void};
use std::ops::Range;

/// `ArrowSchema` of the interface.
#[repr(C)]
struct RawSchema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    children_count: i64,
    children: *const *const RawSchema,
    dictionary: *const RawSchema,
    release: Option<unsafe extern "C" fn(*mut RawSchema)>,
    private: *mut c_void,
}

/// `ArrowArray` of the interface.
#[repr(C)]
struct RawArray {
    length: i64,
    null_count: i64,
    offset: i64,
    buffers_count: i64,
    children_count: i64,
    buffers: *const *const u8,
    children: *const *const RawArray,
    dictionary: *const RawArray,
    release: Option<unsafe extern "C" fn(*mut RawArray)>,
    private: *mut c_void,
}

/// A type, as its owner exported it.
pub struct OwnedSchema<'py>(Bound<'py, PyCapsule>);

/// An array, as its owner exported it.
pub struct OwnedArray<'py>(Bound<'py, PyCapsule>);

/// A type or field.
#[derive(Clone, Copy)]
pub struct Schema<'a>(&'a RawSchema);

/// An array of some type.
#[derive(Clone, Copy)]
pub struct Array<'a>(&'a RawArray);

/// What a value gives of itself by one of the methods of the interface.
fn exported<'py>(value: &Bound<'py, PyAny>, method: &str) -> Walk<Bound<'py, PyAny>> {
    match value.getattr_opt(method)? {
        Some(export) => Ok(export.call0()?),
        None => Err(Failure::unhandled(
            "an Arrow value of pyarrow before version 14",
        )),
    }
}

/// Whatever has `__arrow_c_array__`.
pub fn export_array<'py>(value: &Bound<'py, PyAny>) -> Walk<(OwnedSchema<'py>, OwnedArray<'py>)> {
    // Its owner knows how long the buffers are, which the interface does not tell.
    if let Some(validate) = value.getattr_opt(pyo3::intern!(value.py(), "validate"))? {
        validate
            .call0()
            .map_err(|error| malformed(&error.to_string()))?;
    }
    let pair = exported(value, "__arrow_c_array__")?;
    let pair = pair.cast::<PyTuple>()?;
    let (schema, array) = (pair.get_item(0)?, pair.get_item(1)?);
    Ok((
        OwnedSchema(schema.cast_into().map_err(PyErr::from)?),
        OwnedArray(array.cast_into().map_err(PyErr::from)?),
    ))
}

/// Whatever has `__arrow_c_schema__`.
pub fn export_schema<'py>(value: &Bound<'py, PyAny>) -> Walk<OwnedSchema<'py>> {
    let capsule = exported(value, "__arrow_c_schema__")?;
    Ok(OwnedSchema(capsule.cast_into().map_err(PyErr::from)?))
}

/// An array that is not as the interface says.
pub fn malformed(what: &str) -> Failure {
    Failure::unhandled(format!("an Arrow array with {what}"))
}

fn count(number: i64) -> Walk<usize> {
    usize::try_from(number).map_err(|_| malformed("a negative count"))
}

impl OwnedSchema<'_> {
    /// What the capsule holds.
    pub fn get(&self) -> Walk<Schema<'_>> {
        let pointer = self.0.pointer_checked(Some(c"arrow_schema"))?;
        // SAFETY: a capsule of this name holds this struct until it is destroyed.
        let schema = unsafe { pointer.cast::<RawSchema>().as_ref() };
        match schema.release {
            Some(_) => Ok(Schema(schema)),
            None => Err(malformed("a type that was released")),
        }
    }
}

impl OwnedArray<'_> {
    /// What the capsule holds.
    pub fn get(&self) -> Walk<Array<'_>> {
        let pointer = self.0.pointer_checked(Some(c"arrow_array"))?;
        // SAFETY: a capsule of this name holds this struct until it is destroyed.
        let array = unsafe { pointer.cast::<RawArray>().as_ref() };
        match array.release {
            Some(_) => Ok(Array(array)),
            None => Err(malformed("buffers that were released")),
        }
    }
}

impl<'a> Schema<'a> {
    /// The type of the slots, as the interface writes it.
    pub fn format(self) -> Walk<&'a str> {
        text(self.0.format)
            .to_str()
            .map_err(|_| malformed("an unreadable type"))
    }

    /// The name of the field.
    pub fn name(self) -> &'a [u8] {
        text(self.0.name).to_bytes()
    }

    /// Ordered dictionary, nullable, sorted keys: one bit each.
    pub fn flags(self) -> u64 {
        self.0.flags.cast_unsigned()
    }

    /// Names and values of the metadata, in their order.
    pub fn metadata(self) -> Walk<Vec<(&'a [u8], &'a [u8])>> {
        if self.0.metadata.is_null() {
            return Ok(Vec::new());
        }
        let mut place = self.0.metadata.cast::<u8>();
        // SAFETY: the interface puts the number of pairs first.
        let pairs = count(unsafe { take_number(&mut place) })?;
        let mut found = Vec::new();
        for _ in 0..2 * pairs {
            // SAFETY: each text stands behind its length.
            found.push(unsafe {
                let length = count(take_number(&mut place))?;
                let start = place;
                place = place.add(length);
                std::slice::from_raw_parts(start, length)
            });
        }
        Ok(found.chunks(2).map(|pair| (pair[0], pair[1])).collect())
    }

    /// How many types this one is made of.
    pub fn children(self) -> Walk<usize> {
        count(self.0.children_count)
    }

    /// One of them.
    pub fn child(self, number: usize) -> Walk<Self> {
        if number >= self.children()? || self.0.children.is_null() {
            return Err(malformed("fewer types inside than its type says"));
        }
        // SAFETY: `children` points to `children_count` pointers to types.
        unsafe { (*self.0.children.add(number)).as_ref() }
            .map(Self)
            .ok_or_else(|| malformed("no type inside"))
    }

    /// The type of the values, where the slots are codes.
    pub fn dictionary(self) -> Option<Self> {
        // SAFETY: null, or a type that lives as long as this one.
        unsafe { self.0.dictionary.as_ref() }.map(Self)
    }
}

/// The 32-bit number at `place`, which moves behind it.
///
/// # Safety
/// There must be one.
unsafe fn take_number(place: &mut *const u8) -> i64 {
    // SAFETY: the caller's promise.
    unsafe {
        let number = place.cast::<i32>().read_unaligned();
        *place = place.add(4);
        number.into()
    }
}

fn text<'a>(pointer: *const c_char) -> &'a CStr {
    if pointer.is_null() {
        c""
    } else {
        // SAFETY: text of the interface ends with a zero, and lives as long as its type.
        unsafe { CStr::from_ptr(pointer) }
    }
}

impl<'a> Array<'a> {
    /// Number of slots that show.
    pub fn length(self) -> Walk<usize> {
        count(self.0.length)
    }

    /// Slots before the first that shows.
    pub fn offset(self) -> Walk<usize> {
        count(self.0.offset)
    }

    /// Whether no slot is null; false where nobody counted.
    pub fn is_full(self) -> bool {
        self.0.null_count == 0 || !self.has_buffer(0)
    }

    /// Where the struct lies: the same for the same array.
    pub fn address(self) -> usize {
        std::ptr::from_ref(self.0).addr()
    }

    /// How many buffers there are.
    pub fn buffers(self) -> Walk<usize> {
        count(self.0.buffers_count)
    }

    fn has_buffer(self, number: usize) -> bool {
        self.pointer(number).is_some()
    }

    fn pointer(self, number: usize) -> Option<*const u8> {
        if number >= self.buffers().ok()? || self.0.buffers.is_null() {
            return None;
        }
        // SAFETY: `buffers` points to `buffers_count` pointers.
        Some(unsafe { *self.0.buffers.add(number) }).filter(|pointer| !pointer.is_null())
    }

    /// Bytes of a buffer; none are asked for where it is absent.
    ///
    /// # Safety
    /// The interface must promise that the buffer reaches to the end of `range`.
    pub unsafe fn bytes(self, number: usize, range: Range<usize>) -> Walk<&'a [u8]> {
        if range.is_empty() {
            return Ok(&[]);
        }
        let pointer = self
            .pointer(number)
            .ok_or_else(|| malformed("a buffer missing"))?;
        // SAFETY: the caller's promise.
        Ok(unsafe { std::slice::from_raw_parts(pointer.add(range.start), range.len()) })
    }

    /// Items of fixed width in the slots `rows`, counted from the start of the buffer.
    pub fn items(self, number: usize, width: usize, rows: Range<usize>) -> Walk<&'a [u8]> {
        self.check(&rows)?;
        // SAFETY: such a buffer has an item for each slot up to `offset + length`.
        unsafe { self.bytes(number, width * rows.start..width * rows.end) }
    }

    /// Offsets of the slots `rows`, and the one behind them.
    pub fn offsets(self, width: usize, rows: Range<usize>) -> Walk<&'a [u8]> {
        self.check(&rows)?;
        if rows.is_empty() {
            return Ok(&[]);
        }
        // SAFETY: there is one offset more than there are slots.
        unsafe { self.bytes(1, width * rows.start..width * (rows.end + 1)) }
    }

    /// Bytes that hold one bit for each of the slots `rows`.
    pub fn bits(self, number: usize, rows: Range<usize>) -> Walk<&'a [u8]> {
        self.check(&rows)?;
        // SAFETY: such a buffer has a bit for each slot up to `offset + length`.
        unsafe { self.bytes(number, rows.start / 8..rows.end.div_ceil(8)) }
    }

    /// Refuses slots that are not there.
    pub fn check(self, rows: &Range<usize>) -> Walk<()> {
        let end = self.offset()?.checked_add(self.length()?);
        if rows.start <= rows.end && end.is_some_and(|end| rows.end <= end) {
            Ok(())
        } else {
            Err(malformed("fewer slots than it should have"))
        }
    }

    /// One of the arrays inside.
    pub fn child(self, number: usize) -> Walk<Self> {
        if number >= count(self.0.children_count)? || self.0.children.is_null() {
            return Err(malformed("fewer arrays inside than its type says"));
        }
        // SAFETY: `children` points to `children_count` pointers to arrays.
        unsafe { (*self.0.children.add(number)).as_ref() }
            .map(Self)
            .ok_or_else(|| malformed("no array inside"))
    }

    /// The values, where the slots are codes.
    pub fn dictionary(self) -> Walk<Self> {
        // SAFETY: null, or an array that lives as long as this one.
        unsafe { self.0.dictionary.as_ref() }
            .map(Self)
            .ok_or_else(|| malformed("no dictionary"))
    }
}
