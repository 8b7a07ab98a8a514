"""For people who test the core or a plugin: fixtures (a pytest plugin, loaded by its entry point) and local services."""
