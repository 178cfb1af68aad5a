use super::*;
use crate::sync::publish::fleet::Tried;
use crate::sync::publish::guard::Settings;
use crate::sync::publish::plan::Listing;
use crate::sync::publish::plan::examples::{self, Texts};
use serde_json::json;

const COM: &str = "@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\nold TXT \"`\"\n";
const COM_NEW: &str = "@ SOA ns h 2 1 1 1 1\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.3\nold TXT \"```\"\nv 60 TXT x\n";
const ORG: &str = "@ SOA ns.x. h 5 1 1 1 1\n@ NS ns.x.\n";

/// What `tell` makes of the change from `old` to `new`.
fn told(old: &Texts, new: &Texts, listing: Listing, allow: &[Guard], tell: impl Fn(&Judged) -> String) -> String {
    let settings = Settings { allow: allow.iter().copied().collect(), ..Settings::default() };
    let plan = examples::plan(old, new, listing);
    let objections = judge(&plan, &[], &settings, 1_800_000_000);
    tell(&Judged { channel: &"prod".parse().unwrap(), plan: &plan, objections: &objections })
}

const OLD: [(&str, &str); 3] = [("example.com", COM), ("example.org", ORG), ("same", ORG)];
const NEW: [(&str, &str); 3] = [("example.com", COM_NEW), ("example.net", ORG), ("same", ORG)];

#[test]
fn as_text() {
    let text = told(&OLD, &NEW, Listing::ALL, &[], |judged| judged.text(false));
    let expected = "\
channel prod, after 1.7, 3 zones: 1 added, 1 changed, 1 removed
~ example.com. changes: serial 1 -> 2, 3 records removed, 4 added
    - example.com. 3600 IN SOA ns.example.com. h.example.com. 1 1 1 1 1
    + example.com. 3600 IN SOA ns.example.com. h.example.com. 2 1 1 1 1
    - old.example.com. 3600 IN TXT \"`\"
    + old.example.com. 3600 IN TXT \"```\"
    + v.example.com. 60 IN TXT \"x\"
    - www.example.com. 3600 IN A 192.0.2.2
    + www.example.com. 3600 IN A 192.0.2.3
+ example.net. is new: serial 5, 2 records
    + example.net. 3600 IN SOA ns.x. h.example.net. 5 1 1 1 1
    + example.net. 3600 IN NS ns.x.
- example.org. goes: serial 5, 2 records
    - example.org. 3600 IN SOA ns.x. h.example.org. 5 1 1 1 1
    - example.org. 3600 IN NS ns.x.

error: zone-removal: zone example.org.: it disappears: serial 5, 2 records
  = help: bring its file back; if it is meant: --allow zone-removal
";
    assert_eq!(text, expected);
    let allowed = told(&OLD, &NEW, Listing::ALL, &[Guard::ZoneRemoval], |judged| judged.objections(false));
    assert_eq!(allowed, "allowed: zone-removal: zone example.org.: it disappears: serial 5, 2 records\n");
    let colored = told(&OLD, &NEW, Listing::ALL, &[], |judged| judged.text(true));
    for painted in [
        "\n\x1b[33m~ example.com. changes: serial 1 -> 2, 3 records removed, 4 added\x1b[0m\n",
        "\n    \x1b[31m- www.example.com. 3600 IN A 192.0.2.2\x1b[0m\n    \x1b[32m+ www",
        "\n\x1b[31merror: zone-removal\x1b[0m: zone ",
    ] {
        assert!(colored.contains(painted), "{colored}");
    }
    assert_eq!(uncolored(&colored), expected);
}

/// What is on trial is told under the headline, with what it means for a publish.
#[test]
fn what_is_on_trial() {
    let mut plan = examples::plan(&OLD, &NEW, Listing { zones_max: 0, ..Listing::ALL });
    let tried = |abandoned| Tried {
        generation: "1.8".parse().unwrap(),
        back: "1.9".parse().unwrap(),
        step: 2,
        nodes: ["ams1".into(), "fra1\n".into()].into(),
        age_secs: 7,
        deadline_secs: 300,
        abandoned,
    };
    for (abandoned, expected) in [
        (false, "until it is over a publish stops, with exit code 3"),
        (true, "abandoned: a publish takes it back first"),
    ] {
        plan.tried = Some(tried(abandoned));
        let judged = Judged { channel: &"prod".parse().unwrap(), plan: &plan, objections: &[] };
        let line = format!("\n1.8 is on trial at ams1, fra1 (step 2, begun 7 s ago): {expected}\n");
        assert!(judged.text(false).contains(&format!("1 added, 1 changed, 1 removed{line}")), "{}", judged.text(false));
        assert!(judged.markdown().contains(&format!("\n```text{line}```\n")), "{}", judged.markdown());
        assert_eq!(judged.json()["on-trial"]["abandoned"], abandoned);
    }
}

