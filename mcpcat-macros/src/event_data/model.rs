//! What a derived event is: one or more records, each with a name and fields.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Fields, Generics, Ident, LitStr, Member, Type};

use super::parse::{self, Takes, Word};
use super::validate::{self, FieldRole};
use crate::callsite::{self, Field};
use crate::errors::Errors;
use crate::krate::{self, Krate};
use crate::names::{self, Case};

/// A type that is an event.
pub(crate) struct Event {
    pub(crate) krate: Krate,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) is_enum: bool,
    pub(crate) records: Vec<Record>,
    /// The type parameters whose values are serialised.
    pub(crate) serialised: Vec<Ident>,
}

/// A struct, or one variant of an enum.
pub(crate) struct Record {
    /// The variant; a struct has none.
    pub(crate) variant: Option<Ident>,
    pub(crate) name: LitStr,
    pub(crate) doc: String,
    /// The declared fields.
    pub(crate) fields: Vec<Field>,
    /// What to do with each member that is not skipped.
    pub(crate) members: Vec<MemberUse>,
}

/// A member and its role.
pub(crate) struct MemberUse {
    pub(crate) member: Member,
    pub(crate) span: Span,
    pub(crate) role: Role,
    pub(crate) text: Option<Text>,
}

pub(crate) enum Role {
    /// A declared field: its place in `Record::fields`.
    Field(usize),
    /// A declared field whose value is never read.
    Redacted(usize),
    Flatten,
    Message,
    Response,
    Duration,
    Error,
}

impl Role {
    /// The name of a role of which an event has one.
    fn only_one(&self) -> Option<&'static str> {
        match self {
            Role::Message => Some("message"),
            Role::Response => Some("response"),
            Role::Duration => Some("duration"),
            Role::Error => Some("error"),
            Role::Field(_) | Role::Redacted(_) | Role::Flatten => None,
        }
    }
}

/// Which text of a value is recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Debug,
    Display,
}

const STRUCT: [(&str, Takes); 3] =
    [("name", Takes::Text), ("rename_all", Takes::Text), ("crate", Takes::Text)];
const ENUM: [(&str, Takes); 4] = [
    ("prefix", Takes::Text),
    ("rename_all", Takes::Text),
    ("rename_all_fields", Takes::Text),
    ("crate", Takes::Text),
];
const VARIANT: [(&str, Takes); 2] = [("name", Takes::Text), ("rename_all", Takes::Text)];
const FIELD: [(&str, Takes); 12] = [
    ("rename", Takes::Text),
    ("skip", Takes::Nothing),
    ("tag", Takes::Nothing),
    ("property", Takes::Nothing),
    ("redact", Takes::Nothing),
    ("display", Takes::Nothing),
    ("debug", Takes::Nothing),
    ("flatten", Takes::Nothing),
    ("message", Takes::Nothing),
    ("response", Takes::Nothing),
    ("duration", Takes::Nothing),
    ("error", Takes::Nothing),
];

impl Event {
    /// Reads the type, noting every error on the way. `None` when nothing of it can be an event.
    pub(crate) fn read(input: &DeriveInput, errors: &mut Errors) -> Option<Self> {
        let mut event = Event {
            krate: Krate::default(),
            ident: input.ident.clone(),
            generics: input.generics.clone(),
            is_enum: false,
            records: Vec::new(),
            serialised: Vec::new(),
        };
        let params: Vec<&Ident> = input.generics.type_params().map(|param| &param.ident).collect();
        let mut used = HashSet::new();
        match &input.data {
            Data::Struct(data) => {
                let words = parse::words(&input.attrs, &STRUCT, "a struct", errors);
                event.read_crate(&words, errors);
                let name = name(&words, errors).unwrap_or_else(|| {
                    LitStr::new(&Case::Snake.apply(&input.ident.unraw().to_string()), input.ident.span())
                });
                let case = case(&words, "rename_all", errors);
                event.records.push(Record::read(
                    None,
                    name,
                    &input.attrs,
                    &data.fields,
                    case,
                    errors,
                    &mut used,
                ));
            }
            Data::Enum(data) => {
                event.is_enum = true;
                let words = enum_words(&input.attrs, errors);
                event.read_crate(&words, errors);
                let prefix = text(&words, "prefix").map(|prefix| {
                    if let Err(error) = names::check_name(prefix) {
                        errors.add(error);
                    }
                    prefix.value()
                });
                let variants = case(&words, "rename_all", errors).unwrap_or(Case::Snake);
                let fields = case(&words, "rename_all_fields", errors);
                for variant in &data.variants {
                    let words = parse::words(&variant.attrs, &VARIANT, "a variant", errors);
                    let name = name(&words, errors).unwrap_or_else(|| {
                        let name = variants.apply(&variant.ident.unraw().to_string());
                        LitStr::new(
                            &format!("{}{name}", prefix.as_deref().unwrap_or("")),
                            variant.ident.span(),
                        )
                    });
                    let case = case(&words, "rename_all", errors).or(fields);
                    let ident = Some(variant.ident.clone());
                    let record =
                        Record::read(ident, name, &variant.attrs, &variant.fields, case, errors, &mut used);
                    event.records.push(record);
                }
            }
            Data::Union(data) => {
                errors
                    .at(data.union_token.span, "a union does not say which of its fields holds: use an enum");
                return None;
            }
        }
        event.serialised =
            params.into_iter().filter(|param| used.contains(&param.to_string())).cloned().collect();
        Some(event)
    }

