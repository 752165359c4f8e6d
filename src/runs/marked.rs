//! Bytes in a row of the index, with a mark that says what row they were written for.

use super::rows::wrong;
use crate::digest::Digest;
use crate::format::Writer;
use rusqlite::Result;

/// Bytes, marked as those of a row with this key.
pub fn marked(key: &[i64], bytes: &[u8]) -> Vec<u8> {
    [&mark(key, bytes).0[..], bytes].concat()
}

/// What was marked for the row.
///
/// # Errors
/// It was not, or is something else by now.
pub fn unmarked<'a>(key: &[i64], bytes: &'a [u8]) -> Result<&'a [u8]> {
    bytes
        .split_at_checked(Digest::SIZE)
        .filter(|(told, bytes)| mark(key, bytes).0 == *told)
        .map(|(_, bytes)| bytes)
        .ok_or_else(|| wrong("a row is not what was written"))
}

fn mark(key: &[i64], bytes: &[u8]) -> Digest {
    let mut writer = Writer::new();
    key.iter().for_each(|number| writer.i64(*number));
    writer.raw(&Digest::of(bytes).0);
    Digest::of(&writer.finish())
}
