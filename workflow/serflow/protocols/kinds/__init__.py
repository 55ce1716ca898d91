"""One module per kind of protocol: its options, folds, split, forbidden leaks and role."""
