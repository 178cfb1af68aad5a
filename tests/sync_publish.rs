//! `catchment keygen`, `keyset`, `publish`, `refresh`, `releases`, `rollback`, `status`, `verify` and `gc`: the real binary, on
//! stores in directories.

mod support;

use catchment::sync::key::KeyPair;
use catchment::sync::key_set::KeySet;
use catchment::sync::signed::Signed;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use support::catchment::{catchment, run, zone};
use support::process::{TempDir, signal};

/// A checkout with zones, and keys made by keygen.
fn checkout(label: &str) -> TempDir {
    let dir = TempDir::new(label);
    std::fs::create_dir(dir.path().join("zones")).unwrap();
    dir.write("zones/example.com.zone", zone(1));
    dir.write("zones/example.org.zone", zone(1));
    let (code, out, err) = run(&["keygen", "--out", "keys/prod"], dir.path());
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    dir
}

/// What a channel's first release says.
const BEGINS: &str = "note: dir:store has no channel prod yet: it begins there\n";

const PUBLISH: [&str; 8] = ["publish", "zones", "--to", "dir:store", "--channel", "prod", "--key", "keys/prod.key"];

/// Publishes: exit code, standard output, standard error.
fn publish(dir: &TempDir, more: &[&str]) -> (i32, String, String) {
    run(&[&PUBLISH, more].concat(), dir.path())
}

/// Runs a command on the store's channel.
fn of(dir: &TempDir, command: &str, more: &[&str]) -> (i32, String, String) {
    run(&[&[command, "--of", "dir:store"], more].concat(), dir.path())
}

