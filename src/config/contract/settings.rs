//! What a contract says, setting by setting: two texts that differ only in comments, order and
//! spelling have the same settings.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Every setting by its full key: `column.amount.type` is `"decimal(10,2)"`. A column of which only
/// the type is written has it under `.type` as well. `None` when the text is not TOML.
pub fn settings(text: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    flatten("", &text.parse::<Table>().ok()?, &mut found);
    Some(found)
}

fn flatten(below: &str, table: &Table, found: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let full = if below.is_empty() { key.clone() } else { format!("{below}.{key}") };
        match value {
            Value::Table(inner) => flatten(&full, inner, found),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => {
                let is_column = below == "column";
                let full = if is_column { format!("{full}.type") } else { full };
                found.insert(full, value.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_has_the_same_settings() {
        let short = "mode.columns = 'evolve' # why\n[column]\nid = 'int64'\n";
        let long = "[column.id]\ntype = \"int64\"\n[mode]\ncolumns = \"evolve\"\n";
        let settings = settings(short).expect("TOML");
        assert_eq!(Some(&settings), super::settings(long).as_ref());
        let told: Vec<_> = settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        assert_eq!(told, ["column.id.type = \"int64\"", "mode.columns = \"evolve\""]);
        assert_eq!(super::settings("["), None);
    }
}
