//! The arguments of `#[event(…)]`: words, strings, numbers and lists, because rustfmt formats only those.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, Ident, Lit, LitStr, Token};

use super::model::{Args, CapturedKey, On, Verdict};
use crate::callsite::{self, Place};
use crate::entry::{Entry, skip_to_comma};
use crate::errors::{Errors, suggest};
use crate::group::bare_expr;
use crate::krate;
use crate::names;

const FUNCTION: [&str; 13] = [
    "name",
    "params",
    "response",
    "message",
    "tags",
    "properties",
    "session",
    "ok_if",
    "error_if",
    "on",
    "slow",
    "sample",
    "crate",
];
/// What makes sense for many methods at once.
const BLOCK: [&str; 8] = ["name", "tags", "properties", "session", "on", "slow", "sample", "crate"];

impl Args {
    pub(crate) fn parse(args: TokenStream, on: On) -> syn::Result<Self> {
        let parser = |input: ParseStream<'_>| {
            let mut args = Args::default();
            let mut errors = Errors::default();
            let mut seen: Vec<String> = Vec::new();
            while !input.is_empty() {
                if let Err(error) = args.argument(input, on, &mut seen, &mut errors) {
                    errors.add(error);
                    skip_to_comma(input);
                }
                if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                    errors.add(input.error("expected `,` between arguments"));
                    skip_to_comma(input);
                }
            }
            callsite::check(&args.fields(), &mut errors);
            errors.into_result(args)
        };
        parser.parse2(args)
    }

    fn argument(
        &mut self,
        input: ParseStream<'_>,
        on: On,
        seen: &mut Vec<String>,
        errors: &mut Errors,
    ) -> syn::Result<()> {
        if input.peek(LitStr) {
            let name: LitStr = input.parse()?;
            return Err(syn::Error::new(name.span(), format!("write `name = \"{}\"`", name.value())));
        }
        if !input.peek(Ident::peek_any) {
            return Err(input.error(format!("expected an argument; {}", suggest("", words(on)))));
        }
        let word = input.call(Ident::parse_any)?;
        let text = word.to_string();
        if text == "skip" {
            return self.take_skip(&word, on);
        }
        if !words(on).contains(&text.as_str()) {
            let why = if on == On::Block && FUNCTION.contains(&text.as_str()) {
                format!("`{text}` belongs to one method: write `#[event({text} …)]` on it")
            } else {
                format!("unknown argument `{text}`; {}", suggest(&text, words(on)))
            };
            // The value is skipped with it.
            return Err(syn::Error::new(word.span(), why));
        }
        if seen.contains(&text) {
            return Err(syn::Error::new(word.span(), format!("`{text}` is given twice")));
        }
        seen.push(text.clone());
        match text.as_str() {
            "name" => {
                let name = name_literal(input, &word)?;
                names::check_name(&name)?;
                self.name = Some(name);
            }
            "params" => self.list(input, &word, Place::Parameter, errors)?,
            "tags" => self.list(input, &word, Place::Tag, errors)?,
            "properties" => self.list(input, &word, Place::Property, errors)?,
            "response" => {
                if input.peek(Token![=]) || input.peek(syn::token::Paren) {
                    return Err(
                        input.error("`response` takes no value: it records the value that is returned")
                    );
                }
                self.response = Some(word.span());
            }
            "message" => {
                self.message =
                    Some(string(input, &word, "a format string over the arguments", "charged {amount}")?);
            }
            "session" => {
                let text = string(input, &word, "an expression in quotes", "self.session")?;
                self.session = Some(expression(&text)?);
            }
            "ok_if" | "error_if" => {
                let text =
                    string(input, &word, "the path of a function of `&ReturnType`", "Option::is_none")?;
                let function = expression(&text)?;
                if let Some(Verdict::OkIf(_) | Verdict::ErrorIf(_)) = self.verdict {
                    return Err(syn::Error::new(
                        word.span(),
                        "either `ok_if` or `error_if` decides, not both",
                    ));
                }
                self.verdict = Some(if text_is(&word, "ok_if") {
                    Verdict::OkIf(function)
                } else {
                    Verdict::ErrorIf(function)
                });
            }
            "on" => {
                let what = string(input, &word, "what to publish", "error")?;
                if what.value() != "error" {
                    return Err(syn::Error::new(
                        what.span(),
                        "write `on = \"error\"` to publish failures only; for slow calls write `slow = \"250ms\"`",
                    ));
                }
                self.rule.on_error = true;
            }
            "slow" => {
                let text = string(input, &word, "a duration", "250ms")?;
                self.rule.slow_micros = Some(micros(&text)?);
            }
            "sample" => self.rule.sample = Some(share(input, &word)?),
            _ => self.krate = Some(krate::parse(&string(input, &word, "the path to mcpcat", "my::mcpcat")?)?),
        }
        Ok(())
    }

    fn take_skip(&mut self, word: &Ident, on: On) -> syn::Result<()> {
        match on {
            On::Method => {
                self.skip = Some(word.span());
                Ok(())
            }
            On::Function => Err(syn::Error::new(
                word.span(),
                "`skip` leaves a method out of an annotated `impl` block; here, remove the attribute",
            )),
            On::Block => {
                Err(syn::Error::new(word.span(), "`skip` goes on the method to leave out: `#[event(skip)]`"))
            }
        }
    }

    fn list(
        &mut self,
        input: ParseStream<'_>,
        word: &Ident,
        place: Place,
        errors: &mut Errors,
    ) -> syn::Result<()> {
        if !input.peek(syn::token::Paren) {
            return Err(syn::Error::new(
                word.span(),
                format!("`{word}` takes a list: write `{word}(a, total = a + b)`"),
            ));
        }
        let content;
        syn::parenthesized!(content in input);
        while !content.is_empty() {
            match content.parse::<Entry>() {
                Ok(entry) => {
                    let key = CapturedKey { text: entry.key.text, span: entry.key.span };
                    self.captured.push((place, key, std::rc::Rc::new(entry.value)));
                }
                Err(error) => {
                    errors.add(error);
                    skip_to_comma(&content);
                }
            }
            if !content.is_empty() && content.parse::<Token![,]>().is_err() {
                errors.add(content.error("expected `,` between fields"));
                skip_to_comma(&content);
            }
        }
        Ok(())
    }
}

