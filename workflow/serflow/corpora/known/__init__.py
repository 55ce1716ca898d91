"""The built-in corpora, one module each."""
