"""The core's own pages. Each module has `build(view)`; they are imported when first opened."""
