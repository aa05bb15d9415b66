"""The organisations' pages: the board, one organisation and what is managed there, the desk."""