fn words(on: On) -> &'static [&'static str] {
    match on {
        On::Block => &BLOCK,
        On::Function | On::Method => &FUNCTION,
    }
}

fn text_is(word: &Ident, text: &str) -> bool {
    word == text
}

/// `word = "…"`, or an error that shows how it is written.
fn string(input: ParseStream<'_>, word: &Ident, what: &str, example: &str) -> syn::Result<LitStr> {
    let wrong =
        |span| syn::Error::new(span, format!("`{word}` takes {what}: write `{word} = \"{example}\"`"));
    if !input.peek(Token![=]) {
        return Err(wrong(word.span()));
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() {
        return Err(wrong(word.span()));
    }
    let span = input.span();
    input.parse::<LitStr>().map_err(|_| wrong(span))
}

/// `name = "…"`. A constant's name is an expression, which the macro cannot read.
fn name_literal(input: ParseStream<'_>, word: &Ident) -> syn::Result<LitStr> {
    let ahead = input.fork();
    let is_path = ahead.parse::<Token![=]>().is_ok() && ahead.peek(Ident::peek_any);
    let span = ahead.span();
    let name = string(input, word, "the event's name", "invoice.charge");
    if !is_path {
        return name;
    }
    Err(syn::Error::new(
        span,
        "an event's name is a literal, so that the catalogue can list it: write `name = \"invoice.charge\"`; for a name \
         that is known at run time, publish a `CustomEvent::new(name)` in the body",
    ))
}

fn expression(text: &LitStr) -> syn::Result<Expr> {
    text.parse::<Expr>()
        .map_err(|error| syn::Error::new(text.span(), format!("this is not a Rust expression: {error}")))
}

/// A share from 0 to 1.
fn share(input: ParseStream<'_>, word: &Ident) -> syn::Result<f64> {
    let wrong = |span| syn::Error::new(span, "`sample` takes a share from 0 to 1: write `sample = 0.1`");
    if !input.peek(Token![=]) {
        return Err(wrong(word.span()));
    }
    input.parse::<Token![=]>()?;
    let span = input.span();
    let literal: Expr = input.parse().map_err(|_| wrong(span))?;
    let number = match bare_expr(&literal) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Float(number) => number.base10_parse::<f64>().ok(),
            Lit::Int(number) => number.base10_parse::<f64>().ok(),
            _ => None,
        },
        _ => None,
    };
    match number {
        Some(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(syn::Error::new_spanned(literal.to_token_stream(), wrong(span))),
    }
}

