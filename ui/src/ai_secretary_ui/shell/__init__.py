"""Everything around a page: address, session, rail, tabs, palette, themes, languages, guarded building."""
