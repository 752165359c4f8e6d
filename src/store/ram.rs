//! How much memory there is for this process.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};

/// The most that the memory tier takes by itself.
const MOST: u64 = 512 * 1024 * 1024;

/// Bytes of the memory tier where nobody says: a tenth of the memory, 512 MiB at most.
#[must_use]
pub fn usual_memory() -> u64 {
    let limits = machine().into_iter().chain(container());
    limits.map(|bytes| bytes / 10).fold(MOST, u64::min)
}

#[cfg(unix)]
fn machine() -> Option<u64> {
    // SAFETY: `sysconf` reads two constants of the system.
    let (pages, size) = unsafe {
        (
            libc::sysconf(libc::_SC_PHYS_PAGES),
            libc::sysconf(libc::_SC_PAGESIZE),
        )
    };
    u64::try_from(pages)
        .ok()?
        .checked_mul(u64::try_from(size).ok()?)
}

#[cfg(not(unix))]
fn machine() -> Option<u64> {
    None
}

/// The limit of the control group that this process is in, or of one above it.
fn container() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().filter_map(of_group).min()
}

fn of_group(line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (root, name) = match fields.next()? {
        "" => ("/sys/fs/cgroup", "memory.max"),
        controllers if controllers.split(',').any(|one| one == "memory") => {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let group: PathBuf = Path::new(root).join(fields.next()?.trim_start_matches('/'));
    group
        .ancestors()
        .take_while(|folder| folder.starts_with(root))
        .filter_map(|folder| limit(&folder.join(name)))
        .min()
}

/// What stands in a file of limits; "max" is none.
fn limit(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{MOST, machine, usual_memory};

    #[test]
    fn a_tenth_of_the_memory_is_the_most() {
        let usual = usual_memory();
        assert!(usual > 0 && usual <= MOST);
        assert!(machine().is_none_or(|bytes| usual <= bytes / 10));
    }
}
