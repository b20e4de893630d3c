//! A collector and session timeline for MCPcat events.
