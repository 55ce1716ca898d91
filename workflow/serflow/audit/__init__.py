"""A leak report on anyone's split: what training shares with validation and test, copies found by their sound too."""