/// What was done: the last line, after what changes.
fn done(out: &str) -> String {
    out.lines().last().map(|line| format!("{line}\n")).unwrap_or_default()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// The published generation, and no faults in the store.
fn head(dir: &TempDir) -> String {
    let (code, out, err) = of(dir, "releases", &["--channel", "prod", "--json"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = of(dir, "verify", &[]);
    assert_eq!(code, 0, "{err}");
    json(&out)["releases"][0]["generation"].as_str().unwrap().to_owned()
}

#[test]
fn keys_are_private_and_never_overwritten() {
    let dir = checkout("keygen");
    let mode = |name: &str| dir.path().join("keys").join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("prod.key"), mode("prod.root.key")], [0o600, 0o600]);
    let public = std::fs::read_to_string(dir.path().join("keys/prod.root.pub")).unwrap();
    assert!(public.contains("\ned25519:"), "{public}");
    let before = std::fs::read(dir.path().join("keys/prod.key")).unwrap();
    let (code, _, err) = run(&["keygen", "--out", "keys/prod"], dir.path());
    assert_eq!(code, 1);
    assert!(err.contains("keys/prod.key is there already; keys are never overwritten"), "{err}");
    assert_eq!(std::fs::read(dir.path().join("keys/prod.key")).unwrap(), before);

    std::fs::set_permissions(dir.path().join("keys/prod.key"), PermissionsExt::from_mode(0o644)).unwrap();
    let (code, _, err) = publish(&dir, &[]);
    let warning = "warning: keys/prod.key can be read by others: chmod 600 keys/prod.key\n";
    assert_eq!((code, err), (0, format!("{warning}{BEGINS}")));
    // From the environment; never from the command line.
    let key = String::from_utf8(before).unwrap();
    let mut command = catchment();
    command.args(PUBLISH).args(["--key-set", "keys/prod.keyset"]).current_dir(dir.path()).env("KEY", &key);
    let place = command.get_args().position(|argument| argument == "keys/prod.key").unwrap();
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let mut command = catchment();
    command
        .args(&arguments[..place])
        .arg("env:KEY")
        .args(&arguments[place + 1..])
        .current_dir(dir.path())
        .env("KEY", &key);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let secret = key.lines().last().unwrap();
    let (code, _, err) =
        run(&["publish", "zones", "--to", "dir:store", "--channel", "prod", "--key", secret], dir.path());
    assert!(code == 1 && err.contains("can be seen by all") && !err.contains(secret), "{err}");
}

#[test]
fn from_a_checkout_to_a_release_and_back() {
    let dir = checkout("publish");
    let (code, out, err) = publish(&dir, &[]);
    assert_eq!((code, err.as_str()), (0, BEGINS));
    assert!(done(&out).starts_with("published 1.1: 2 zones, 2 added, 0 changed, 0 removed; 3 blobs, "), "{out}");
    let (code, out, err) = publish(&dir, &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, "nothing changed: 1.1 stays the head, 2 zones; its freshness was signed again\n");

    dir.write("zones/example.com.zone", zone(2));
    let (code, out, err) = publish(&dir, &["--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let told = json(&out);
    assert_eq!((&told["generation"], &told["changed"], &told["before"]), (&"1.2".into(), &1.into(), &"1.1".into()));
    assert_eq!(head(&dir), "1.2");

    let to = ["--channel", "prod", "--key", "keys/prod.key", "--to"];
    let (code, out, err) = of(&dir, "rollback", &[&to[..], &["1.1"]].concat());
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("published 1.3 after 1.2: 2 zones, 0 added, 1 changed, 0 removed; 1 blob, "), "{out}");
    let (code, _, err) = of(&dir, "rollback", &[&to[..], &["1.9"]].concat());
    assert!(code == 1 && err.contains("no release 1.9 that is kept, the oldest is 1.1"), "{err}");
    let (_, out, _) = of(&dir, "releases", &["--channel", "prod"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert!(lines[1].starts_with("1.3 ") && lines[1].ends_with("head; content of 1.1"), "{out}");

    let (code, out, _) = of(&dir, "refresh", &["--channel", "prod", "--key", "keys/prod.key"]);
    assert_eq!((code, out.as_str()), (0, "1.3 is the head: its freshness was signed again\n"));
    let (code, out, err) = of(&dir, "gc", &["--keep", "1"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.ends_with("removed 0 blobs, 0 octets; 4 unused ones younger than a day\n"), "{out}");
    let (code, out, err) = of(&dir, "status", &[]);
    assert_eq!((code, err.as_str()), (0, ""), "no node is out of step where there is none");
    assert!(out.starts_with("channel prod: head 1.3, said "), "{out}");
}

/// A store that is mistyped, or was emptied, is not well. Its blobs are in no use, and stay.
#[test]
fn a_store_without_channels_is_not_well() {
    let dir = checkout("lost");
    assert_eq!(publish(&dir, &[]).0, 0);
    let blobs = || std::fs::read_dir(dir.path().join("store/blobs")).unwrap().count();
    let before = blobs();
    std::fs::remove_dir_all(dir.path().join("store/channels")).unwrap();
    let said = "error: the store has no channels: is it the one that is meant, or was it emptied? \
                Then bring it back from a copy, before anything is published to it\n";
    for command in ["status", "verify", "gc"] {
        assert_eq!(of(&dir, command, &[]), (1, String::new(), said.into()), "{command}");
    }
    assert!(before > 0 && blobs() == before);
}

/// What has no room is not taken for told.
#[test]
fn a_full_disk_behind_standard_output_is_a_failure() {
    let dir = checkout("full");
    assert_eq!(publish(&dir, &[]).0, 0);
    for arguments in
        [&["check", "zones"][..], &["check", "zones", "--format", "gitlab"], &["verify", "--of", "dir:store"]]
    {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = catchment().args(arguments).current_dir(dir.path()).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.ends_with("error: standard output: No space left on device (os error 28)\n"), "{said}");
    }
}

/// Nobody is known to serve what nobody reports: who waits for nodes is told that there is none.
#[test]
fn to_wait_for_no_node_is_no_success() {
    let dir = checkout("nobody");
    let wait = ["--wait", "--timeout", "1"];
    let none = |generation: &str| {
        format!(
            "no node has reported lately: waiting for one that serves {generation}\n\
             error: {generation} is the head, but no node that is waited for has reported within the last 60 s: \
             is it the store that they follow? see catchment status\n"
        )
    };
    let (code, out, err) = publish(&dir, &wait);
    assert_eq!((code, err), (4, format!("{BEGINS}{}", none("1.1"))));
    assert!(done(&out).starts_with("published 1.1: 2 zones, 2 added"), "it is published all the same: {out}");
    dir.write("zones/example.com.zone", zone(2));
    let (code, out, err) = publish(&dir, &[&wait[..], &["--json"]].concat());
    assert_eq!((code, err), (4, none("1.2")));
    let told = json(&out);
    assert_eq!((&told["published"], &told["all-serve-it"]), (&true.into(), &false.into()), "{told}");
    let to = ["--channel", "prod", "--key", "keys/prod.key", "--to", "1.1"];
    let (code, out, err) = of(&dir, "rollback", &[&to[..], &wait].concat());
    assert_eq!((code, err), (4, none("1.3")));
    assert!(out.starts_with("published 1.3 after 1.2: "), "{out}");
}

/// The head has moved, and that is said, whatever becomes of the wait.
#[test]
fn who_serves_it_can_not_be_found_out() {
    let dir = checkout("crowd");
    assert_eq!(publish(&dir, &[]).0, 0);
    std::fs::create_dir_all(dir.path().join("store/channels/prod/nodes")).unwrap();
    for node in 0..10_001 {
        let name: String = format!("n{node}").bytes().map(|octet| format!("{octet:02x}")).collect();
        dir.write(&format!("store/channels/prod/nodes/{name}.json"), "{}");
    }
    let error = |generation: &str| {
        let why = "reading reports: channels/prod/nodes/: it has reports of more than 10,000 nodes; remove those that are no nodes'\n";
        format!(
            "note: no answers are compared, as what nodes are asked can't be read: {why}\
             error: {generation} is the head, but who serves it can't be found out: {why}"
        )
    };
    dir.write("zones/example.com.zone", zone(2));
    let (code, out, err) = publish(&dir, &["--wait"]);
    assert_eq!((code, err), (4, error("1.2")));
    assert!(done(&out).starts_with("published 1.2 after 1.1: "), "{out}");
    dir.write("zones/example.com.zone", zone(3));
    let (code, out, err) = publish(&dir, &["--wait", "--json"]);
    assert_eq!((code, err), (4, error("1.3")));
    let told = json(&out);
    assert_eq!(
        (&told["generation"], &told["all-serve-it"], &told["fleet"]),
        (&"1.3".into(), &false.into(), &().into())
    );
    assert_eq!(head(&dir), "1.3");
}

/// Makes the key set of a checkout one that was made in 2023.
fn age(dir: &TempDir) {
    let path = dir.path().join("keys/prod.keyset");
    let set = Signed::<KeySet>::decode(&std::fs::read(&path).unwrap()).unwrap();
    let root = std::fs::read_to_string(dir.path().join("keys/prod.root.key")).unwrap();
    let root = KeyPair::from_text(&root, "the root key").unwrap();
    let mut aged = set.claims().clone();
    aged.time_secs = 1_700_000_000;
    std::fs::write(path, Signed::sign(&aged, &[&root]).unwrap().bytes()).unwrap();
}

/// A store that is not the one that was meant, or that was emptied, has not the channel. It does not begin there by accident.
#[test]
fn a_channel_begins_where_that_is_meant() {
    let dir = checkout("begins");
    age(&dir);
    let to = |store: &str, more: &[&str]| {
        let mut command = PUBLISH;
        command[3] = store;
        run(&[&command[..], more].concat(), dir.path())
    };
    let refused = |store: &str, set: u32, made: &str| {
        format!(
            "error: nothing was published: {store} has no channel prod, and key set {set} of it was made at {made}: is that \
             the store that is meant, or was it emptied? To begin the channel there: --first\n"
        )
    };
    let aged = "2023-11-14T22:13:20Z";
    assert_eq!(to("dir:store", &[]), (1, String::new(), refused("dir:store", 1, aged)));
    assert!(!dir.path().join("store").exists(), "nothing was written");
    let (code, out, err) = to("dir:store", &["--first"]);
    assert_eq!((code, err.as_str()), (0, BEGINS));
    assert!(done(&out).starts_with("published 1.1: "), "{out}");
    // From then on it is the usual command: a mistyped store is told, and a flag that was left there too.
    assert_eq!(to("dir:store", &[]).0, 0);
    assert_eq!(to("dir:stoer", &[]), (1, String::new(), refused("dir:stoer", 1, aged)));
    assert!(!dir.path().join("stoer").exists());
    let (code, _, err) = to("dir:store", &["--first"]);
    assert!(code == 1 && err.contains("dir:store has channel prod already, at 1.1; leave --first out"), "{err}");
    // Keys are laid out by the same rule. Where they were, somebody has meant it.
    let lay =
        |set: &str, more: &[&str]| run(&[&["keyset", "publish", set, "--to", "dir:laid"], more].concat(), dir.path());
    let said = refused("dir:laid", 1, aged).replace("nothing was published: ", "");
    assert_eq!(lay("keys/prod.keyset", &[]), (1, String::new(), said));
    assert!(!dir.path().join("laid").exists());
    let (code, _, err) = lay("keys/prod.keyset", &["--first"]);
    assert_eq!((code, err.as_str()), (0, "note: dir:laid has no channel prod yet: it begins there\n"));
    let (code, _, err) = lay("keys/prod.keyset", &["--first"]);
    assert!(code == 1 && err.contains("dir:laid has channel prod already; leave --first out"), "{err}");
    let (code, out, err) = to("dir:laid", &[]);
    assert_eq!((code, err.as_str()), (0, "note: dir:laid has channel prod, but no release of it: this is its first\n"));
    assert!(done(&out).starts_with("published 1.1: "), "{out}");
    // Keys that have replaced others are of a channel that is somewhere.
    let next = ["keyset", "next", "keys/prod.keyset", "--root", "keys/prod.root.key", "--out", "keys/v2.keyset"];
    let (code, _, err) = run(&next, dir.path());
    assert_eq!(code, 0, "{err}");
    std::fs::remove_dir_all(dir.path().join("laid")).unwrap();
    let (code, _, err) = lay("keys/v2.keyset", &["--key-set", "keys/prod.keyset"]);
    assert!(code == 1 && err.contains("dir:laid has no channel prod, and key set 2 of it was made at 20"), "{err}");
    let (code, _, err) = to("dir:other", &["--key-set", "keys/v2.keyset"]);
    assert!(code == 1 && err.contains("dir:other has no channel prod, and key set 2 of it was made at 20"), "{err}");
}

#[test]
fn zones_at_fault_stop_the_publish() {
    let dir = checkout("faults");
    dir.write("zones/bad.zone", "$TTL 1h\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2\n");
    dir.write("zones/README", "hello");
    let (code, out, err) = publish(&dir, &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    for part in ["zones/bad.zone:4:6", "ns A 192.0.2", "nothing was published: 1 zone at fault", "README"] {
        assert!(err.contains(part), "no `{part}` in:\n{err}");
    }
    assert!(!dir.path().join("store").exists());
    for file in ["bad.zone", "example.com.zone", "example.org.zone"] {
        std::fs::remove_file(dir.path().join("zones").join(file)).unwrap();
    }
    let (code, _, err) = publish(&dir, &[]);
    assert!(code == 1 && err.contains("there are no zones in zones"), "{err}");
    let (code, _, err) = run(&["publish", "zones", "--to", "/srv/x", "--channel", "prod", "--key", "k"], dir.path());
    assert!(code == 2 && err.contains("dir:/srv/x"), "{err}");
    let (code, _, err) = of(&dir, "releases", &["--channel", "prod"]);
    assert!(code == 1 && err.contains("the store has no channel prod"), "{err}");
}

/// All files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn verify_finds_what_is_lost_and_publish_makes_it_again() {
    let dir = checkout("verify");
    publish(&dir, &[]);
    assert_eq!(head(&dir), "1.1");
    let magic = |path: &PathBuf, magic: &[u8]| std::fs::read(path).unwrap().starts_with(magic);
    let pack = files(&dir.path().join("store/blobs")).into_iter().find(|path| magic(path, b"CTCHPACK")).unwrap();
    let good = std::fs::read(&pack).unwrap();
    let mut bad = good.clone();
    bad[100] ^= 1;
    std::fs::write(&pack, bad).unwrap();
    let (code, _, err) = of(&dir, "verify", &[]);
    assert!(code == 1 && err.contains("its octets have another digest"), "{err}");
    std::fs::remove_file(&pack).unwrap();
    let (code, out, _) = of(&dir, "verify", &["--json"]);
    assert_eq!(code, 1);
    let faults = json(&out)["faults"].to_string();
    assert!(faults.contains("release 1.1, zone example.com.: pack ") && faults.contains("is missing"), "{faults}");
    let (code, out, err) = publish(&dir, &[]);
    assert!(code == 0 && done(&out).starts_with("published 1.2 after 1.1"), "{out}{err}");
    assert!(err.contains("note: the head has lost 1 blob of images: made again"), "{err}");
    assert_eq!(head(&dir), "1.2");
}

/// The commands of docs/sync.md: a roll without a gap, and the recovery from a stolen key.
#[test]
fn key_sets_roll_by_the_documented_commands() {
    let dir = checkout("roll");
    publish(&dir, &[]);
    let ok = |arguments: &[&str]| {
        let (code, out, err) = run(arguments, dir.path());
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    };
    ok(&["keygen", "--single", "--out", "keys/ci2"]);
    let out = ok(&[
        "keyset",
        "next",
        "keys/prod.keyset",
        "--add",
        "keys/ci2.pub",
        "--root",
        "keys/prod.root.key",
        "--out",
        "keys/v2.keyset",
    ]);
    assert!(out.contains("key set 2 of channel prod") && out.contains("enough root keys signed it"), "{out}");
    let out = ok(&["keyset", "publish", "keys/v2.keyset", "--to", "dir:store"]);
    assert_eq!(out, "key set 2 of channel prod is in force\n");
    dir.write("zones/example.com.zone", zone(2));
    let ci2 = [
        "publish",
        "zones",
        "--to",
        "dir:store",
        "--channel",
        "prod",
        "--key",
        "keys/ci2.key",
        "--key-set",
        "keys/v2.keyset",
    ];
    assert!(done(&ok(&ci2)).starts_with("published 2.1 after 1.1"));
    // The first key is stolen: out with it, and with the old root key, for two others.
    for name in ["root2", "root3"] {
        ok(&["keygen", "--single", "--out", &format!("keys/{name}")]);
    }
    let shown = ok(&["keyset", "show", "--of", "dir:store", "--channel", "prod"]);
    assert_eq!(shown.matches("  releases\n").count(), 2, "{shown}");
    let public = std::fs::read_to_string(dir.path().join("keys/prod.keyset"));
    assert!(public.is_err(), "a key set is no text");
    let key = std::fs::read_to_string(dir.path().join("keys/prod.key")).unwrap();
    let id = key.lines().next().unwrap().split("id ").nth(1).unwrap().split(':').next().unwrap().to_owned();
    let next = [
        "keyset",
        "next",
        "keys/v2.keyset",
        "--remove",
        &id,
        "--roots",
        "keys/root2.pub",
        "--roots",
        "keys/root3.pub",
        "--threshold",
        "2",
        "--root",
        "keys/prod.root.key",
        "--root",
        "keys/root2.key",
        "--out",
        "keys/v3.keyset",
    ];
    assert!(ok(&next).contains("1 more root key must sign it"));
    let (code, _, err) = run(&["keyset", "publish", "keys/v3.keyset", "--to", "dir:store"], dir.path());
    assert!(code == 1 && err.contains("1 more of its own root keys must sign the key set"), "{err}");
    ok(&["keyset", "sign", "keys/v3.keyset", "--root", "keys/root3.key"]);
    ok(&["keyset", "publish", "keys/v3.keyset", "--to", "dir:store"]);
    let (code, _, err) = publish(&dir, &[]);
    assert!(code == 1 && err.contains("is not one that key set 3 of channel prod lets sign releases"), "{err}");
    // Who has the second key set still finds the third.
    dir.write("zones/example.com.zone", zone(3));
    assert!(done(&ok(&ci2)).starts_with("published 3.1 after 2.1: 2 zones, 0 added, 1 changed"));
    assert_eq!(head(&dir), "3.1");
}

/// A head whose key was removed is built upon no more, so nothing can be compared with it: a publish does not go on as if it were the first.
#[test]
fn nothing_is_compared_with_a_head_whose_key_was_removed() {
    let dir = checkout("removed");
    publish(&dir, &[]);
    let ok = |arguments: &[&str]| {
        let (code, out, err) = run(arguments, dir.path());
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    };
    ok(&["keygen", "--single", "--out", "keys/new"]);
    let key = std::fs::read_to_string(dir.path().join("keys/prod.key")).unwrap();
    let id = KeyPair::from_text(&key, "the first key").unwrap().public().id().to_string();
    let next = ["keyset", "next", "keys/prod.keyset", "--root", "keys/prod.root.key", "--add", "keys/new.pub"];
    ok(&[&next[..], &["--remove", &id, "--out", "keys/v2.keyset"]].concat());
    ok(&["keyset", "publish", "keys/v2.keyset", "--to", "dir:store", "--key-set", "keys/prod.keyset"]);
    let copy = |from: &str, to: &str| {
        let copied = std::process::Command::new("cp").args(["-r", from, to]).current_dir(dir.path()).status();
        assert!(copied.unwrap().success());
    };
    copy("store", "other");

    // A zone goes, and nobody can see it.
    std::fs::remove_file(dir.path().join("zones/example.org.zone")).unwrap();
    let new = ["--channel", "prod", "--key", "keys/new.key", "--key-set", "keys/v2.keyset"];
    let publish_to =
        |store: &str, more: &[&str]| run(&[&["publish", "zones", "--to", store], &new[..], more].concat(), dir.path());
    let objection = "removed-key: the key that signed the head, 1.1, was removed: all zones count as new, and nothing \
                     shows what goes or changes\n";
    for more in [&[][..], &["--canary", "10%"]] {
        let (code, out, err) = publish_to("dir:store", more);
        assert!(
            out.starts_with("channel prod, after 1.1, which is not built upon: 1 added, 0 changed, 0 removed\n"),
            "{out}"
        );
        assert_eq!(code, 5, "{err}");
        for part in [
            &format!("error: {objection}"),
            "catchment rollback --to GENERATION",
            "if it is meant: --allow removed-key\n",
            "error: nothing was published, as guards object: removed-key;",
        ] {
            assert!(err.contains(part), "no `{part}` in:\n{err}");
        }
    }
    let planned = ["plan", "zones", "--of", "dir:store", "--channel", "prod", "--json"];
    let (code, out, _) = run(&planned, dir.path());
    let plan = json(&out);
    assert_eq!((code, &plan["stopped-by"]), (2, &serde_json::json!(["removed-key"])));
    assert_eq!((&plan["head"], &plan["not-built-upon"]), (&serde_json::Value::Null, &"1.1".into()));

    // The way that the guard names: what was right is signed once more, and compared with from then on.
    let back = [&["rollback", "--of", "dir:store", "--to", "1.1"], &new[..]].concat();
    assert!(ok(&back).starts_with("published 2.1 after 1.1: 2 zones"));
    let (code, out, err) = publish_to("dir:store", &[]);
    assert!(code == 5 && out.contains("\n- example.org. goes: serial 1, 34 records\n"), "{out}{err}");
    assert!(err.contains("error: zone-removal: ") && !err.contains("removed-key"), "{err}");
    // Or it is meant.
    let (code, out, err) = publish_to("dir:other", &["--allow", "removed-key"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains(&format!("allowed: {objection}")), "{err}");
    assert!(done(&out).starts_with("published 2.1 after 1.1: 1 zone, 1 added"), "{out}");
    let (code, _, err) = run(&["verify", "--of", "dir:other"], dir.path());
    assert_eq!(code, 0, "{err}");
}

/// Each flag of the commands on a store stands in the guides, and those that move the head say what their exit codes mean.
#[test]
fn flags_are_documented_and_exit_codes_told() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(here.join("docs").join(name)).unwrap();
    let guides = read("sync.md") + &read("publishing.md");
    let keyset = ["next", "sign", "publish", "show"].map(|command| vec!["keyset", command]);
    let others = ["keygen", "plan", "publish", "promote", "rollback", "refresh", "releases", "status", "verify", "gc"];
    for command in others.map(|command| vec![command]).into_iter().chain(keyset) {
        let (code, help, _) = run(&[&command[..], &["--help"]].concat(), here);
        assert_eq!(code, 0, "{command:?}");
        let words = help.split_whitespace().map(|word| word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()));
        let flags: Vec<&str> = words.filter(|word| word.starts_with("--") && *word != "--help").collect();
        assert!(!flags.is_empty(), "{help}");
        for flag in flags {
            // Not as the beginning of a longer one.
            let ends = |after: &str| !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
            assert!(guides.split(flag).skip(1).any(ends), "{flag} of {command:?} is in no guide");
        }
    }
    for command in ["publish", "promote", "rollback"] {
        let (_, help, _) = run(&[command, "--help"], here);
        let codes = help.split("\nExit codes: ").nth(1).unwrap_or_else(|| panic!("{command}: {help}"));
        let codes = codes.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(codes.starts_with("0 done, also if there was nothing to do; 1 failed; 2 the command line"), "{codes}");
        assert!(
            codes.contains("; 3 another publisher was faster")
                && codes.contains("or none reports, or that can't be found out ("),
            "{codes}"
        );
    }
}

/// Waits until the clock of file times has left behind the tick in which the zones were written.
fn settle(dir: &TempDir) {
    let written = |path: &PathBuf| path.metadata().unwrap().modified().unwrap();
    let newest = files(&dir.path().join("zones")).iter().map(written).max().unwrap();
    while newest.elapsed().unwrap_or_default() <= Duration::from_millis(60) {
        std::thread::yield_now();
    }
}

/// Zones that are known by what is remembered of their files are published, and made when a store lacks them.
#[test]
fn what_is_remembered_is_published_like_what_is_read() {
    let dir = checkout("memory");
    let cached = ["--cache", "cache"];
    dir.write("zones/odd.zone", format!("{}www 60 A 192.0.2.2\nwww 60 A 192.0.2.2\n", zone(1)));
    settle(&dir);
    let (code, out, warned) = publish(&dir, &cached);
    assert!(code == 0 && done(&out).starts_with("published 1.1: 3 zones, 3 added"), "{out}{warned}");
    let warned = warned.strip_suffix("note: dir:store has no channel prod yet: it begins there\n").expect(&warned);
    assert!(warned.contains("zones/odd.zone:"), "{warned}");
    let (code, out, err) = publish(&dir, &cached);
    assert!(code == 0 && out.starts_with("nothing changed: 1.1 stays the head, 3 zones"), "{out}{err}");
    assert_eq!(err, warned, "warnings are told each time");

    dir.write("zones/example.com.zone", zone(2));
    let (code, out, err) = publish(&dir, &cached);
    assert!(
        code == 0 && done(&out).starts_with("published 1.2 after 1.1: 3 zones, 0 added, 1 changed, 0 removed"),
        "{out}{err}"
    );
    std::fs::remove_file(dir.path().join("zones/odd.zone")).unwrap();
    let (code, out, err) = publish(&dir, &["--cache", "cache", "--allow", "zone-removal"]);
    assert!(
        code == 0 && done(&out).starts_with("published 1.3 after 1.2: 2 zones, 0 added, 0 changed, 1 removed"),
        "{out}{err}"
    );

    // Another store has none of it; this one loses a pack.
    let mut elsewhere = PUBLISH;
    elsewhere[3] = "dir:other";
    let (code, out, err) = run(&[&elsewhere[..], &cached].concat(), dir.path());
    assert!(code == 0 && done(&out).starts_with("published 1.1: 2 zones, 2 added"), "{out}{err}");
    let is_pack = |path: &PathBuf| std::fs::read(path).unwrap().starts_with(b"CTCHPACK");
    files(&dir.path().join("store/blobs"))
        .iter()
        .filter(|path| is_pack(path))
        .for_each(|path| std::fs::remove_file(path).unwrap());
    let (code, out, err) = publish(&dir, &cached);
    assert!(code == 0 && done(&out).starts_with("published 1.4 after 1.3: 2 zones, 0 added, 0 changed"), "{out}{err}");
    assert_eq!(run(&["verify", "--of", "dir:other"], dir.path()).0, 0);
}

/// What `check` says of signatures is said of a publish, too, whether the file was read or is remembered.
#[test]
fn expired_signatures_warn_or_stop_the_publish() {
    let dir = checkout("signatures");
    let expired = "@ 1h RRSIG NS 13 1 3600 20210101000000 20200101000000 1 signed. AAAA\n";
    dir.write("zones/signed.zone", format!("{}{expired}", zone(1)));
    settle(&dir);
    let publish = |more: &[&str]| publish(&dir, &[&["--cache", "cache"], more].concat());
    let said = "signed. NS has a signature that expired at 2021-01-01T00:00:00Z";
    for outcome in ["published 1.1: 3 zones", "nothing changed: 1.1 stays the head"] {
        let (code, out, err) = publish(&["--allow", "signatures-end"]);
        assert!(code == 0 && done(&out).starts_with(outcome), "{out}{err}");
        assert!(err.contains(&format!("warning: {said}")) && err.contains("zones/signed.zone:"), "{err}");
    }
    for _ in 0..2 {
        let (code, out, err) = publish(&["--dnssec"]);
        assert_eq!((code, out.as_str()), (5, ""), "{err}");
        for part in [said, "example.com. is not signed", "nothing was published, as guards object: check-error;"] {
            assert!(err.contains(part), "no `{part}` in:\n{err}");
        }
    }
    assert_eq!(head(&dir), "1.1");
}

#[test]
fn what_is_remembered_is_not_believed_at_any_doubt() {
    let dir = checkout("doubt");
    let cached = ["--cache", "cache"];
    let remembered = || files(&dir.path().join("cache/checkouts")).into_iter().next().unwrap();
    let digest = || {
        let text = std::fs::read_to_string(remembered()).unwrap();
        let zone = &text[text.find("example.com.zone\":").unwrap()..];
        zone[zone.find("\"digest\":\"").unwrap() + 10..][..64].to_owned()
    };
    settle(&dir);
    publish(&dir, &cached);
    let first = digest();
    dir.write("zones/example.com.zone", zone(2));
    settle(&dir);
    publish(&dir, &cached);
    let second = digest();
    assert_ne!(first, second);
    // A memory that says of the file as it is what is true of it as it was.
    let text = std::fs::read_to_string(remembered()).unwrap();
    let forged = text.split_once('\n').unwrap().1.replace(&second, &first);
    let line = |rest: &str| catchment::sync::codec::Digest::of(rest.as_bytes()).to_string();
    let file = |rest: &str| format!("{}\n{rest}", line(rest));
    let (program, content) = forged.split_once('\n').unwrap();
    let other = format!("{program}0\n{content}");
    for (doubt, text, mode, is_believed) in [
        ("none", file(&forged), 0o600, true),
        ("it is damaged", file(&forged).replace(&first[..8], &second[..8]), 0o600, false),
        ("it is cut short", file(&forged)[..text.len() / 2].to_owned(), 0o600, false),
        ("it is another program's", file(&other), 0o600, false),
        ("others can write to it", file(&forged), 0o622, false),
        ("it is of another format", file(&format!("{program}\n[]")), 0o600, false),
        ("it is empty", String::new(), 0o600, false),
    ] {
        let to = ["--channel", "prod", "--key", "keys/prod.key", "--to", "1.1"];
        let (code, _, err) = of(&dir, "rollback", &to);
        assert_eq!(code, 0, "{doubt}: {err}");
        std::fs::write(remembered(), text).unwrap();
        std::fs::set_permissions(remembered(), PermissionsExt::from_mode(mode)).unwrap();
        let (code, out, err) = publish(&dir, &cached);
        assert!(
            code == 0 && done(&out).starts_with(if is_believed { "nothing changed" } else { "published" }),
            "{doubt}: {out}{err}"
        );
        std::fs::set_permissions(remembered(), PermissionsExt::from_mode(0o600)).unwrap();
    }
}

/// Two checkouts, one zone each, published at once again and again: no change is lost.
#[test]
fn two_processes_at_once() {
    let dir = checkout("race");
    publish(&dir, &[]);
    for checkout in ["a", "b"] {
        std::fs::create_dir(dir.path().join(checkout)).unwrap();
    }
    for round in 2..10 {
        // Both start from what the head has, each with a change of its own.
        for (checkout, serials) in [("a", [round, round - 1]), ("b", [round - 1, round])] {
            dir.write(&format!("{checkout}/example.com.zone"), zone(serials[0]));
            dir.write(&format!("{checkout}/example.org.zone"), zone(serials[1]));
        }
        let start = |checkout: &str| {
            let mut command = catchment();
            command.args(["publish", checkout, "--allow", "serial-back"]).args(&PUBLISH[2..]).current_dir(dir.path());
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children = [start("a"), start("b")];
        let outputs = children.map(|child| child.wait_with_output().unwrap());
        for output in &outputs {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        // One after the other, the later one undoes the other's change: its checkout was older. So both are done again as one.
        dir.write("zones/example.com.zone", zone(round));
        dir.write("zones/example.org.zone", zone(round));
        let (code, _, err) = publish(&dir, &[]);
        assert_eq!(code, 0, "{err}");
    }
    let (code, _, err) = of(&dir, "verify", &[]);
    assert_eq!(code, 0, "{err}");
    let (_, out, _) = of(&dir, "releases", &["--channel", "prod", "--limit", "1000", "--json"]);
    let releases = json(&out)["releases"].as_array().unwrap().clone();
    let counters: Vec<u64> =
        releases.iter().map(|entry| entry["generation"].as_str().unwrap()[2..].parse().unwrap()).collect();
    let expected: Vec<u64> = (1..=counters.len() as u64).rev().collect();
    assert_eq!(counters, expected, "each generation once");
    assert!(counters.len() > 16, "{}", counters.len());
}

/// SIGKILL at any time: the store is whole, and the next publish succeeds.
#[test]
fn killed_at_any_time() {
    let dir = checkout("kill");
    for n in 0..300 {
        dir.write(&format!("zones/z{n}.example.zone"), zone(1));
    }
    publish(&dir, &[]);
    let mut killed = 0;
    for round in 0..12 {
        dir.write("zones/z7.example.zone", zone(round + 2));
        let mut command = catchment();
        command.args(PUBLISH).args(["--cache", "cache"]).current_dir(dir.path());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 + u64::from(round) * 40));
        signal("KILL", &[child.id()]);
        killed += u32::from(!child.wait().unwrap().success());
        let (code, _, err) = of(&dir, "verify", &[]);
        assert_eq!(code, 0, "{err}");
    }
    assert!(killed > 0, "no publish was under way");
    let (code, _, err) = publish(&dir, &["--cache", "cache"]);
    assert_eq!(code, 0, "{err}");
    let head = head(&dir);
    let (code, out, err) = publish(&dir, &["--no-cache"]);
    assert!(code == 0 && out.starts_with(&format!("nothing changed: {head} stays")), "{out}{err}");
}
