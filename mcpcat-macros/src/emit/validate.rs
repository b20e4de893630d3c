//! Which key is the event's own field, which belongs to a section, and which is given twice.

use super::model::{Item, Named, RESERVED, Reserved};
use crate::callsite::{Field, Place};
use crate::entry::Entry;
use crate::errors::{Errors, nearest};

/// Puts a field where it belongs, once.
pub(super) fn item(entry: Entry, named: &mut Named, reserved: &mut Vec<Reserved>, errors: &mut Errors) {
    let Entry { key, value } = entry;
    let (place, text) = if key.quoted {
        (Place::Parameter, key.text)
    } else if let Some((_, word)) = RESERVED.iter().find(|(word, _)| *word == key.text) {
        if reserved.contains(word) {
            errors.at(key.span, format!("`{}` is given twice", key.text));
        } else {
            reserved.push(*word);
            named.items.push(Item::Reserved(*word, value));
        }
        return;
    } else if let Some(rest) = key.text.strip_prefix("tags.") {
        (Place::Tag, rest.to_owned())
    } else if let Some(rest) = key.text.strip_prefix("properties.") {
        (Place::Property, rest.to_owned())
    } else {
        if let Some((section, rest)) = key.text.split_once('.')
            && ["tag", "property", "props", "prop"].contains(&section)
        {
            let meant = nearest(section, &["tags", "properties"]).unwrap_or("properties");
            errors.at(key.span, format!("did you mean `{meant}.{rest}`? For a parameter, quote the key"));
        }
        (Place::Parameter, key.text)
    };
    named.fields.push(Field { place, key: text, span: key.span, redacted: false, cfgs: Vec::new() });
    named.items.push(Item::Field(value));
}
