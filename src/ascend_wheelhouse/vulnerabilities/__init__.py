"""Known vulnerabilities: reading a database in the OSV format, and which of its records touch a version."""