fn uncolored(text: &str) -> String {
    ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"].iter().fold(text.to_string(), |text, code| text.replace(code, ""))
}

#[test]
fn what_is_much_is_counted() {
    let many = format!("{}$GENERATE 1-1500 h$ A 192.0.2.1\n", ORG.replace(" 5 ", " 6 "));
    let names: Vec<String> = (0..1_500).map(|n| format!("z{n}.test")).collect();
    let new: Vec<(&str, &str)> =
        [("example.org", many.as_str())].into_iter().chain(names.iter().map(|name| (name.as_str(), ORG))).collect();
    let listing = Listing { zones_max: 2, records_max: 1, ..Listing::ALL };
    let text = told(&[("example.org", ORG)], &new, listing, &[], |judged| judged.text(false));
    assert_eq!(
        text,
        "\
channel prod, after 1.7, 1 zone: 1,500 added, 1 changed, 0 removed
~ example.org. changes: serial 5 -> 6, 1 record removed, 1,501 added
    - example.org. 3600 IN SOA ns.x. h.example.org. 5 1 1 1 1
    ... and 1,501 more records
+ z0.test. is new: serial 5, 2 records
    + z0.test. 3600 IN SOA ns.x. h.z0.test. 5 1 1 1 1
    ... and 1 more record
... and 1,499 more zones
"
    );
    let gone = told(&new, &[("example.org", &many)], listing, &[], |judged| judged.objections(false));
    assert_eq!(gone.lines().count(), 14, "{gone}");
    assert!(gone.contains("\nerror: zone-removal: ... and 1,490 more\n"), "{gone}");
    assert!(gone.starts_with("error: zone-removal: zone z0.test.: it disappears: serial 5, 2 records\n"), "{gone}");
    assert!(gone.contains("\nerror: zones-share: 1,500 of 1,501 zones change (100 %), more than 30 %\n"), "{gone}");
}

#[test]
fn nothing_and_a_first_release() {
    let text = |old, new| told(old, new, Listing::ALL, &[], |judged| judged.text(false));
    assert_eq!(text(&OLD, &OLD), "channel prod, after 1.7, 3 zones: nothing changes\n");
    assert_eq!(text(&[], &[]), "channel prod, first release: nothing changes\n");
    let first = text(&[], &[("a", ORG)]);
    assert!(first.starts_with("channel prod, first release: 1 added, 0 changed, 0 removed\n+ a. is new"));
    assert_eq!(
        told(&[], &[("a", ORG)], Listing::default(), &[], |judged| judged.text(false)),
        "channel prod, first release: 1 added, 0 changed, 0 removed\n+ a. is new: serial 5, 2 records\n"
    );
    assert_eq!(
        told(&OLD, &OLD, Listing::ALL, &[], |judged| judged.markdown()),
        "### channel prod, after 1.7, 3 zones: nothing changes\n"
    );
}

#[test]
fn as_markdown() {
    let text = told(&OLD, &NEW, Listing { records_max: 4, ..Listing::ALL }, &[], |judged| judged.markdown());
    assert_eq!(
        text,
        "\
### channel prod, after 1.7, 3 zones: 1 added, 1 changed, 1 removed

**Guards object: this can't be published as it is.**

```text
error: zone-removal: zone example.org.: it disappears: serial 5, 2 records
  = help: bring its file back; if it is meant: --allow zone-removal
```

````diff
@@ example.com. changes: serial 1 -> 2, 3 records removed, 4 added @@
- example.com. 3600 IN SOA ns.example.com. h.example.com. 1 1 1 1 1
+ example.com. 3600 IN SOA ns.example.com. h.example.com. 2 1 1 1 1
- old.example.com. 3600 IN TXT \"`\"
+ old.example.com. 3600 IN TXT \"```\"
  ... and 3 more records
@@ example.net. is new: serial 5, 2 records @@
+ example.net. 3600 IN SOA ns.x. h.example.net. 5 1 1 1 1
+ example.net. 3600 IN NS ns.x.
@@ example.org. goes: serial 5, 2 records @@
- example.org. 3600 IN SOA ns.x. h.example.org. 5 1 1 1 1
- example.org. 3600 IN NS ns.x.
````
"
    );
    let allowed = told(&OLD, &NEW, Listing::ALL, &[Guard::ZoneRemoval], |judged| judged.markdown());
    assert!(
        allowed.contains("\n**Guards object to what is allowed:**\n\n```text\nallowed: zone-removal: "),
        "{allowed}"
    );
}

/// Forges refuse longer comments than 65,536 characters.
#[test]
fn markdown_has_a_bound() {
    let long = format!("{ORG}$GENERATE 1-900 h$ TXT {}\n", "x".repeat(250));
    let zones = [("a", long.as_str()), ("b", &long), ("c", &long)];
    let text = told(&[], &zones, Listing::ALL, &[], |judged| judged.markdown());
    assert!(text.len() > 45_000 && text.len() < 50_000, "{}", text.len());
    let listed = text.lines().filter(|line| line.starts_with("+ ")).count();
    let more = format!("\n  ... and {} more records\n  ... and 2 more zones\n```\n", 902 - listed);
    assert!(text.ends_with(&more), "{}", &text[text.len() - 200..]);
}

