"""Pages for a browser: one file each, no network, no script; what stands in them is escaped by the template engine."""
