//! Which files are zones.

use crate::wire::name::Name;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::FileType;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where zones are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// A directory; those below it are not searched.
    pub directory: Option<PathBuf>,
    /// Zones named one by one.
    pub listed: Vec<(Name, PathBuf)>,
    /// Whether `$INCLUDE` may leave the directory (for a listed file outside it: that file's directory).
    pub include_outside: bool,
}

impl Places {
    /// Whether no place is named.
    pub fn is_nowhere(&self) -> bool {
        self.directory.is_none() && self.listed.is_empty()
    }
}

/// A file that is no zone, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why it is none.
    pub reason: String,
}

/// One file to read. Two are the same when apex and path are.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) apex: Name,
    pub(super) path: Arc<Path>,
    /// The directory that `$INCLUDE` may not leave.
    pub(super) root: Arc<Path>,
    /// Whether it must be a zone. A bare name is one only if the file has an SOA at that name, or was one before.
    pub(super) certain: bool,
}

impl Source {
    fn key(&self) -> (&Name, &Path) {
        (&self.apex, &self.path)
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Source) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Source {}

impl Hash for Source {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// The settings of who publishes the zones of a directory: no zone, and nothing to tell of.
pub const PUBLISH_SETTINGS: &str = "publish.toml";

/// What a file's name says.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Zone(Name),
    /// A zone if it has an apex SOA.
    Bare(Name),
    No(&'static str),
}

/// How the names of files with images end.
const IMAGE_ENDING: &str = ".image";

/// Whether a file holds an image, by its name.
pub fn is_image(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(IMAGE_ENDING.as_bytes()))
}

/// The name of the file for a zone's image, which is found as that zone's again.
pub fn image_name(apex: &Name) -> String {
    let text = apex.to_lower().to_string();
    match text.strip_suffix('.') {
        Some("") | None => format!("root{IMAGE_ENDING}"),
        // What separates directories is no part of a file's name.
        Some(text) => format!("{}{IMAGE_ENDING}", text.replace('/', "\\047")),
    }
}

/// Endings of what editors, packagers and name servers leave beside a zone file.
const LEFTOVERS: [&str; 17] = [
    "~",
    "#",
    ".bak",
    ".orig",
    ".old",
    ".rej",
    ".swp",
    ".swo",
    ".tmp",
    ".gz",
    ".jnl",
    ".jbk",
    ".signed",
    ".dpkg-dist",
    ".dpkg-old",
    ".rpmnew",
    ".rpmsave",
];

/// All files to read, and those of the directory that are none. `Err`: the directory can't be read.
///
/// `is_served` tells of a zone that is served from a file. Such a file is its zone, whatever became of it: one that was
/// emptied, or that a directory stands in the place of, is a fault to tell of, not a zone to forget.
pub(super) fn sources(
    places: &Places,
    is_served: impl Fn(&Name, &Path) -> bool,
) -> Result<(Vec<Source>, Vec<Skipped>), String> {
    let mut sources: Vec<Source> = Vec::with_capacity(places.listed.len());
    for (apex, path) in &places.listed {
        let inside = places.directory.as_deref().filter(|directory| path.starts_with(directory));
        let own = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let root = inside.unwrap_or(own);
        // Mostly many in a row have the same one.
        let root = match sources.last() {
            Some(last) if *last.root == *root => Arc::clone(&last.root),
            _ => root.into(),
        };
        sources.push(Source { apex: apex.clone(), path: path.as_path().into(), root, certain: true });
    }
    let listed: HashMap<Name, &Path> =
        places.listed.iter().map(|(apex, path)| (apex.to_lower(), path.as_path())).collect();
    let mut skipped = Vec::new();
    if let Some(directory) = &places.directory {
        let root: Arc<Path> = directory.as_path().into();
        let is_settings = |path: &Path| path.file_name() == Some(OsStr::new(PUBLISH_SETTINGS));
        let files = files(directory).map_err(|e| unreadable(directory, &e))?;
        for (path, kind) in files.into_iter().filter(|(path, _)| !is_settings(path)) {
            let named = match (name_of(path.file_name().unwrap_or_default()), kind) {
                (Named::Zone(apex) | Named::Bare(apex), _) if is_served(&apex, &path) => Named::Zone(apex),
                (_, Some(kind)) if kind.is_dir() => Named::No("is a directory; name its zones with [[zone]]"),
                (_, Some(kind)) if !kind.is_file() => Named::No("is no regular file"),
                // A file that can't be looked at is judged by its name: if it is a zone, reading it tells the error.
                (named, _) => named,
            };
            let root = Arc::clone(&root);
            match named {
                // `[[zone]]` names this very file for this very zone: finding it again is no second source.
                Named::Zone(apex) | Named::Bare(apex)
                    if listed.get(&apex.to_lower()).is_some_and(|file| same_file(file, &path)) => {}
                Named::Zone(apex) => sources.push(Source { apex, path, root, certain: true }),
                Named::Bare(apex) => sources.push(Source { apex, path, root, certain: false }),
                Named::No(reason) => skipped.push(Skipped { path: path.to_path_buf(), reason: reason.into() }),
            }
        }
    }
    Ok((sources, skipped))
}

/// Whether both paths lead to one file.
fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The zone that a file given alone holds: by the rules for a directory, only that its name settles it.
pub fn apex_of(path: &Path) -> Result<Name, String> {
    match name_of(path.file_name().unwrap_or_default()) {
        Named::Zone(apex) | Named::Bare(apex) => Ok(apex),
        Named::No(reason) => Err(format!("{}: its name {reason}", path.display())),
    }
}

/// All that is in a directory, by name, and what each is, links followed.
fn files(directory: &Path) -> std::io::Result<Vec<(Arc<Path>, Option<FileType>)>> {
    let mut files: Vec<(Arc<Path>, _)> = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path()))?;
        // Only links must be looked at: of all others the directory says what they are.
        let kind = match entry {
            Ok(kind) if !kind.is_symlink() => Some(kind),
            Ok(_) | Err(_) => path.metadata().ok().map(|metadata| metadata.file_type()),
        };
        files.push((path.into(), kind));
    }
    files.sort_unstable_by(|(a, _), (b, _)| a.as_os_str().cmp(b.as_os_str()));
    Ok(files)
}

