//! Opens files that belong to this user alone, as the spool of the SDK opens its own.
//!
//! A name in a directory that others can write to may lead anywhere: to a link, a pipe, a file with a second name, a
//! file of somebody else. None of them is opened, and nothing is written or changed before that is known.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, why)
}

fn options(write: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(write);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        use rustix::fs::OFlags;
        // Opening a pipe would otherwise wait for its other end.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits() as i32);
    }
    options
}

/// Creates a file that is not there yet, readable by this user alone from its first moment.
pub(crate) fn create(path: &Path) -> Result<File> {
    options(true).create_new(true).open(path)
}

/// Opens a file that is there, to look at it.
pub(crate) fn open_to_read(path: &Path) -> Result<File> {
    check(options(false).open(path).map_err(|error| explain(path, error))?, false)
}

/// Opens a file that is there, to write to it.
pub(crate) fn open(path: &Path) -> Result<File> {
    check(options(true).open(path).map_err(|error| explain(path, error))?, true)
}

/// Opens a file, or creates it.
pub(crate) fn open_or_create(path: &Path) -> Result<File> {
    match open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => match create(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => open(path),
            other => other,
        },
        other => other,
    }
}

/// Says so when the name is a link: the system's own words for that are about loops.
fn explain(path: &Path, error: Error) -> Error {
    let link = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_symlink());
    if link { refused("it is a symbolic link; name the file itself") } else { error }
}

fn check(file: File, write: bool) -> Result<File> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(refused("it is not a regular file"));
    }
    #[cfg(unix)]
    if write {
        use std::os::unix::fs::MetadataExt as _;
        if meta.nlink() != 1 {
            return Err(refused("it has another name (a hard link)"));
        }
        if meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(refused("it belongs to another user"));
        }
    }
    #[cfg(not(unix))]
    let _ = write;
    Ok(file)
}

/// Takes the rights of all others away. For files that are known to be ours.
pub(crate) fn close_to_others(file: &File) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        }
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// Creates the folder of a file if need be, for this user alone, and returns the file's path with the folder's links
/// resolved: SQLite is told to follow none.
pub(crate) fn place(path: &Path) -> Result<PathBuf> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.exists() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    let name = path.file_name().ok_or_else(|| refused("it names no file"))?;
    Ok(folder.canonicalize()?.join(name))
}

/// The path with an ending added to the file's name.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
