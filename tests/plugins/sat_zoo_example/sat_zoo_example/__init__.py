"""An example of a package that adds to sat-zoo without being part of it."""
