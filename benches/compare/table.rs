//! Markdown tables: medians over the rounds, and ratios taken round by round.

use crate::servers::Server;

/// One figure of each server, a value per round.
pub(crate) struct Row {
    /// What it is, with its unit.
    pub(crate) figure: String,
    /// In the order of the table's servers. Empty where a server has none.
    pub(crate) values: Vec<Vec<f64>>,
}

/// A table: a row a figure; a column a server, then how we compare with each.
pub(crate) fn render(servers: &[Server], rows: &[Row]) -> String {
    let us = servers.iter().position(|&server| server == Server::Catchment);
    let others: Vec<usize> = (0..servers.len()).filter(|&at| us.is_some() && Some(at) != us).collect();
    let mut head: Vec<String> = servers.iter().map(|server| server.name().to_owned()).collect();
    head.extend(others.iter().map(|&at| format!("catchment/{}", servers[at].name())));
    let mut text = format!("| | {} |\n|---|{}\n", head.join(" | "), "---:|".repeat(head.len()));
    for row in rows {
        let mut cells: Vec<String> = row.values.iter().map(|values| median(values).map_or("".into(), number)).collect();
        for &other in &others {
            let ratio = us.and_then(|us| ratio(&row.values[us], &row.values[other]));
            cells.push(ratio.map_or("".into(), |ratio| format!("{ratio:.2}")));
        }
        text += &format!("| {} | {} |\n", row.figure, cells.join(" | "));
    }
    text
}

/// The median of the ratios round by round: what drifts on a machine, drifts for both of a round.
fn ratio(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = ours.iter().zip(theirs).filter(|(_, t)| **t > 0.0).map(|(o, t)| o / t).collect();
    median(&ratios)
}

/// The middle value, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(values.len().checked_sub(1)? / 2)?, sorted.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}

fn number(value: f64) -> String {
    match value.abs() {
        1000.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
