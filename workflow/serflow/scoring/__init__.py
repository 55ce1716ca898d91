"""From runs to scores in long form."""
