//! The event catalogue: every callsite of the linked program, before any of them has run.
//!
//! The macros put one static per callsite into one section of the binary (`linkme`'s), so the list costs
//! nothing at start and nothing at the call; `inventory` would run a constructor per callsite before `main`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use mcpcat_wire::catalogue::{self, Document};
pub use mcpcat_wire::values::{Entry, PlanError, Removal};

use super::callsite::{Callsite, Field, Place};

/// The callsites of the linked program, in the order in which the linker left them.
#[doc(hidden)]
#[linkme::distributed_slice]
pub static CALLSITES: [Callsite];

/// Defines `callsite!`, which writes one static into that section.
///
/// `linkme`'s own macro hands the names of the section to the macro that it is told (`linkme_macro`), for all platforms at
/// once, and chooses where the static stands: two expansions and five conditions in the user's build for each callsite.
/// Here the choice is made once, when this crate is compiled.
macro_rules! choose_section {
    (
        #![linkme_linux_section = $linux:expr]
        #![linkme_macho_section = $macho:expr]
        #![linkme_windows_section = $windows:expr]
        #![linkme_illumos_section = $illumos:expr]
        #![linkme_bsd_section = $bsd:expr]
        $item:item
    ) => {
        #[cfg(any(
            target_os = "none",
            target_os = "linux",
            target_os = "android",
            target_os = "fuchsia",
            target_os = "psp"
        ))]
        define_callsite!(($) $linux);
        #[cfg(any(target_os = "macos", target_os = "ios", target_os = "tvos"))]
        define_callsite!(($) $macho);
        #[cfg(any(target_os = "uefi", target_os = "windows"))]
        define_callsite!(($) $windows);
        #[cfg(target_os = "illumos")]
        define_callsite!(($) $illumos);
        #[cfg(any(target_os = "freebsd", target_os = "openbsd"))]
        define_callsite!(($) $bsd);
    };
}

/// See [`choose_section`]. `$d` is a dollar sign, for the macro that is written.
macro_rules! define_callsite {
    (($d:tt) $section:expr) => {
        /// One callsite: `callsite!("name" "E\n\np\"key\":")`, or with `+ "::path"` a name that follows the module's path.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! __mcpcat_callsite {
                    (+ $d path:tt $d($d text:tt)*) => {
                        #[used]
                        #[unsafe(link_section = $section)]
                        static __MCPCAT_CALLSITE: $crate::__private::Callsite = $crate::__private::Callsite {
                            name: $crate::__private::concat!($crate::__private::module_path!(), $d path),
                            text: $crate::__private::concat!(
                                $crate::__private::module_path!(),
                                "\n",
                                $crate::__private::file!(),
                                "\n",
                                $crate::__private::line!(),
                                "\n",
                                $d($d text)*
                            ),
                            read: $crate::__private::UNREAD,
                        };
                    };
                    ($d name:tt $d($d text:tt)*) => {
                        #[used]
                        #[unsafe(link_section = $section)]
                        static __MCPCAT_CALLSITE: $crate::__private::Callsite = $crate::__private::Callsite {
                            name: $d name,
                            text: $crate::__private::concat!(
                                $crate::__private::module_path!(),
                                "\n",
                                $crate::__private::file!(),
                                "\n",
                                $crate::__private::line!(),
                                "\n",
                                $d($d text)*
                            ),
                            read: $crate::__private::UNREAD,
                        };
                    };
                }
    };
}

CALLSITES! {
    #![linkme_macro = choose_section]
    static NONE: u8 = 0;
}

#[doc(hidden)]
pub use __mcpcat_callsite as callsite;

/// All events that the linked program can make through the macros.
///
/// Events put together at run time ([`CustomEvent`](super::CustomEvent)) and the keys that `..data` adds are not in it.
pub fn catalog() -> Catalog {
    Catalog { entries: entries(CALLSITES.static_slice()) }
}

/// The events of a program: see [`catalog`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    entries: Vec<Entry>,
}

fn entries(callsites: &'static [Callsite]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = callsites.iter().map(entry).collect();
    entries.sort();
    // The compiler may leave a callsite in two object files.
    entries.dedup();
    entries
}

