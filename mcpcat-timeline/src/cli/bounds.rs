//! How much and how long, as the command line says it: for all projects, or for one.

use std::time::Duration;

/// A bound for one project, or for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OfProject<T> {
    pub(super) project: Option<String>,
    pub(super) bound: T,
}

/// `BOUND` or `PROJECT=BOUND`; a project's id may hold anything but a comma.
pub(super) fn of_project<T>(
    read: fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<OfProject<T>, String> + Clone + Send + Sync + 'static
where
    T: 'static,
{
    move |text| match text.rsplit_once('=') {
        None => Ok(OfProject { project: None, bound: read(text)? }),
        Some(("", _)) => Err("the project before `=` is missing".into()),
        Some((project, bound)) => Ok(OfProject { project: Some(project.to_owned()), bound: read(bound)? }),
    }
}

/// What the options say together. `whole` is the bound of all projects' bytes where nobody gives one; the last one given
/// for a project holds.
pub(super) fn retention(
    ages: &[OfProject<Duration>],
    sizes: &[OfProject<u64>],
    whole: Option<u64>,
) -> crate::store::Retention {
    let mut keep = crate::store::Retention { bytes: whole, ..Default::default() };
    for OfProject { project, bound } in ages {
        match project {
            None => keep.age = Some(*bound),
            Some(project) => keep.projects.entry(project.clone()).or_default().age = Some(*bound),
        }
    }
    for OfProject { project, bound } in sizes {
        let bound = Some(*bound).filter(|bytes| *bytes > 0);
        match project {
            None => keep.bytes = bound,
            Some(project) => keep.projects.entry(project.clone()).or_default().bytes = bound,
        }
    }
    keep
}

pub(super) fn quota(text: &str) -> Result<i64, String> {
    size(text)
        .ok()
        .and_then(|bytes| i64::try_from(bytes).ok())
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "expected a size such as 10MB".into())
}

/// `30d`, `12h`, `15m`, `90s`.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    crate::http::span(text)
        .and_then(|micros| u64::try_from(micros).ok())
        .map(Duration::from_micros)
        .ok_or_else(|| "expected an age such as 30d, 12h, 15m or 90s".into())
}

/// `500MB`, `4GiB`, `1000000`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "kib" | "k" => 1 << 10,
        "mb" => 1_000_000,
        "mib" | "m" => 1 << 20,
        "gb" => 1_000_000_000,
        "gib" | "g" => 1 << 30,
        _ => return Err("expected a size such as 500MB or 4GiB".into()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| "expected a size such as 500MB or 4GiB".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_of_one_project_or_of_all() {
        let sizes = of_project(size);
        assert_eq!(sizes("a=b=1KiB"), Ok(OfProject { project: Some("a=b".into()), bound: 1024 }));
        assert_eq!(sizes("1KiB"), Ok(OfProject { project: None, bound: 1024 }));
        assert!(sizes("=1KiB").is_err() && sizes("a=").is_err() && sizes("a").is_err());
        let keep = retention(&[], &[sizes("p=1GiB").unwrap()], Some(4));
        assert_eq!((keep.bytes, keep.projects["p"].bytes), (Some(4), Some(1 << 30)));
        assert_eq!(retention(&[], &[sizes("0").unwrap()], Some(4)).bytes, None);
        assert!(!retention(&[], &[sizes("0").unwrap()], Some(4)).bounds_anything());
    }

    #[test]
    fn sizes_and_ages_are_read_with_their_units() {
        assert_eq!(size("4GiB"), Ok(4 << 30));
        assert_eq!(size("500MB"), Ok(500_000_000));
        assert_eq!(size("12"), Ok(12));
        assert!(size("4 parsecs").is_err());
        assert!(size("99999999999GiB").is_err());
        assert_eq!(age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert!(age("soon").is_err());
    }
}
