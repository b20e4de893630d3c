//! Custom analytics events for Model Context Protocol servers.
