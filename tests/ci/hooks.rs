//! Hooks: git's own, and the one for the framework pre-commit.

use crate::support::catchment::{run, zone};
use crate::support::fleet::Publisher;
use crate::support::skip;
use crate::support::workflow::{Repository, python, yaml};

/// A repository with a zone.
fn repository(label: &str) -> (Publisher, Repository) {
    let publisher = Publisher::new(label, None).unwrap();
    publisher.write("example.com", &zone(1));
    let repository = Repository::of(&publisher.zones());
    (publisher, repository)
}

#[test]
fn hooks_look_at_what_is_about_to_be_committed() {
    let (publisher, repository) = repository("ci-hook");
    repository.install_hook();
    let bad = zone(2).replace("www A 192.0.2.2", "www A 192.0.2");
    publisher.write("example.com", &bad);
    let refused = repository.commit("A mistake").unwrap_err();
    assert!(refused.contains("expected an IPv4 address"), "{refused}");
    // Mended in the working tree alone it is still about to be committed.
    publisher.write("example.com", &zone(2));
    assert!(repository.git(&["commit", "--quiet", "-m", "A mistake"]).is_err());
    repository.commit("Mended").unwrap();
    // And the other way round: what is not yet added is nobody's business.
    publisher.write("example.com", &bad);
    std::fs::write(repository.dir.join("README"), "zones").unwrap();
    repository.git(&["add", "README"]).unwrap();
    repository.git(&["commit", "--quiet", "-m", "Beside it"]).unwrap();
    let log = repository.git(&["log", "--format=%s"]).unwrap();
    assert_eq!(log, "Beside it\nMended\nZones\n");
    // The last zone may go.
    repository.git(&["checkout", "--quiet", "zones"]).unwrap();
    repository.git(&["rm", "--quiet", "-r", "zones"]).unwrap();
    repository.git(&["commit", "--quiet", "-m", "No zones"]).unwrap();
}

#[test]
fn the_hook_for_the_framework() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skip(why),
    };
    let hooks = yaml(&python, ".pre-commit-hooks.yaml");
    let hook = &hooks[0];
    assert_eq!(
        (hooks.as_array().unwrap().len(), &hook["id"], &hook["language"]),
        (1, &"catchment-check".into(), &"system".into())
    );
    assert_eq!((&hook["pass_filenames"], &hook["files"]), (&false.into(), &"^zones/".into()));
    let words = hook["entry"].as_str().unwrap().split(' ');
    let words: Vec<&str> =
        words.chain(hook["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap())).collect();
    assert_eq!(words[0], "catchment");
    let (publisher, repository) = repository("ci-framework");
    assert_eq!(run(&words[1..], &repository.dir).0, 0);
    publisher.write("example.com", "www A 192.0.2\n");
    assert_eq!(run(&words[1..], &repository.dir).0, 1);
}
