//! Files of a run, opened so that nothing but our own regular files is ever read or written.
//!
//! A symbolic link, a second hard link, another owner or a directory that others may enter is refused: the
//! spool holds what users' tools were asked and answered.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};

fn refused(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, format!("{}: {why}", path.display()))
}

/// Makes a directory for this user alone, or accepts one that is.
pub(super) fn private_dir(path: &Path) -> Result<()> {
    match new_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check_dir(path),
        made => made,
    }
}

/// Makes a directory that must not exist yet, for this user alone.
pub(super) fn new_dir(path: &Path) -> Result<()> {
    dir_builder().create(path)?;
    // The umask may have taken some of this user's own rights.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let meta = std::fs::symlink_metadata(path)?;
        if meta.mode() & 0o7777 != 0o700 && meta.is_dir() && meta.uid() == super::region::effective_user() {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}

/// Makes what is missing of a path, each directory for this user alone. One that exists is taken as it is: the
/// user's home, and directories that others made.
pub(super) fn private_path(path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        private_path(parent)?;
    }
    match new_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

fn dir_builder() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has modes"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder
}

/// Refuses what is not a directory of this user alone.
pub(super) fn check_dir(path: &Path) -> Result<()> {
    let meta = std::fs::symlink_metadata(path)?;
    if !meta.is_dir() {
        return Err(refused(path, "is not a directory; remove it, or choose another state directory"));
    }
    check_owner(path, &meta)
}

#[cfg(unix)]
fn check_owner(path: &Path, meta: &Metadata) -> Result<()> {
    if meta.uid() != super::region::effective_user() {
        return Err(refused(path, "belongs to another user; choose another state directory"));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(refused(path, "is open to other users; chmod it to 0700 (files to 0600)"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_path: &Path, _meta: &Metadata) -> Result<()> {
    Ok(())
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}

/// Creates a file that must not exist yet, for this user alone.
pub(super) fn create(path: &Path) -> Result<File> {
    let file = options().create_new(true).open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As for directories.
        if file.metadata()?.mode() & 0o777 != 0o600 {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(file)
}

/// Opens a file that exists, if it is a regular file of this user alone with one name.
pub(super) fn open(path: &Path) -> Result<File> {
    let file = options().open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(refused(path, "is not a regular file"));
    }
    #[cfg(unix)]
    if meta.nlink() != 1 {
        return Err(refused(path, "has another name"));
    }
    check_owner(path, &meta)?;
    Ok(file)
}

/// Whether `path` still names the open `file`.
#[cfg(unix)]
pub(super) fn still_named(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => open.ino() == named.ino() && open.dev() == named.dev(),
        _ => false,
    }
}

/// Whether `path` still names something; an open file cannot be replaced here.
#[cfg(not(unix))]
pub(super) fn still_named(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Writes all of `bytes` at an offset, without moving a cursor.
#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], at: u64) -> Result<()> {
    file.write_all_at(bytes, at)
}

/// Writes all of `bytes` at an offset.
#[cfg(windows)]
pub(super) fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> Result<()> {
    use std::os::windows::fs::FileExt as _;
    while !bytes.is_empty() {
        let written = file.seek_write(bytes, at)?;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

/// Reads up to `bytes.len()` bytes at an offset; fewer only at the end of the file.
pub(super) fn read_at(file: &File, bytes: &mut [u8], at: u64) -> Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match read_some(file, &mut bytes[read..], at + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

#[cfg(unix)]
fn read_some(file: &File, bytes: &mut [u8], at: u64) -> Result<usize> {
    file.read_at(bytes, at)
}

#[cfg(windows)]
fn read_some(file: &File, bytes: &mut [u8], at: u64) -> Result<usize> {
    use std::os::windows::fs::FileExt as _;
    file.seek_read(bytes, at)
}