/// A number and its unit: `250ms`, `1.5s`.
fn micros(text: &LitStr) -> syn::Result<u64> {
    const UNITS: [(&str, f64); 4] = [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 60e6)];
    let value = text.value();
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = value[digits.len()..].trim();
    let number = digits.parse::<f64>().ok().filter(|number| *number >= 0.0);
    let unit = UNITS.iter().find(|(name, _)| *name == unit);
    match (number, unit) {
        (Some(number), Some((_, factor))) if number * factor <= u64::MAX as f64 => {
            Ok((number * factor).round() as u64)
        }
        _ => Err(syn::Error::new(
            text.span(),
            "`slow` takes a number with one of the units us, ms, s and m: write `slow = \"250ms\"`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;
    use quote::quote;

    fn parse(args: TokenStream) -> Result<Args, Vec<String>> {
        Args::parse(args, On::Function)
            .map_err(|errors| errors.into_iter().map(|error| error.to_string()).collect())
    }

    #[test]
    fn durations_have_units() {
        let micros = |text: &str| micros(&LitStr::new(text, Span::call_site())).ok();
        assert_eq!(micros("250ms"), Some(250_000));
        assert_eq!(micros("1.5 s"), Some(1_500_000));
        assert_eq!(micros("2m"), Some(120_000_000));
        assert_eq!(micros("7us"), Some(7));
        assert_eq!(micros("250"), None);
        assert_eq!(micros("-1s"), None);
        assert_eq!(micros("1h"), None);
    }

    #[test]
    fn arguments_come_in_any_order() {
        let args = parse(quote!(
            sample = 0.5,
            response,
            params(a, "b c" = 1, d.e = debug(f)),
            on = "error",
            tags(plan),
            message = "m {a}",
            slow = "1s",
            name = "n",
            error_if = "Option::is_none",
            crate = "x::y",
            session = "self.s",
            properties(z),
        ))
        .unwrap();
        let keys: Vec<(Place, &str)> =
            args.captured.iter().map(|(place, key, _)| (*place, &*key.text)).collect();
        assert_eq!(
            keys,
            [
                (Place::Parameter, "a"),
                (Place::Parameter, "b c"),
                (Place::Parameter, "d.e"),
                (Place::Tag, "plan"),
                (Place::Property, "z")
            ]
        );
        assert!(
            args.rule.on_error && args.rule.slow_micros == Some(1_000_000) && args.rule.sample == Some(0.5)
        );
    }

    #[test]
    fn all_errors_show_at_once() {
        let errors = parse(quote!(
            nam = "x",
            response = 1,
            sample = 2,
            on = "success",
            params(a.b),
            name = "a",
            name = "b"
        ))
        .err()
        .unwrap();
        assert_eq!(
            errors,
            [
                "unknown argument `nam`; did you mean `name`?",
                "`response` takes no value: it records the value that is returned",
                "`sample` takes a share from 0 to 1: write `sample = 0.1`",
                "write `on = \"error\"` to publish failures only; for slow calls write `slow = \"250ms\"`",
                "only a variable can stand alone: write `b = a.b`",
                "`name` is given twice",
            ]
        );
    }
}