fn entry(site: &'static Callsite) -> Entry {
    let details = site.details();
    let fields = &details.fields;
    let keys = |place: Place| fields.iter().filter(move |field| field.place == place).map(Field::key);
    let mut entry = Entry::default();
    entry.name = site.name.to_owned();
    entry.kind = details.kind.as_str();
    entry.parameters = keys(Place::Parameter).collect();
    entry.tags = keys(Place::Tag).collect();
    entry.properties = keys(Place::Property).collect();
    entry.redacted =
        fields.iter().filter(|field| field.redacted || field.sensitive).map(Field::key).collect();
    entry.description = details.doc;
    entry.module = details.module;
    entry.file = details.file;
    entry.line = details.line;
    entry
}

/// The entry as the document has it.
fn written(entry: &Entry) -> catalogue::Entry<'_> {
    let keys = |keys: &'_ [Cow<'static, str>]| keys.to_vec();
    catalogue::Entry {
        name: entry.name.as_str().into(),
        kind: entry.kind.into(),
        parameters: keys(&entry.parameters),
        tags: keys(&entry.tags),
        properties: keys(&entry.properties),
        redacted: keys(&entry.redacted),
        description: entry.description.into(),
        module: entry.module.into(),
        file: entry.file.into(),
        line: entry.line,
    }
}

impl Catalog {
    /// The entries, sorted by name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Only the events of one crate, named as in its paths (`my_server`): a program's catalogue has those of its
    /// dependencies too.
    #[must_use]
    pub fn of_crate(mut self, name: &str) -> Self {
        self.entries.retain(|entry| entry.module.split("::").next() == Some(name));
        self
    }

    /// A tracking plan as JSON, one line per key, sorted: a text that can be committed and reviewed.
    pub fn to_json(&self) -> String {
        Document::new(self.entries.iter().map(written).collect()).to_json()
    }

    /// What a plan written by [`to_json`](Self::to_json) promises and this program does not keep: events and keys that
    /// are gone, one sentence each. New ones are no breakage.
    ///
    /// # Errors
    /// A plan that is no JSON, or of a newer schema.
    pub fn removed_since(&self, plan: &str) -> Result<Vec<Removal>, PlanError> {
        let plan = Document::parse(plan).map_err(|error| PlanError(error.to_string()))?;
        let now = by_name(self.entries.iter().map(|entry| {
            (
                entry.name.as_str(),
                [("parameter", &entry.parameters), ("tag", &entry.tags), ("property", &entry.properties)],
            )
        }));
        let then = by_name(plan.events.iter().map(|entry| {
            (
                &*entry.name,
                [("parameter", &entry.parameters), ("tag", &entry.tags), ("property", &entry.properties)],
            )
        }));
        let added: Vec<&str> = now.keys().filter(|name| !then.contains_key(*name)).copied().collect();
        let mut removed = Vec::new();
        for (event, keys) in &then {
            let Some(kept) = now.get(event) else {
                let similar = keys_of(keys);
                let renamed =
                    added.iter().find(|name| !similar.is_empty() && keys_of(&now[**name]) == similar);
                removed.push(Removal::Event {
                    event: (*event).to_owned(),
                    perhaps_now: renamed.map(|name| (*name).to_owned()),
                });
                continue;
            };
            for (place, key) in keys.difference(kept) {
                removed.push(Removal::Key {
                    event: (*event).to_owned(),
                    place: (*place).to_owned(),
                    key: (*key).to_owned(),
                });
            }
        }
        Ok(removed)
    }
}

type Keys<'a> = BTreeSet<(&'static str, &'a str)>;

fn keys_of<'a>(keys: &Keys<'a>) -> BTreeSet<&'a str> {
    keys.iter().map(|(_, key)| *key).collect()
}

/// An event that several callsites make has the keys of all of them.
fn by_name<'a>(
    events: impl Iterator<Item = (&'a str, [(&'static str, &'a Vec<Cow<'static, str>>); 3])>,
) -> BTreeMap<&'a str, Keys<'a>> {
    let mut all: BTreeMap<&str, Keys<'_>> = BTreeMap::new();
    for (name, places) in events {
        let keys = all.entry(name).or_default();
        for (place, list) in places {
            keys.extend(list.iter().map(|key| (place, key.as_ref())));
        }
    }
    all
}