    fn read_crate(&mut self, words: &[Word], errors: &mut Errors) {
        match text(words, "crate").map(krate::parse) {
            Some(Ok(krate)) => self.krate = krate,
            Some(Err(error)) => errors.add(error),
            None => {}
        }
    }
}

/// An enum's words, with the reason why `name` is none of them.
fn enum_words(attrs: &[Attribute], errors: &mut Errors) -> Vec<Word> {
    let known: Vec<(&str, Takes)> = ENUM.iter().copied().chain([("name", Takes::Text)]).collect();
    let mut words = parse::words(attrs, &known, "an enum", errors);
    if let Some(at) = words.iter().position(|word| word.ident == "name") {
        errors.at(
            words[at].span(),
            "each variant names its own event: put `name` on the variants, or write `prefix = \"billing.\"` here",
        );
        words.remove(at);
    }
    words
}

fn text<'a>(words: &'a [Word], name: &str) -> Option<&'a LitStr> {
    words.iter().find(|word| word.ident == name).and_then(|word| word.value.as_ref())
}

fn name(words: &[Word], errors: &mut Errors) -> Option<LitStr> {
    let name = text(words, "name")?;
    if let Err(error) = names::check_name(name) {
        errors.add(error);
    }
    Some(name.clone())
}

fn case(words: &[Word], name: &str, errors: &mut Errors) -> Option<Case> {
    match Case::parse(text(words, name)?) {
        Ok(case) => Some(case),
        Err(error) => {
            errors.add(error);
            None
        }
    }
}

impl Record {
    fn read(
        variant: Option<Ident>,
        name: LitStr,
        attrs: &[Attribute],
        fields: &Fields,
        case: Option<Case>,
        errors: &mut Errors,
        used: &mut HashSet<String>,
    ) -> Self {
        let mut record = Record {
            variant,
            name,
            doc: crate::docs::first_paragraph(attrs),
            fields: Vec::new(),
            members: Vec::new(),
        };
        for (i, field) in fields.iter().enumerate() {
            record.read_field(i, field, case, errors, used);
        }
        callsite::check(&record.fields, errors);
        record
    }

    fn read_field(
        &mut self,
        index: usize,
        field: &syn::Field,
        case: Option<Case>,
        errors: &mut Errors,
        used: &mut HashSet<String>,
    ) {
        let words = parse::words(&field.attrs, &FIELD, "a field", errors);
        let span = field.ident.as_ref().map_or_else(|| field.ty.span(), Ident::span);
        let Some(said) = validate::field(&words, span, errors) else { return };
        let member = match &field.ident {
            Some(ident) => Member::Named(ident.clone()),
            None => Member::Unnamed(syn::Index { index: index as u32, span }),
        };
        let role = match said.role {
            FieldRole::Skip => return,
            FieldRole::Flatten => Role::Flatten,
            FieldRole::Message => Role::Message,
            FieldRole::Response => Role::Response,
            FieldRole::Duration => Role::Duration,
            FieldRole::Error => Role::Error,
            FieldRole::Keyed(place) => {
                let (key, span) = match (text(&words, "rename"), &field.ident) {
                    (Some(key), _) => (key.value(), key.span()),
                    (None, Some(ident)) => {
                        let key = ident.unraw().to_string();
                        (case.map_or_else(|| key.clone(), |case| case.apply(&key)), ident.span())
                    }
                    (None, None) => (index.to_string(), span),
                };
                self.fields.push(Field { place, key, span, redacted: said.redacted, cfgs: Vec::new() });
                let at = self.fields.len() - 1;
                if said.redacted { Role::Redacted(at) } else { Role::Field(at) }
            }
        };
        if let (Some(word), Some(name)) = (said.word, role.only_one()) {
            let same = |other: &MemberUse| other.role.only_one() == Some(name);
            if self.members.iter().any(same) {
                errors.at(word, format!("an event has one `{name}`, and another field is it already"));
            }
        }
        if said.text.is_none() && matches!(role, Role::Field(_) | Role::Flatten | Role::Response) {
            idents(&field.ty, used);
        }
        self.members.push(MemberUse { member, span, role, text: said.text });
    }
}

/// The words of a type; a type parameter among them has to be serialised.
fn idents(ty: &Type, used: &mut HashSet<String>) {
    fn walk(tokens: TokenStream, used: &mut HashSet<String>) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => drop(used.insert(ident.to_string())),
                TokenTree::Group(group) => walk(group.stream(), used),
                _ => {}
            }
        }
    }
    walk(ty.to_token_stream(), used);
}
