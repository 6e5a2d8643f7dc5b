"""The stack around the exporter: what is rendered for its containers, and how."""
