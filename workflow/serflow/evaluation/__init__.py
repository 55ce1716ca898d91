"""From predictions to scores, tables and confusion matrices."""
