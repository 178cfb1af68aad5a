//! The table: medians and ranges of each fleet, and what ours take of Knot's.

use crate::cost;
use crate::fleet::{Fleet, Sample, Told};

/// The head of a column.
pub(crate) fn head(fleet: &str, told: Told) -> String {
    match told {
        Told::Zone => format!("{fleet}, told the zone"),
        Told::Nothing => fleet.to_owned(),
    }
}

/// A row a figure, a column a fleet and what its command is told, then ratios of ours to each of Knot's medians.
pub(crate) fn render(
    fleets: &[Box<dyn Fleet>],
    columns: &[(usize, Told)],
    samples: &[Vec<Sample>],
    idle: &[f64],
) -> String {
    let ms = |of: fn(&Sample) -> f64| -> Vec<Vec<f64>> {
        samples.iter().map(|samples| samples.iter().map(|sample| 1e3 * of(sample)).collect()).collect()
    };
    let memory = |fleet: &dyn Fleet| cost::memory(&fleet.node_pids()) as f64 / 1e6 / fleet.nodes().len() as f64;
    let rows = [
        ("file changed to last node, ms", ms(|s| s.last.as_secs_f64())),
        ("CPU of all processes, ms", ms(|s| s.cpu().as_secs_f64())),
        ("- the command, ms", ms(|s| s.command_cpu.as_secs_f64())),
        ("- the nodes, ms", ms(|s| s.nodes_cpu.as_secs_f64())),
        ("- primary or etcd, ms", ms(|s| s.others_cpu.as_secs_f64())),
        ("memory of a node, MB", columns.iter().map(|(fleet, _)| vec![memory(&*fleets[*fleet])]).collect()),
        ("CPU at rest, ms a second", columns.iter().map(|(fleet, _)| vec![1e3 * idle[*fleet]]).collect()),
    ];
    let is_knot = |at: &usize| fleets[columns[*at].0].name() == "knot";
    let (knots, ours): (Vec<usize>, Vec<usize>) = (0..columns.len()).partition(is_knot);
    let ratios: Vec<(usize, usize)> = ours.iter().flat_map(|&our| knots.iter().map(move |&knot| (our, knot))).collect();
    let name = |at: usize| head(fleets[columns[at].0].name(), columns[at].1);
    let mut heads: Vec<String> = (0..columns.len()).map(name).collect();
    heads.extend(ratios.iter().map(|&(our, knot)| format!("{} / {}", name(our), name(knot))));
    let mut text = format!("| | {} |\n|---|{}\n", heads.join(" | "), "---:|".repeat(heads.len()));
    for (figure, values) in rows {
        let medians: Vec<f64> = values.iter().map(|values| median(values)).collect();
        let mut cells: Vec<String> = values.iter().map(|values| cell(values)).collect();
        cells.extend(ratios.iter().map(|&(our, knot)| format!("{:.2}", medians[our] / medians[knot])));
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
