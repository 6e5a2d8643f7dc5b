"""From `.env` to the files of the stack: what the settings mean, what is wrong with them, and the rendering."""
