//! The types of events: what the product calls them, which kind a reader counts them as, and the label they are
//! shown with.

/// What the type of every event of an MCP message begins with; the method follows.
pub const MCP_PREFIX: &str = "mcp:";

/// The methods that the product has an event type for, behind [`MCP_PREFIX`]; the usual one first.
const METHODS: [&str; 17] = [
    "tools/call",
    "ping",
    "initialize",
    "completion/complete",
    "logging/setLevel",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "tools/list",
    "tasks/get",
    "tasks/result",
    "tasks/list",
    "tasks/cancel",
];

/// Whether the hosted product takes events of this MCP method. Others are sent only to a collector that offers to take
/// [any type](crate::batch::offers_any_type).
#[must_use]
pub fn is_product_method(method: &str) -> bool {
    METHODS.contains(&method)
}

/// The product's two names. They differ in the type of custom events and in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// The newer name.
    AgentCat,
    /// The older name, still that of the API at `api.mcpcat.io`.
    McpCat,
}

impl Product {
    /// The name that a host goes by: the newer one, except for the older product's own API.
    #[must_use]
    pub fn of_host(host: &str) -> Self {
        if host.eq_ignore_ascii_case("api.mcpcat.io") { Self::McpCat } else { Self::AgentCat }
    }

    /// The type of custom events.
    #[must_use]
    pub const fn custom_type(self) -> &'static str {
        match self {
            Self::AgentCat => "agentcat:custom",
            Self::McpCat => "mcpcat:custom",
        }
    }

    /// The type of the event that says who the user is.
    #[must_use]
    pub const fn identify_type(self) -> &'static str {
        match self {
            Self::AgentCat => "agentcat:identify",
            Self::McpCat => "mcpcat:identify",
        }
    }

    /// The field of an event's body that holds the SDK's version.
    #[must_use]
    pub const fn version_key(self) -> &'static str {
        match self {
            Self::AgentCat => "agentcat_version",
            Self::McpCat => "mcpcat_version",
        }
    }
}

/// What an event is about, as counted and filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// A business event that the server's code published.
    Custom,
    /// A tool call.
    Tool,
    /// A listing of tools, resources or prompts: noise to most readers.
    List,
    /// Who the user is.
    Identify,
    /// Any other message of the protocol.
    Protocol,
    /// A type that this version does not know.
    Other,
}

impl EventKind {
    /// The kind of an event of this type.
    #[must_use]
    pub fn of(event_type: &str) -> Self {
        let product = [Product::AgentCat, Product::McpCat];
        if product.iter().any(|it| it.custom_type() == event_type) {
            return Self::Custom;
        }
        if product.iter().any(|it| it.identify_type() == event_type) {
            return Self::Identify;
        }
        match event_type.strip_prefix(MCP_PREFIX) {
            Some("tools/call") => Self::Tool,
            Some(method) if method.ends_with("/list") => Self::List,
            Some(_) => Self::Protocol,
            None => Self::Other,
        }
    }

    /// The kind in one lower-case word: `custom`, `tool`, `list`, `identify`, `protocol` or `other`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Tool => "tool",
            Self::List => "list",
            Self::Identify => "identify",
            Self::Protocol => "protocol",
            Self::Other => "other",
        }
    }
}

/// The words a reader sees for an event of this type and name (`resource_name`).
#[must_use]
pub fn label<'a>(event_type: &'a str, name: Option<&'a str>) -> &'a str {
    match EventKind::of(event_type) {
        EventKind::Custom => name.unwrap_or("Custom"),
        EventKind::Identify => "Identify",
        EventKind::Tool => name.unwrap_or("tool call"),
        EventKind::Other if event_type.is_empty() => name.unwrap_or("Event"),
        // Old SDKs fill the name of protocol messages with a placeholder.
        _ => name
            .filter(|name| !matches!(*name, "Unknown" | "Unknown Tool Name"))
            .unwrap_or_else(|| event_type.strip_prefix(MCP_PREFIX).unwrap_or(event_type)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_follows_from_the_type() {
        for (event_type, kind) in [
            ("agentcat:custom", EventKind::Custom),
            ("mcpcat:custom", EventKind::Custom),
            ("mcpcat:identify", EventKind::Identify),
            ("mcp:tools/call", EventKind::Tool),
            ("mcp:resources/templates/list", EventKind::List),
            ("mcp:ping", EventKind::Protocol),
            ("mcp:shop/open", EventKind::Protocol),
            ("else", EventKind::Other),
            ("", EventKind::Other),
        ] {
            assert_eq!(EventKind::of(event_type), kind, "{event_type}");
        }
    }

    #[test]
    fn labels_are_what_a_reader_looks_for() {
        assert_eq!(label("agentcat:custom", Some("checkout")), "checkout");
        assert_eq!(label("mcpcat:custom", None), "Custom");
        assert_eq!(label("mcp:initialize", Some("Unknown Tool Name")), "initialize");
        assert_eq!(label("mcp:tools/call", Some("add")), "add");
        assert_eq!(label("agentcat:identify", Some("Unknown")), "Identify");
        assert_eq!(label("mcp:resources/read", Some("file:///a")), "file:///a");
        assert_eq!(label("", None), "Event");
    }

    #[test]
    fn the_names_of_the_product_follow_from_the_host() {
        assert_eq!(Product::of_host("API.mcpcat.io").version_key(), "mcpcat_version");
        for host in ["api.agentcat.com", "127.0.0.1", "mcpcat.io", "api.mcpcat.io.example.com", ""] {
            assert_eq!(Product::of_host(host), Product::AgentCat, "{host}");
        }
    }

    #[test]
    fn methods_of_a_servers_own_are_not_the_products() {
        assert!(is_product_method("tools/call"));
        assert!(!is_product_method("server/discover"));
        assert!(!is_product_method("mcp:tools/call"));
    }
}
