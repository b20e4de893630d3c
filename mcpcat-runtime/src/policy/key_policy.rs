//! Which keys hide their value in one client: the built-in list, less and more what its user said.

use std::sync::Arc;

use super::known::is_known_sensitive;

/// Which keys hide their value at run time: the built-in list, less and more what a user said.
///
/// ```
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::policy::KeyPolicy;
/// let keys = KeyPolicy::default().also("employee_id").except("pin");
/// assert!(keys.redacts("employeeId") && keys.redacts("api_key"));
/// assert!(!keys.redacts("pin"));
/// assert!(!KeyPolicy::default().off().redacts("api_key"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPolicy {
    built_in_off: bool,
    own: Option<Arc<Own>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Own {
    also: Vec<Box<str>>,
    except: Vec<Box<str>>,
}

impl KeyPolicy {
    /// The built-in list alone.
    pub const fn new() -> Self {
        Self { built_in_off: false, own: None }
    }

    /// Hides the value of one more key. Case and separators do not matter: `employee_id` is also `Employee-ID`.
    #[must_use]
    pub fn also(mut self, key: &str) -> Self {
        let own = Arc::make_mut(self.own.get_or_insert_default());
        own.also.push(key.into());
        self
    }

    /// Takes one key off the list, compared like [`KeyPolicy::also`]. It wins over both lists.
    #[must_use]
    pub fn except(mut self, key: &str) -> Self {
        let own = Arc::make_mut(self.own.get_or_insert_default());
        own.except.push(key.into());
        self
    }

    /// Switches the built-in list off. Keys given with [`KeyPolicy::also`] stay hidden.
    #[must_use]
    pub fn off(mut self) -> Self {
        self.built_in_off = true;
        self
    }

    /// Whether the built-in list is on.
    pub(crate) const fn has_built_in(&self) -> bool {
        !self.built_in_off
    }

    /// Whether what was found out about a callsite's keys, once, holds for this policy.
    pub(crate) const fn is_built_in(&self) -> bool {
        !self.built_in_off && self.own.is_none()
    }

    /// Whether the value of this key is hidden.
    pub fn redacts(&self, key: &str) -> bool {
        let built_in = || !self.built_in_off && is_known_sensitive(key);
        match &self.own {
            None => built_in(),
            Some(own) => {
                let listed = |list: &[Box<str>]| list.iter().any(|entry| same_key(entry, key));
                !listed(&own.except) && (built_in() || listed(&own.also))
            }
        }
    }
}

/// Equal but for case and separators.
fn same_key(a: &str, b: &str) -> bool {
    fn letters(text: &str) -> impl Iterator<Item = char> + '_ {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
    }
    letters(a).eq(letters(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_can_grow_shrink_and_go() {
        let keys = KeyPolicy::new();
        assert!(keys.is_built_in() && keys.redacts("api_key") && !keys.redacts("employee_id"));
        let keys = keys.also("employee_id");
        assert!(!keys.is_built_in());
        assert!(["employee_id", "employeeId", "Employee-ID"].iter().all(|key| keys.redacts(key)));
        assert!(!keys.redacts("employee") && keys.redacts("api_key"));
        let keys = keys.off();
        assert!(keys.redacts("employeeid") && !keys.redacts("api_key"));
        assert!(!KeyPolicy::new().except("api-key").redacts("apiKey"));
        assert!(!KeyPolicy::new().also("x").except("x").redacts("x"));
    }
}
