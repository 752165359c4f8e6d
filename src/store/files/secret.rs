//! The user's secret, which lies outside the cache folder.

#![allow(clippy::disallowed_methods)]

use super::{at, make_private, private, publish};
use crate::error::Result;
use std::fs::File;
use std::io;
use std::path::Path;

/// The user's secret: read where it is, made where it is missing.
///
/// # Errors
/// It can't be read or made, or others may read it.
pub fn secret(path: &Path) -> Result<Vec<u8>> {
    match read_secret(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_secret(path)
            .and_then(|()| read_secret(path))
            .map_err(|error| at(path, "can't be made", error)),
        read => read.map_err(|error| at(path, "can't be used as the secret", error)),
    }
}

fn read_secret(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    private::check_secret(&file)?;
    io::read_to_string(file).map(|text| hex_bytes(text.trim()))
}

fn make_secret(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        make_private(folder)?;
    }
    let mut bytes = [0; crate::format::Secret::SIZE];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    publish(path, path, hex_text(&bytes).as_bytes())
}

/// Bytes as hexadecimal text.
#[must_use]
pub fn hex_text(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Bytes of hexadecimal text; whatever is not hexadecimal makes it too short to be a secret.
#[must_use]
pub fn hex_bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map_while(|digit| digit.to_digit(16))
        .filter_map(|digit| u8::try_from(digit).ok())
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
