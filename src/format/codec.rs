//! Fixed-width little-endian fields, and the checked reader that takes them back.

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

/// Writes fields one behind the other.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty writer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// A 32-bit number.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    /// A count, length or offset.
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// A signed number.
    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_le_bytes());
    }

    /// A float, bit for bit.
    pub fn f64(&mut self, value: f64) {
        self.raw(&value.to_bits().to_le_bytes());
    }

    /// Bytes behind their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.raw(bytes);
    }

    /// Bytes of a known width.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// How much has been written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes back what was written from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has been written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads fields back; whatever does not fit is an error, never a panic.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// One byte.
    ///
    /// # Errors
    /// As for every method here: the bytes end too early.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.raw(1)?[0])
    }

    /// A 32-bit number.
    ///
    /// # Errors
    /// The bytes end too early.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A count, length or offset.
    ///
    /// # Errors
    /// The bytes end too early.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A number of things of which each takes at least one byte of what is left.
    ///
    /// # Errors
    /// More things than bytes are left: the count is damaged.
    pub fn count(&mut self) -> Result<usize> {
        let count = self.length()?;
        if count > self.bytes.len() {
            Err(ends_early())
        } else {
            Ok(count)
        }
    }

    /// A size that fits this machine.
    ///
    /// # Errors
    /// The bytes end too early, or the size does not fit.
    pub fn length(&mut self) -> Result<usize> {
        usize::try_from(self.u64()?).map_err(|_| ends_early())
    }

    /// A signed number.
    ///
    /// # Errors
    /// The bytes end too early.
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A float.
    ///
    /// # Errors
    /// The bytes end too early.
    pub fn f64(&mut self) -> Result<f64> {
        Ok(f64::from_bits(self.u64()?))
    }

    /// Bytes behind their length.
    ///
    /// # Errors
    /// The bytes end too early.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.length()?;
        self.raw(length)
    }

    /// Text behind its length.
    ///
    /// # Errors
    /// The bytes end too early, or are not UTF-8.
    pub fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?)
            .map_err(|error| Error::caused(Kind::Corrupt, "text that is not UTF-8", error))
    }

    /// A digest.
    ///
    /// # Errors
    /// The bytes end too early.
    pub fn digest(&mut self) -> Result<Digest> {
        Ok(Digest(self.array()?))
    }

    /// Bytes of a known width.
    ///
    /// # Errors
    /// The bytes end too early.
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, left) = self.bytes.split_at_checked(length).ok_or_else(ends_early)?;
        self.bytes = left;
        Ok(taken)
    }

    /// An array of a known width.
    ///
    /// # Errors
    /// The bytes end too early.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.raw(N)?);
        Ok(array)
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

fn ends_early() -> Error {
    Error::new(Kind::Corrupt, "the bytes end before the field does")
}
