"""The static site: templates, charts and the builder."""
