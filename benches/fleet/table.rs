//! The table: medians and ranges of each fleet, and what ours take of Knot's.

use crate::cost;
use crate::fleet::{Fleet, Sample};

/// A row a figure, a column a fleet, then ratios to Knot's medians.
pub(crate) fn render(fleets: &[Box<dyn Fleet>], samples: &[Vec<Sample>], idle: &[f64]) -> String {
    let ms = |of: fn(&Sample) -> f64| -> Vec<Vec<f64>> {
        samples.iter().map(|samples| samples.iter().map(|sample| 1e3 * of(sample)).collect()).collect()
    };
    let memory = |fleet: &Box<dyn Fleet>| cost::memory(&fleet.node_pids()) as f64 / 1e6 / fleet.nodes().len() as f64;
    let rows = [
        ("file changed to last node, ms", ms(|s| s.last.as_secs_f64())),
        ("CPU of all processes, ms", ms(|s| s.cpu().as_secs_f64())),
        ("- the command, ms", ms(|s| s.command_cpu.as_secs_f64())),
        ("- the nodes, ms", ms(|s| s.nodes_cpu.as_secs_f64())),
        ("- primary or etcd, ms", ms(|s| s.others_cpu.as_secs_f64())),
        ("memory of a node, MB", fleets.iter().map(|fleet| vec![memory(fleet)]).collect()),
        ("CPU at rest, ms a second", idle.iter().map(|share| vec![1e3 * share]).collect()),
    ];
    let reference = fleets.iter().position(|fleet| fleet.name() == "knot");
    let ours: Vec<usize> = (0..fleets.len()).filter(|&at| reference.is_some_and(|knot| knot != at)).collect();
    let mut head: Vec<String> = fleets.iter().map(|fleet| fleet.name().to_owned()).collect();
    head.extend(ours.iter().map(|&at| format!("{}/knot", fleets[at].name())));
    let mut text = format!("| | {} |\n|---|{}\n", head.join(" | "), "---:|".repeat(head.len()));
    for (figure, values) in rows {
        let medians: Vec<f64> = values.iter().map(|values| median(values)).collect();
        let mut cells: Vec<String> = values.iter().map(|values| cell(values)).collect();
        cells.extend(ours.iter().map(|&at| format!("{:.2}", medians[at] / medians[reference.unwrap_or(at)])));
        text += &format!("| {figure} | {} |\n", cells.join(" | "));
    }
    text
}

fn cell(values: &[f64]) -> String {
    let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), &v| (low.min(v), high.max(v)));
    match values.len() {
        1 => format!("{:.1}", values[0]),
        _ => format!("{:.1} ({low:.1}-{high:.1})", median(values)),
    }
}

/// The middle value, or the mean of the two in the middle; no value for none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        len => (sorted[(len - 1) / 2] + sorted[len / 2]) / 2.0,
    }
}