/// Fails the test that calls it when the linked program lost an event or a key that the plan at `path` has, and says
/// which. The path is relative to the test's working directory: the package's folder, under `cargo test`.
///
/// Run the test with `MCPCAT_WRITE_CATALOG=1` to write the plan.
///
/// # Panics
/// If something was removed or renamed, or if the plan cannot be read.
#[cfg(any(test, feature = "testing"))]
#[track_caller]
#[cfg(any(test, feature = "testing"))]
pub fn assert_catalog(path: impl AsRef<std::path::Path>) {
    if let Err(why) =
        check_file(&catalog(), path.as_ref(), std::env::var_os("MCPCAT_WRITE_CATALOG").is_some())
    {
        panic!("{why}");
    }
}

#[cfg(any(test, feature = "testing"))]
const HOW_TO_WRITE: &str = "If that is meant, run the test with MCPCAT_WRITE_CATALOG=1 and commit the file.";

#[cfg(any(test, feature = "testing"))]
fn check_file(catalog: &Catalog, path: &std::path::Path, write: bool) -> Result<(), String> {
    let shown = path.display();
    if write {
        return std::fs::write(path, catalog.to_json())
            .map_err(|error| format!("cannot write {shown}: {error}"));
    }
    let plan = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the tracking plan {shown}: {error}. {HOW_TO_WRITE}"))?;
    let removed = catalog.removed_since(&plan).map_err(|error| format!("{shown}: {error}"))?;
    if removed.is_empty() {
        return Ok(());
    }
    let lines: String = removed.iter().map(|removal| format!("\n  {removal}")).collect();
    Err(format!("the program no longer keeps the tracking plan {shown}:{lines}\n{HOW_TO_WRITE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    static SITES: [Callsite; 2] = [
        Callsite::new(
            "plan.upgraded",
            "shop::billing\nsrc/lib.rs\n7\nE\nA plan was upgraded.\np\"plan\":\nt\"region\":\n",
        ),
        Callsite::new("invoice.charge", "other\nsrc/lib.rs\n9\nF\n\nP\"email\":\n"),
    ];

    fn shop() -> Catalog {
        Catalog { entries: entries(&SITES) }
    }

    #[test]
    fn entries_are_sorted_and_say_what_is_known() {
        let catalog = shop();
        let names: Vec<&str> = catalog.entries().iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["invoice.charge", "plan.upgraded"]);
        let upgraded = &catalog.entries()[1];
        assert_eq!(upgraded.kind, "emit");
        assert_eq!(upgraded.parameters, ["plan"]);
        assert_eq!(upgraded.tags, ["region"]);
        assert_eq!(upgraded.description, "A plan was upgraded.");
        assert_eq!((upgraded.file, upgraded.line), ("src/lib.rs", 7));
        assert_eq!(catalog.entries()[0].redacted, ["email"]);
        assert_eq!(shop().of_crate("shop").entries().len(), 1);
    }

    #[test]
    fn a_plan_that_was_just_written_is_kept() {
        let plan = shop().to_json();
        assert!(plan.starts_with("{\n  \"schema_version\": 1,"), "{plan}");
        assert_eq!(shop().removed_since(&plan), Ok(Vec::new()));
    }

    #[test]
    fn what_is_gone_is_named_and_a_rename_is_guessed() {
        let plan = r#"{"schema_version":1,"events":[
            {"name":"plan.upgraded","parameters":["plan","seats"],"tags":[],"properties":["region"]},
            {"name":"invoice.charged","parameters":["email"]},
            {"name":"gone"}]}"#;
        let removed: Vec<String> =
            shop().removed_since(plan).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(
            removed,
            [
                "event `gone` was removed",
                "event `invoice.charged` was removed or renamed: `invoice.charge` is new and has the same keys",
                "event `plan.upgraded` lost its parameter `seats`",
                "event `plan.upgraded` lost its property `region`",
            ]
        );
    }

    #[test]
    fn a_plan_that_cannot_be_read_is_an_error() {
        assert!(shop().removed_since("{").is_err());
        let newer = shop().removed_since(r#"{"schema_version":2,"events":[]}"#).unwrap_err();
        assert!(newer.to_string().contains("schema_version is 2"), "{newer}");
    }

    #[test]
    fn a_file_is_written_kept_and_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.json");
        assert!(check_file(&shop(), &path, false).unwrap_err().contains("MCPCAT_WRITE_CATALOG"));
        check_file(&shop(), &path, true).unwrap();
        assert_eq!(check_file(&shop(), &path, false), Ok(()));
        let fewer = shop().of_crate("shop");
        let why = check_file(&fewer, &path, false).unwrap_err();
        assert!(why.contains("event `invoice.charge` was removed"), "{why}");
    }
}