fn unreadable(directory: &Path, error: &std::io::Error) -> String {
    format!("the zones' directory {} can't be read: {error}; mend it, or name another", directory.display())
}

fn name_of(file: &OsStr) -> Named {
    let Some(file) = file.to_str() else { return Named::No("has a name that is not UTF-8") };
    if file.starts_with('.') {
        return Named::No("is hidden");
    }
    if LEFTOVERS.iter().any(|ending| file.ends_with(ending)) {
        return Named::No("is a backup, journal or other leftover by its name");
    }
    if file == "root.zone" || file == "root.image" {
        return Named::Zone(Name::root());
    }
    let stem = file.strip_suffix(".zone").or(file.strip_suffix(IMAGE_ENDING));
    let (text, certain) = match (stem, file.strip_prefix("db.")) {
        (Some(stem), _) => (stem, true),
        (None, Some(rest)) => (rest, true),
        (None, None) => (file, false),
    };
    match Name::from_text(text) {
        Ok(apex) if certain => Named::Zone(apex),
        Ok(apex) => Named::Bare(apex),
        Err(_) => Named::No("holds no domain name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_says_what_it_is() {
        let name = |text| Name::from_text(text).unwrap();
        for (file, expected) in [
            ("example.com.zone", Named::Zone(name("example.com"))),
            ("db.example.com", Named::Zone(name("example.com"))),
            ("root.zone", Named::Zone(Name::root())),
            ("2.0.192.in-addr.arpa.zone", Named::Zone(name("2.0.192.in-addr.arpa"))),
            ("example.com.image", Named::Zone(name("example.com"))),
            ("root.image", Named::Zone(Name::root())),
            ("0\\04725.2.0.192.in-addr.arpa.zone", Named::Zone(name("0/25.2.0.192.in-addr.arpa"))),
            ("example.com", Named::Bare(name("example.com"))),
            ("README", Named::Bare(name("readme").to_lower())),
            ("example..com.zone", Named::No("holds no domain name")),
            (".example.com.zone", Named::No("is hidden")),
            ("example.com.zone~", Named::No("is a backup, journal or other leftover by its name")),
            ("#example.com.zone#", Named::No("is a backup, journal or other leftover by its name")),
            ("example.com.zone.signed", Named::No("is a backup, journal or other leftover by its name")),
            ("db.example.com.jnl", Named::No("is a backup, journal or other leftover by its name")),
            (".zone", Named::No("is hidden")),
            ("db.", Named::No("holds no domain name")),
        ] {
            let got = name_of(OsStr::new(file));
            match (&got, &expected) {
                (Named::Bare(got), Named::Bare(expected)) => assert_eq!(got.to_lower(), expected.to_lower()),
                _ => assert_eq!(got, expected, "{file}"),
            }
        }
    }

    #[test]
    fn an_image_is_found_by_the_name_of_its_file() {
        for text in [".", "com", "Example.com", "0/25.2.0.192.in-addr.arpa", "a\\.b.c", "a\\000.c"] {
            let apex = Name::from_text(text).unwrap();
            let file = image_name(&apex);
            assert!(is_image(Path::new(&file)), "{file}");
            assert_eq!(name_of(OsStr::new(&file)), Named::Zone(apex.to_lower()), "{file}");
        }
        assert!(!is_image(Path::new("example.com.zone")));
    }

    #[test]
    fn the_settings_of_a_publish_are_no_zone() {
        let directory = std::env::temp_dir().join(format!("catchment-discover-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        ["a.zone", PUBLISH_SETTINGS].iter().for_each(|file| std::fs::write(directory.join(file), "").unwrap());
        let places = Places { directory: Some(directory.clone()), listed: Vec::new(), include_outside: false };
        let (sources, skipped) = super::sources(&places, |_, _| false).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        let paths: Vec<_> = sources.iter().map(|source| source.path.to_path_buf()).collect();
        assert_eq!((paths, skipped), (vec![directory.join("a.zone")], Vec::new()));
    }

    #[test]
    fn a_listed_file_may_include_from_its_own_directory_or_from_the_zones() {
        let places = Places {
            directory: None,
            listed: vec![(Name::from_text("a").unwrap(), "/z/sub/a.zone".into())],
            include_outside: false,
        };
        let (sources, _) = super::sources(&places, |_, _| false).unwrap();
        assert_eq!(*sources[0].root, *Path::new("/z/sub"));
        let nowhere = Places { directory: Some("/no/such".into()), ..places };
        assert!(super::sources(&nowhere, |_, _| false).unwrap_err().contains("/no/such"));
    }
}
