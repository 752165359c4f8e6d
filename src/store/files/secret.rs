//! The user's secret, which lies outside the cache folder.

#![allow(clippy::disallowed_methods)]

use super::{at, is_abandoned, make_private, private, publish};
use crate::error::Result;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Digits by which the names of drafts differ.
const NONCE: usize = 16;

/// The user's secret: read where it is, made where it is missing.
///
/// # Errors
/// It can't be read or made, or others may read it.
pub fn secret(path: &Path) -> Result<Vec<u8>> {
    sweep_drafts(path);
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

/// Removes what was left by processes that died before they had made it.
fn sweep_drafts(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return;
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let nonce = found
            .as_encoded_bytes()
            .strip_prefix(name.as_encoded_bytes());
        let nonce = nonce.and_then(|rest| rest.strip_prefix(b"."));
        let is_draft = nonce
            .is_some_and(|nonce| nonce.len() == NONCE && nonce.iter().all(u8::is_ascii_hexdigit));
        if is_draft && entry.metadata().is_ok_and(|found| is_abandoned(&found)) {
            let _ = fs::remove_file(entry.path());
        }
    }
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
