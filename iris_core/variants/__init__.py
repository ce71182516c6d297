"""Where this library departs from the paper: one departure a module."""
