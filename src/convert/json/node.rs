//! One JSON value, strictly, with the raw text of everything in it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::diagnostic::Code;

/// Levels of lists and objects in a record.
pub(super) const DEPTH_MAX: usize = 64;

/// A value and its text.
#[derive(Debug)]
pub(super) struct Node<'t> {
    /// As it stands in the file.
    pub(super) raw: &'t str,
    pub(super) value: Value<'t>,
}

/// A value.
#[derive(Debug)]
pub(super) enum Value<'t> {
    Null,
    Bool,
    Number,
    Text(Cow<'t, str>),
    List(Vec<Node<'t>>),
    Object(Object<'t>),
}

/// An object's keys and values, in order.
pub(super) type Object<'t> = Vec<(String, Node<'t>)>;

/// Why a value is no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) code: Code,
    pub(super) reason: String,
    /// The key at fault, if one is.
    pub(super) key: Option<String>,
}

/// Reads a record.
pub(super) fn record(text: &str) -> Result<Object<'_>, Wrong> {
    let raw: &RawValue = serde_json::from_str(text).map_err(invalid)?;
    let value = node(raw, DEPTH_MAX)?.value;
    if let Value::Object(fields) = value {
        return Ok(fields);
    }
    let reason = format!("it is {}, not an object", value.words());
    Err(Wrong { code: Code::C148, reason, key: None })
}

fn invalid(error: serde_json::Error) -> Wrong {
    // The place is within the record and the record's own place is told beside it.
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let reason = format!("it is not valid JSON: {reason} (character {})", error.column());
    Wrong { code: Code::C146, reason, key: None }
}

fn node(raw: &RawValue, depth: usize) -> Result<Node<'_>, Wrong> {
    let text = raw.get();
    let Some(below) = depth.checked_sub(1) else {
        let reason = format!("it is nested deeper than {DEPTH_MAX} levels");
        return Err(Wrong { code: Code::C105, reason, key: None });
    };
    let value = match text.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't' | b'f') => Value::Bool,
        Some(b'"') => Value::Text(unescaped(text)?),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(invalid)?;
            let items = items.into_iter().map(|item| node(item, below));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        Some(b'{') => Value::Object(object(text, below)?),
        Some(_) | None => Value::Number,
    };
    Ok(Node { raw: text, value })
}

fn unescaped(text: &str) -> Result<Cow<'_, str>, Wrong> {
    match text.get(1..text.len().saturating_sub(1)) {
        Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
        _ => serde_json::from_str::<String>(text).map(Cow::Owned).map_err(invalid),
    }
}

fn object(text: &str, below: usize) -> Result<Object<'_>, Wrong> {
    let fields = serde_json::Deserializer::from_str(text).deserialize_map(Fields);
    let fields = fields.map_err(invalid)?;
    let mut keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    let twice = keys.windows(2).find_map(|pair| match pair {
        [a, b] if a == b => Some((*a).to_owned()),
        _ => None,
    });
    if let Some(key) = twice {
        let reason = format!("the key `{}` stands twice", key.escape_debug());
        return Err(Wrong { code: Code::C147, reason, key: Some(key) });
    }
    fields.into_iter().map(|(key, raw)| Ok((key, node(raw, below)?))).collect()
}

/// Takes all entries of an object, whatever their keys.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = map.next_entry()? {
            fields.push(entry);
        }
        Ok(fields)
    }
}

impl Value<'_> {
    fn words(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_record_says_why() {
        let cases = [
            ("{\"a\":1,}", Code::C146),
            ("{\"a\":tru}", Code::C146),
            ("{\"a\":01}", Code::C146),
            ("{\"a\":\"\\ud800\"}", Code::C146),
            ("{\"a\":\"\t\"}", Code::C146),
            ("{\"a\":1} x", Code::C146),
            ("{a:1}", Code::C146),
            ("", Code::C146),
            ("[1]", Code::C148),
            ("1", Code::C148),
            ("{\"a\":1,\"b\":2,\"a\":3}", Code::C147),
            ("{\"a\":{\"x\":1,\"x\":1}}", Code::C147),
        ];
        for (text, code) in cases {
            assert_eq!(record(text).expect_err(text).code, code, "{text}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(record(&deep).expect_err("deep").code, Code::C105);
    }

    #[test]
    fn values_keep_their_text() {
        let fields = record(r#"{"a": 1.50, "b":[1, 2] ,"c\n":"x\u0041"}"#).expect("a record");
        let raw: Vec<_> = fields.iter().map(|(key, node)| (key.as_str(), node.raw)).collect();
        assert_eq!(raw, [("a", "1.50"), ("b", "[1, 2]"), ("c\n", "\"x\\u0041\"")]);
        assert!(matches!(&fields[2].1.value, Value::Text(text) if text == "xA"));
    }
}
