//! What commands that move the head have in common: they say what they did, and wait for nodes. `catchment promote` and `catchment rollback`
//! move it to what the store has already, and have all their arguments in common.

use super::done;
use super::store::{Signing, Wait, block_on, print_json, told, waited};
use crate::counted::counted;
use crate::sync::key::KeyPair;
use crate::sync::publish::fleet::Waited;
use crate::sync::publish::{Error, Outcome, Published, Publisher};
use crate::sync::store::address::Address;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Exit codes of both.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done, also if there was nothing to do; 1 failed; 2 the command line is wrong; \
    3 another publisher was faster, or nothing is on trial; 4 the head was moved, but not all nodes serve it in time, or none reports, or that can't be found out (--wait).";

/// Arguments of both.
#[derive(Debug, clap::Args)]
pub(super) struct Head {
    /// Store
    #[arg(long, value_name = "STORE")]
    of: Address,
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    wait: Wait,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Head {
    /// Moves the head, waits for nodes if that is asked for, and says what came of it.
    pub(super) fn moved_to(&self, to: impl AsyncFnOnce(&Publisher, &KeyPair) -> Result<Outcome, Error>) -> ExitCode {
        let run = || {
            let (key, publisher, _) = self.signing.open(&self.of, self.json)?;
            block_on(async {
                let outcome = to(&publisher, &key).await?;
                publisher.progress.end();
                Ok(moved(&publisher, &outcome, &self.wait, self.json, None).await)
            })
        };
        told(run())
    }
}

/// Says what was done, waits for nodes if that is wanted, and says what came of that; in JSON all at once, with the plan.
pub(super) async fn moved(
    publisher: &Publisher,
    outcome: &Outcome,
    wait: &Wait,
    json: bool,
    plan: Option<Value>,
) -> ExitCode {
    let generation = match outcome {
        Outcome::Published(published) => published.generation,
        Outcome::Unchanged { generation, .. } => *generation,
    };
    // Before the wait, in which it may be ended: what is done is said.
    if !json {
        done(&match outcome {
            Outcome::Published(published) => line(published),
            Outcome::Unchanged { zones, .. } => format!(
                "nothing changed: {generation} stays the head, {}; its freshness was signed again",
                counted(*zones, "zone")
            ),
        });
    }
    let went = wait.wait(publisher, generation).await;
    match (&went, json) {
        (_, true) => drop(print_json(&document(outcome, went.as_ref(), plan))),
        (Some(Ok(Waited::All(fleet))), false) => drop(done(&match fleet.nodes.len() {
            1 => "the only node serves it".into(),
            nodes => format!("all {nodes} nodes serve it"),
        })),
        _ => {}
    }
    waited(went.as_ref(), generation)
}

fn document(outcome: &Outcome, went: Option<&Result<Waited, Error>>, plan: Option<Value>) -> Value {
    let all = went.map(|went| matches!(went, Ok(Waited::All(_))));
    let fleet = went.and_then(|went| went.as_ref().ok()).map(Waited::fleet);
    match outcome {
        Outcome::Published(p) => json!({
            "published": true,
            "generation": p.generation.to_string(),
            "before": p.before.map(|before| before.to_string()),
            "manifest": p.manifest.to_string(),
            "zones": p.zones, "added": p.added, "changed": p.changed, "removed": p.removed,
            "blobs": p.blobs, "octets": p.octets, "rebased": p.rebased,
            "all-serve-it": all, "fleet": fleet, "plan": plan,
        }),
        Outcome::Unchanged { generation, manifest, zones } => json!({
            "published": false, "generation": generation.to_string(), "manifest": manifest.to_string(), "zones": zones,
            "all-serve-it": all, "fleet": fleet, "plan": plan,
        }),
    }
}

fn line(p: &Published) -> String {
    let after = p.before.map(|before| format!(" after {before}")).unwrap_or_default();
    format!(
        "published {}{after}: {}, {} added, {} changed, {} removed; {}, {} octets",
        p.generation,
        counted(p.zones, "zone"),
        p.added,
        p.changed,
        p.removed,
        counted(p.blobs, "blob"),
        p.octets
    )
}
