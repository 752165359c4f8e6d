"""How values are taken apart, a module per library; see `afml_cache._apart`."""
