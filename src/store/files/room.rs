//! Room on the disk for a file that is to be mapped: writing to a page of it that the disk has no room
//! for would end the process.

use std::fs::File;
use std::io;

/// What the system counts the room of files in, in bytes.
#[cfg(unix)]
const BLOCK: u64 = 512;

/// Gives a file a length, and room for all of it.
#[cfg(unix)]
pub(super) fn allocate(file: &File, size: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    use std::os::unix::fs::MetadataExt;
    let known = file.metadata()?;
    if known.len() >= size && known.blocks() * BLOCK >= size {
        return Ok(()); // and nobody sees that it was opened
    }
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        // A file system that knows of no such thing.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => lengthen(file, size),
        done => Ok(done?),
    }
}

#[cfg(not(unix))]
pub(super) fn allocate(file: &File, size: u64) -> io::Result<()> {
    lengthen(file, size)
}

fn lengthen(file: &File, size: u64) -> io::Result<()> {
    if file.metadata()?.len() < size {
        file.set_len(size)?;
    }
    Ok(())
}
