//! What a value looks like without what it says: keys, types and sizes.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// Serialises as the shape of what is inside. Only for those who ask for it: it builds the value's tree.
pub(super) struct Shape<T>(pub(super) T);

impl<T: Serialize> Serialize for Shape<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = serde_json::to_value(&self.0).map_err(serde::ser::Error::custom)?;
        Of(&value).serialize(serializer)
    }
}

struct Of<'a>(&'a Value);

impl Serialize for Of<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_none(),
            Value::Bool(_) => serializer.serialize_str("boolean"),
            Value::Number(_) => serializer.serialize_str("number"),
            Value::String(text) => serializer.collect_str(&format_args!("string({})", text.len())),
            Value::Array(items) => serializer.collect_str(&format_args!("array({})", items.len())),
            Value::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, &Of(value))?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_of_a_value_is_left_but_its_shape() {
        let value = json!({ "text": "hello", "n": 5, "yes": true, "none": null, "in": { "rows": [1, 2] } });
        let shape = json!({
            "text": "string(5)", "n": "number", "yes": "boolean", "none": null, "in": { "rows": "array(2)" },
        });
        assert_eq!(serde_json::to_value(Shape(value)).unwrap(), shape);
    }
}
