//! `compile`, `dump`, `diff`, and a server that starts from images.

use crate::support::catchment::{Server, catchment, prepare, run, zone};
use crate::support::process::TempDir;
use catchment::zone::library::read_image;
use hickory_proto::rr::RecordType;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A directory with `zones/` of these files.
fn zones(label: &str, files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new(label);
    std::fs::create_dir(dir.path().join("zones")).unwrap();
    files.iter().for_each(|(name, text)| drop(dir.write(&format!("zones/{name}"), text)));
    dir
}

/// A zone whose image has several segments.
fn large(serial: u32) -> String {
    let mut text = zone(serial);
    for host in 0..20_000 {
        let _ = writeln!(text, "h{host} TXT \"{host} of {}\"", host * 7919);
    }
    text
}

#[test]
fn text_to_images_to_the_same_text() {
    let dir = zones(
        "images",
        &[
            ("example.com.zone", &large(1)),
            ("0\\04725.test.zone", &zone(2)),
            ("root.zone", ". 60 SOA a. b. 1 3600 600 1209600 60\n. 60 NS a.\na. 60 A 192.0.2.1\n"),
        ],
    );
    let (code, said, error) = run(&["compile", "zones", "-o", "images"], dir.path());
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    assert!(said.starts_with("images: 3 images, ") && said.ends_with("; 3 written, the others were there\n"), "{said}");
    let mut names: Vec<_> = std::fs::read_dir(dir.path().join("images"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["0\\04725.test.image", "example.com.image", "root.image"]);

    for (image, zone) in [("example.com.image", "example.com.zone"), ("0\\04725.test.image", "0\\04725.test.zone")] {
        let (code, dumped, error) = run(&["dump", &format!("images/{image}")], dir.path());
        assert_eq!((code, error.as_str()), (0, ""));
        let (_, of_text, _) = run(&["dump", &format!("zones/{zone}")], dir.path());
        assert_eq!(dumped, of_text);
        // Text, image and text again: nothing is lost.
        dir.write("again", &dumped);
        let apex = image.trim_end_matches(".image");
        assert_eq!(
            run(&["diff", "--zone", apex, "again", &format!("zones/{zone}")], dir.path()),
            (0, "".into(), "".into())
        );
    }
    let (_, root, _) = run(&["dump", "images/root.image"], dir.path());
    assert_eq!(root, ".\t60\tIN\tSOA\ta. b. 1 3600 600 1209600 60\n.\t60\tIN\tNS\ta.\na.\t60\tIN\tA\t192.0.2.1\n");
    let (code, all, _) = run(&["dump", "--zone", "EXAMPLE.com", "images"], dir.path());
    assert_eq!((code, all.lines().count()), (0, 20_034));

    // What is there already is not written again; what has no zone any more is told of.
    std::fs::remove_file(dir.path().join("zones/root.zone")).unwrap();
    dir.write("zones/0\\04725.test.zone", zone(3));
    let (code, said, error) = run(&["compile", "zones", "-o", "images"], dir.path());
    assert_eq!(code, 0);
    assert!(said.contains("; 1 written, "), "{said}");
    assert_eq!(error, "note: images/root.image is there from before: remove it if its zone is gone\n");
}

#[test]
fn a_bad_zone_writes_nothing() {
    let dir = zones("images-bad", &[("good.zone", &zone(1)), ("bad.zone", "@ SOA broken\n")]);
    let (code, said, error) = run(&["compile", "zones", "-o", "images"], dir.path());
    assert_eq!((code, said.as_str()), (1, ""));
    assert!(
        error.contains("zones/bad.zone:1:") && error.ends_with("error: nothing was written: 1 zone at fault\n"),
        "{error}"
    );
    assert!(!dir.path().join("images").exists());
}

#[test]
fn differences_and_their_exit_codes() {
    let a = zone(1);
    let b = zone(2).replace("www A 192.0.2.2", "www A 192.0.2.3\nwww AAAA 2001:db8::1");
    let dir = zones("diff", &[("example.com.zone", &a), ("gone.zone", &zone(1))]);
    std::fs::create_dir(dir.path().join("new")).unwrap();
    dir.write("new/example.com.zone", &b);
    let expected = "-example.com.\t3600\tIN\tSOA\tns.example.com. hostmaster.example.com. 1 3600 900 604800 300\n\
                    +example.com.\t3600\tIN\tSOA\tns.example.com. hostmaster.example.com. 2 3600 900 604800 300\n\
                    -www.example.com.\t3600\tIN\tA\t192.0.2.2\n+www.example.com.\t3600\tIN\tA\t192.0.2.3\n\
                    +www.example.com.\t3600\tIN\tAAAA\t2001:db8::1\n";
    let diff = |arguments: &[&str]| run(&[&["diff"], arguments].concat(), dir.path());
    let zone_files = ["zones/example.com.zone", "new/example.com.zone"];
    assert_eq!(diff(&zone_files), (1, expected.into(), "".into()));
    assert_eq!(run(&["compile", "new", "-o", "images"], dir.path()).0, 0);
    assert_eq!(diff(&["zones/example.com.zone", "images/example.com.image"]), (1, expected.into(), "".into()));
    assert_eq!(diff(&["new", "images"]), (0, "".into(), "".into()));
    let (code, of_directories, _) = diff(&["zones", "images"]);
    assert_eq!(code, 1);
    assert!(of_directories.starts_with(expected), "{of_directories}");
    assert_eq!(of_directories.lines().filter(|line| line.starts_with('-') && line.contains("gone.")).count(), 34);
    assert_eq!(diff(&["--zone", "example.com", "zones", "images"]).1, expected);

    for (arguments, why) in [
        (&["zones", "nowhere"][..], "error: nowhere: No such file or directory"),
        (&["--zone", "other", "zones", "images"], "error: zone other. is in neither of them"),
    ] {
        let (code, said, error) = diff(arguments);
        assert_eq!((code, said.as_str()), (2, ""), "{error}");
        assert!(error.starts_with(why), "{error}");
    }
    dir.write("bad.zone", "@ SOA x\n");
    assert_eq!(diff(&["bad.zone", "zones/gone.zone"]).0, 2);
}

#[test]
fn a_server_starts_from_images_and_refuses_damaged_ones() {
    let source = zones("images-serve", &[("example.com.zone", &large(5)), ("example.org.zone", &zone(6))]);
    assert_eq!(run(&["compile", "zones", "-o", "images"], source.path()).0, 0);
    let image = |name: &str| std::fs::read(source.path().join("images").join(name)).unwrap();

    let dir = prepare("serve-images", &[("text.test.zone", &zone(7))], "");
    for name in ["example.com.image", "example.org.image"] {
        dir.write(&format!("zones/{name}"), image(name));
    }
    let mut server = Server::launch(dir, catchment());
    server.wait_ready();
    for (zone, serial) in [("example.com.", 5), ("example.org.", 6), ("text.test.", 7)] {
        assert_eq!(server.serial(zone), Some(serial));
    }
    assert_eq!(server.ask("h19999.example.com.", RecordType::TXT).unwrap().answers.len(), 1);

    // A whole image under another zone's name, one cut short, one with an octet changed: the last good version stays.
    for (bytes, why) in [
        (image("example.org.image"), "this is the image of zone example.org., not of example.com."),
        (image("example.com.image")[..300_000].to_vec(), " of the zone image is missing; fetch it"),
        (image("example.com.image")[..50].to_vec(), "the zone image is cut short: 50 octets instead of "),
        (
            {
                let mut bytes = image("example.com.image");
                bytes[400_000] ^= 1;
                bytes
            },
            " of a zone image is damaged: its digest does not match",
        ),
        ([image("example.com.image"), vec![0]].concat(), "the zone image contradicts itself: octets follow its end"),
        (b"CATCHMNT".to_vec(), "the zone image is cut short: 8 octets instead of "),
        (zone(1).into_bytes(), "this is not a zone image"),
        (Vec::new(), "the zone image is cut short: 0 octets instead of "),
    ] {
        server.dir.write("zones/example.com.image", bytes);
        let (_, said, error) = server.reload();
        assert!(
            error.contains(why) || said.contains(why) || server.get("/zones").1.contains(why),
            "{why}: {said}{error}"
        );
        assert_eq!(server.serial("example.com."), Some(5));
    }
    server.dir.write("zones/example.com.image", image("example.com.image"));
    assert_eq!(server.reload().0, 0);
}

/// All images of a directory, each whole, by name and serial.
fn serials(images: &Path) -> BTreeMap<String, u32> {
    let entries = std::fs::read_dir(images).unwrap().map(|entry| entry.unwrap());
    let whole = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    whole
        .map(|entry| {
            let image = read_image(&entry.path()).unwrap_or_else(|error| panic!("{}: {error}", entry.path().display()));
            (image.apex().to_string(), image.serial())
        })
        .collect()
}

#[test]
fn a_disk_without_room_leaves_the_old_images_whole() {
    let dir = zones("images-full", &[("small.zone", &zone(1)), ("large.zone", &large(1))]);
    assert_eq!(run(&["compile", "zones", "-o", "images"], dir.path()).0, 0);
    dir.write("zones/large.zone", large(2));
    // No file may grow beyond 200 KiB: the write of the large image fails in its middle, as on a disk that is full.
    let mut limited = Command::new("sh");
    let command =
        format!("trap '' XFSZ; ulimit -f 400; exec '{}' compile zones -o images", env!("CARGO_BIN_EXE_catchment"));
    let output = limited.args(["-c", &command]).current_dir(dir.path()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("images/large.image: File too large"), "{error}");
    assert!(error.contains("images that were there are whole, old or new"), "{error}");
    assert_eq!(serials(&dir.path().join("images")), BTreeMap::from([("large.".into(), 1), ("small.".into(), 1)]));
    let left: Vec<_> = std::fs::read_dir(dir.path().join("images")).unwrap().collect();
    assert_eq!(left.len(), 2, "what was written half is gone: {left:?}");
    assert_eq!(run(&["compile", "zones", "-o", "images"], dir.path()).0, 0);
    assert_eq!(serials(&dir.path().join("images")).values().copied().collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_kill_at_any_moment_leaves_whole_images() {
    const ZONES: usize = 60;
    let names: Vec<String> = (0..ZONES).map(|n| format!("z{n}.test.zone")).collect();
    let first: Vec<(&str, String)> = names.iter().map(|name| (name.as_str(), zone(1))).collect();
    let dir = zones("images-kill", &first.iter().map(|(name, text)| (*name, text.as_str())).collect::<Vec<_>>());
    let images = dir.path().join("images");
    assert_eq!(run(&["compile", "zones", "-o", "images"], dir.path()).0, 0);
    let mut serial = 1;
    for kill_after in [1, ZONES / 4, ZONES / 2] {
        let before = serials(&images);
        serial += 1;
        names.iter().for_each(|name| drop(dir.write(&format!("zones/{name}"), zone(serial))));
        let mut command = catchment();
        command.args(["compile", "zones", "-o", "images"]).current_dir(dir.path());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let new = |images: &Path| serials(images).values().filter(|found| **found == serial).count();
        while new(&images) < kill_after && child.try_wait().unwrap().is_none() {}
        child.kill().unwrap();
        child.wait().unwrap();
        let after = serials(&images);
        assert_eq!(after.len(), ZONES);
        for (zone, found) in &after {
            assert!(*found == serial || *found == before[zone], "{zone} has serial {found}");
        }
        assert!(new(&images) >= kill_after);
    }
    assert_eq!(run(&["compile", "zones", "-o", "images"], dir.path()).0, 0);
    assert!(serials(&images).values().all(|found| *found == serial));
}
