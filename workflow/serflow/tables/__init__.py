"""Tables made from scores, and their rendering."""
