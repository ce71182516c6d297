"""The pictures of the notebooks: one file a notebook, one style, and sliders."""
