"""What was decided: reading, writing and comparing lock files."""