#[test]
fn as_json() {
    let plan = examples::plan(&OLD, &NEW, Listing { zones_max: 1, records_max: 1, ..Listing::ALL });
    let objections = judge(&plan, &[], &Settings::default(), 1_800_000_000);
    let judged = Judged { channel: &"prod".parse().unwrap(), plan: &plan, objections: &objections };
    assert_eq!(
        judged.json(),
        json!({
            "channel": "prod", "head": "1.7", "not-built-upon": null, "on-trial": null, "zones-before": 3, "added": 1, "changed": 1, "removed": 1,
            "zones": [{
                "zone": "example.com.", "change": "changed", "serial-before": 1, "serial": 2,
                "records-removed": 3, "records-added": 4, "compared": true,
                "records": [{
                    "change": "-", "owner": "example.com.", "ttl-secs": 3600, "type": "SOA",
                    "data": "ns.example.com. h.example.com. 1 1 1 1 1",
                }],
                "more-records": 6,
            }],
            "more-zones": 2,
            "answers": null,
            "objections": [{
                "guard": "zone-removal", "zone": "example.org.", "why": "it disappears: serial 5, 2 records",
                "remedy": "bring its file back", "allowed": false,
            }],
            "stopped-by": ["zone-removal"],
        })
    );
}

/// A plan of which some answers change: those of 9 questions of 2 nodes.
fn answered(tell: impl Fn(&Judged) -> String) -> String {
    use crate::sync::publish::answers::{AnswerChange, Answers, Kind, Tally};
    use crate::sync::question::Question;
    let tally = |questions, queries| Tally { questions, queries };
    let change = |name: &str, count, kind, before: &str, after: &str| AnswerChange {
        question: Question::new(&name.parse().unwrap(), 1),
        count,
        kind,
        before: before.into(),
        after: after.into(),
    };
    let mut plan = examples::plan(&[("a", ORG)], &[("a", &ORG.replace(" 5 ", " 6 "))], Listing::ALL);
    plan.answers = Some(Answers {
        source: "2 nodes".into(),
        queries: Some(200_000),
        put: tally(9, 100_000),
        left_out: tally(3, 640),
        changed: [(Kind::Nxdomain, tally(2, 1_250)), (Kind::Other, tally(1, 64))].into(),
        examples: vec![
            change("old.a", 1_200, Kind::Nxdomain, "A 192.0.2.1", "NXDOMAIN"),
            change("www.a", 64, Kind::Other, "A 192.0.2.2", "A 192.0.2.3"),
        ],
        ..Answers::default()
    });
    tell(&Judged { channel: &"prod".parse().unwrap(), plan: &plan, objections: &[] })
}

#[test]
fn answers_that_change() {
    let expected = "\
answers, by 9 questions from 2 nodes (50 % of what these are asked): 3 answers change, 1.3 % of the queries; 3 questions not put, as the zones are not at hand
- newly NXDOMAIN: 2 questions, 1.2 % of the queries
    old.a. A (1,200): A 192.0.2.1 -> NXDOMAIN
    ... and 1 more question
~ otherwise changed: 1 question, 0.06 % of the queries
    www.a. A (64): A 192.0.2.2 -> A 192.0.2.3
";
    let text = answered(|judged| judged.text(false));
    assert!(
        text.ends_with(expected) && text.starts_with("channel prod, after 1.7, 1 zone: 0 added, 1 changed"),
        "{text}"
    );
    assert!(
        answered(|judged| judged.text(true))
            .contains("\n\x1b[31m- newly NXDOMAIN: 2 questions, 1.2 % of the queries\x1b[0m\n")
    );
    let markdown = answered(|judged| judged.markdown());
    assert!(markdown.ends_with(&format!("```\n\n```text\n{expected}```\n")), "{markdown}");
    let document = answered(|judged| judged.json()["answers"].to_string());
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&document).unwrap(),
        json!({
            "source": "2 nodes", "queries-asked": 200_000, "questions": 9, "queries": 100_000,
            "questions-left-out": 3, "queries-left-out": 640,
            "changed": [
                { "kind": "nxdomain", "questions": 2, "queries": 1_250, "percent": 1.25 },
                { "kind": "other", "questions": 1, "queries": 64, "percent": 0.064 },
            ],
            "examples": [
                {
                    "name": "old.a.", "type": "A", "queries": 1_200, "kind": "nxdomain", "before": "A 192.0.2.1",
                    "after": "NXDOMAIN",
                },
                {
                    "name": "www.a.", "type": "A", "queries": 64, "kind": "other", "before": "A 192.0.2.2",
                    "after": "A 192.0.2.3",
                },
            ],
        })
    );
}
