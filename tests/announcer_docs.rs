//! What docs/announcer.md shows is read by the programs that it is for: each router's snippet by that router's own parser, the
//! sidecar's settings by `--check-config`.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::frr;
use support::peers::Peers;
use support::process::TempDir;
use support::skip;

const DOCS: &str = include_str!("../docs/announcer.md");

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    DOCS.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The one block of a language.
fn block(language: &str) -> &'static str {
    let all = blocks(language);
    assert_eq!(all.len(), 1, "{language}");
    all[0]
}

/// The words that run a program of a router: where tests/peers/fetch found it, else installed.
fn program(key: &str, name: &str) -> Option<Vec<String>> {
    if let Some(words) = Peers::find().ok().and_then(|peers| peers.words(key).ok()) {
        return Some(words);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin", "/usr/lib/frr"].map(PathBuf::from);
    let mut places = std::env::split_paths(&path).chain(more).map(|directory| directory.join(name));
    places.find(|file| file.is_file()).map(|file| vec![file.display().to_string()])
}

/// Runs a parser on a file. What it says, standard error included, and whether it was content.
fn parse(mut command: Command, arguments: &[&str], file: &Path) -> (bool, String) {
    let output = command.args(arguments).arg(file).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.success(), text)
}

/// A snippet with one word of nonsense in front must be refused: else nothing was read.
fn accepts(key: &str, name: &str, arguments: &[&str], text: &str, nonsense: &str) {
    accepts_within(key, name, |_| Vec::new(), arguments, text, nonsense);
}

/// The same with one of FRR's daemons, which gives up root for a user of its own before it reads anything.
fn frr_accepts(key: &str, name: &str, text: &str, nonsense: &str) {
    let as_user = |dir: &TempDir| {
        frr::make_user(dir).unwrap();
        ["unshare".to_owned(), "--mount".to_owned()].into_iter().chain(frr::as_user(dir)).collect()
    };
    accepts_within(key, name, as_user, &["-C", "-f"], text, nonsense);
}

/// `before`: words before the program's own, for what it writes in this directory.
fn accepts_within(
    key: &str,
    name: &str,
    before: impl Fn(&TempDir) -> Vec<String>,
    arguments: &[&str],
    text: &str,
    nonsense: &str,
) {
    let Some(program) = program(key, name) else {
        return skip(format!("there is no {name} here; tests/peers/fetch gets it"));
    };
    let dir = TempDir::new(&format!("announcer-docs-{name}"));
    let words = [before(&dir), program].concat();
    let read = |file: &str, text: String| {
        let mut command = Command::new(&words[0]);
        // FRR's daemons write their state beside their configuration.
        command.args(&words[1..]).current_dir(dir.path());
        let path = dir.write(file, text);
        let (done, said) = parse(command, arguments, &path);
        // FRR's parsers end with 0 whatever they read.
        let refused = ["No such command", "Unknown command", "Ambiguous", "% ", "failed", "rror"];
        (done && !refused.iter().any(|word| said.contains(word)), said)
    };
    let (good, said) = read("good.conf", text.to_owned());
    assert!(good, "{name} refuses the snippet:\n{said}");
    let (good, said) = read("bad.conf", format!("{nonsense}\n{text}"));
    assert!(!good, "{name} takes anything:\n{said}");
}

#[test]
fn bird_reads_its_snippet() {
    accepts("BIRD", "bird", &["-p", "-c"], block("bird"), "nonsense on;");
}

#[test]
fn frr_reads_its_snippet() {
    if !nix::unistd::geteuid().is_root() {
        return skip("FRR's daemons give up root before they read anything, so they must have it");
    }
    let (bgp, bfd) = block("frr").split_once("\n!\nbfd\n").expect("BFD is its end");
    frr_accepts("BGPD", "bgpd", &format!("{bgp}\n"), "nonsense on");
    frr_accepts("BFDD", "bfdd", &format!("bfd\n{bfd}"), "nonsense on");
}

#[test]
fn gobgp_reads_its_snippet() {
    accepts("GOBGPD", "gobgpd", &["--dry-run", "-f"], block("gobgp"), "nonsense = [");
}

#[test]
fn the_sidecar_reads_its_own_examples() {
    let dir = TempDir::new("announcer-docs-toml");
    let examples = blocks("toml");
    assert!(!examples.is_empty());
    for text in examples.into_iter().chain([include_str!("../deploy/announcer.toml")]) {
        let file = dir.write("announcer.toml", text);
        let command = Command::new(env!("CARGO_BIN_EXE_catchment-announcer"));
        let (done, said) = parse(command, &["--check-config", "--config"], &file);
        assert!(done && said.contains("all is well"), "{said}\n{text}");
        // The addresses of examples are on no host.
        let unwise = said.lines().filter(|line| line.starts_with("warning: ") && !line.contains("is on no interface"));
        assert_eq!(unwise.collect::<Vec<_>>(), [] as [&str; 0], "{said}");
    }
}
